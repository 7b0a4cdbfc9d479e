//! Connections that come and go.

use std::net::SocketAddr;

use super::conn::{Conn, Counted};
use super::{ConnId, Direction, DisconnectReason, Link, Output, Refused, Torrent, say};
use crate::Time;
use crate::candidates::Ended;
use crate::wire::extended::{ExtendedHandshake, Murder, Wants};
use crate::wire::{Message, PeerId};

impl Torrent {
    pub(super) fn connect(&mut self, now: Time, link: Link) -> Result<ConnId, Refused> {
        let outbound = link.direction == Direction::Outbound;
        if let Err(refused) = self.admit(now, &link) {
            if outbound {
                match refused {
                    Refused::Myself | Refused::Banned => self.candidates.never(link.addr),
                    Refused::AlreadyConnected => self.candidates.connected(link.addr),
                    Refused::Full(_) => self.dial_failed(now, link.addr),
                }
            }
            return Err(refused);
        }
        let id = ConnId(self.next_conn);
        self.next_conn += 1;
        if outbound {
            self.candidates.connected(link.addr);
        }
        let mut conn = Conn::new(id, link, &self.lengths, now);
        self.greet(now, &mut conn);
        self.conns.add(conn);
        self.timer.wake();
        Ok(id)
    }

    pub(super) fn dial_failed(&mut self, now: Time, addr: SocketAddr) {
        match self.have.is_full() {
            true => self.candidates.seed_failed(now, addr, &mut self.chance),
            false => self.candidates.ended(now, addr, Ended::Useless, &mut self.chance),
        }
        self.pending.dial = true;
    }

    /// Closes a connection.
    pub(super) fn disconnect(&mut self, now: Time, id: ConnId, why: DisconnectReason) {
        if self.conns.contains(&id) {
            self.outputs.push_back(Output::Disconnect { conn: id, why });
            let how = match why {
                DisconnectReason::BothSeeds => Ended::Done,
                DisconnectReason::Violation(_) => Ended::Pointless,
                _ => Ended::Useless,
            };
            self.remove(now, id, Some(how));
        }
    }

    /// The other side closed a connection.
    pub(super) fn forget(&mut self, now: Time, id: ConnId) {
        self.remove(now, id, None);
    }

    /// A connection is gone: what was expected of it has to come from others.
    fn remove(&mut self, now: Time, id: ConnId, how: Option<Ended>) {
        let Some(mut conn) = self.conns.remove(&id) else { return };
        for request in conn.down.flights.drain() {
            if request.is_counted_on() {
                self.picker.give_back(id, request.block);
            }
        }
        self.picker.release(id);
        if conn.counted == Counted::EachPiece {
            conn.have.iter().for_each(|piece| self.picker.rarity().subtract(piece));
        }
        if let Some(giver) = &mut self.giver {
            conn.up.gifts.iter().for_each(|gift| giver.subtract(gift.piece));
            conn.have.iter().for_each(|piece| giver.subtract(piece));
        }
        if let Some(addr) = conn.listens {
            // One that leaves a seed is complete or dead, or comes back by itself.
            let left = match (self.have.is_full(), conn.down.received > 0) {
                (true, _) => Ended::Done,
                (false, true) => Ended::Useful,
                (false, false) => Ended::Useless,
            };
            self.candidates.ended(now, addr, how.unwrap_or(left), &mut self.chance);
        }
        self.pending.interest = true;
        self.pending.turns = true;
        self.pending.dial = true;
    }

    /// Closes what has become pointless: neither side lacks a piece, or the peer wants none.
    pub(super) fn drop_if_pointless(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.conns.get(&id) else { return };
        if self.have.is_full() && (conn.have.is_full() || conn.wants == Wants::Nothing) {
            self.disconnect(now, id, DisconnectReason::BothSeeds);
        }
    }

    /// Dials while there are too few connections, and asks for addresses when there are none left.
    pub(super) fn dial(&mut self, now: Time) {
        // Who lacks pieces looks for who has them; a seed only helps where it is hardly known.
        let degree = if self.have.is_full() { self.config.degree / 2 } else { self.config.degree };
        while self.neighbours() < degree {
            let Some(addr) = self.candidates.next(now) else { break };
            self.outputs.push_back(Output::Dial(addr));
        }
        if self.wants_peers_from().is_some_and(|at| at <= now) {
            self.timer.ask_for_peers(now);
            self.outputs.push_back(Output::WantPeers);
        }
        let rest = self.neighbours() < degree;
        self.timer.redial(self.candidates.next_at().filter(|_| rest));
    }

    /// When the tracker is to be asked for more peers, if there are too few: not before those have come
    /// who come a little later, as they are told of some that are there. Whoever comes last waits for
    /// them in vain, and with half as many neighbours would get less than others.
    pub(super) fn wants_peers_from(&self) -> Option<Time> {
        let lacks = !self.have.is_full() && self.neighbours() < self.config.degree;
        lacks.then(|| self.timer.may_ask_for_peers())
    }

    /// How many connections there are, and soon may be.
    fn neighbours(&self) -> usize {
        self.conns.len() + self.candidates.dialling()
    }

    /// The message about ourselves that goes out at the beginning, and again when we are complete.
    pub(super) fn introduction(&self, link: &Link) -> Message {
        let handshake = ExtendedHandshake {
            port: self.config.listen_port,
            client: Some(CLIENT.to_owned()),
            your_ip: Some(link.addr.ip()),
            request_queue: u32::try_from(self.config.max_queue).ok(),
            wants: if self.have.is_full() { Wants::Nothing } else { Wants::Pieces },
            murder: Some(Murder { block: self.config.block }),
            ..ExtendedHandshake::default()
        };
        Message::Extended { id: ExtendedHandshake::ID, payload: handshake.encode() }
    }

    fn admit(&mut self, now: Time, link: &Link) -> Result<(), Refused> {
        if link.peer_id == self.me {
            return Err(Refused::Myself);
        }
        if self.suspects.is_banned(link.addr.ip()) {
            return Err(Refused::Banned);
        }
        let twin = self.conns.values_mut().find(|conn| conn.link.peer_id == link.peer_id);
        if let Some(twin) = twin {
            if !replaces(link, &twin.link, &self.me) {
                if link.direction == Direction::Outbound {
                    twin.listens = Some(link.addr);
                }
                return Err(Refused::AlreadyConnected);
            }
            let twin = twin.id;
            self.disconnect(now, twin, DisconnectReason::Duplicate);
        }
        if self.conns.len() >= self.config.max_connections {
            return Err(Refused::Full(self.conns.len()));
        }
        Ok(())
    }

    fn greet(&mut self, now: Time, conn: &mut Conn) {
        let have = match (self.have.is_full(), self.have.is_empty()) {
            (true, _) if conn.speaks.fast() => Some(Message::HaveAll),
            (_, true) if conn.speaks.fast() => Some(Message::HaveNone),
            // BEP 3: it "may be skipped" by who has nothing.
            (_, true) => None,
            _ => Some(Message::Bitfield(self.have.as_bitfield().to_vec())),
        };
        if let Some(have) = have {
            say(&mut self.outputs, conn, now, have);
        }
        if conn.speaks.extended() {
            let introduction = self.introduction(&conn.link);
            say(&mut self.outputs, conn, now, introduction);
        }
    }
}

/// When both sides dial at once, both have to keep the same one of the two connections: the one
/// that the greater peer id opened.
fn replaces(new: &Link, old: &Link, me: &PeerId) -> bool {
    new.direction != old.direction
        && match new.direction {
            Direction::Outbound => *me > new.peer_id,
            Direction::Inbound => new.peer_id > *me,
        }
}

/// `v` of BEP 10.
const CLIENT: &str = concat!("murder ", env!("CARGO_PKG_VERSION"));
