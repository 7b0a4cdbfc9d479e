//! Dials, and what comes of them.

use std::net::SocketAddr;
use std::time::Duration;

use murder_swarm::torrent::{Direction, Link, Refused};
use murder_swarm::wire::Reserved;

use super::{Kind, World};
use crate::agenda::{Event, Life};
use crate::connection::{EndId, Item};
use crate::host::{State, host_at};
use crate::{HostId, Wrong};

impl World<'_> {
    /// A torrent wants a connection. SYN, SYN-ACK, and the handshake with the ACK: the target's
    /// torrent hears of it after three ways through the network.
    pub(super) fn dial(&mut self, id: HostId, addr: SocketAddr) {
        let Some(to) = host_at(addr, self.hosts.len()) else {
            return self.wrong(id, Wrong::DialledNobody(addr));
        };
        if self.host(id).banned.contains(&to) {
            self.wrong(id, Wrong::DialledBanned(to));
        }
        let from = self.host(id).life();
        let delay = self.network.delay(id, to);
        self.note(Kind::Dial, id, to.0.into());
        match self.host(to).state {
            State::Up => self.agenda.add(self.now + delay * 3, Event::Knock { from, to }),
            State::Down => self.agenda.add(self.now + delay * 2, Event::Rejected { from, to }),
            State::Gone => self.agenda.add(self.now + DIAL_TIMEOUT, Event::Rejected { from, to }),
        }
    }

    pub(super) fn knock(&mut self, from: Life, to: HostId) {
        let delay = self.network.delay(from.host, to);
        match self.host(to).state {
            State::Up => {}
            State::Down => return self.agenda.add(self.now + delay, Event::Rejected { from, to }),
            State::Gone => {
                return self.agenda.add(self.now + DIAL_TIMEOUT, Event::Rejected { from, to });
            }
        }
        let lengths = self.scenario.lengths;
        let dialler = self.connections.add(from, self.host(to).life(), &lengths);
        let end = dialler.other();
        let port = EPHEMERAL + u16::try_from(dialler.connection() % 20_000).unwrap_or(0);
        let addr = SocketAddr::new(self.host(from.host).ip(), port);
        match self.connect(end, addr, Direction::Inbound) {
            Ok(()) => {
                // Before what the listener says first, which arrives at the same time.
                self.agenda.add(self.now + delay, Event::Entered { from, end: dialler });
                self.drain(to);
            }
            Err(_) => self.agenda.add(self.now + delay, Event::Rejected { from, to }),
        }
    }

    pub(super) fn entered(&mut self, from: Life, end: EndId) {
        let addr = self.host(self.connections.host(end.other())).addr();
        let outcome = match self.living(from) {
            Some(_) => self.connect(end, addr, Direction::Outbound).ok(),
            None => None,
        };
        match outcome {
            Some(()) => self.drain(from.host),
            None => {
                self.drop_end(end);
                self.transmit(end.other(), Item::Close);
                if self.living(from).is_some() {
                    self.drain(from.host);
                }
            }
        }
    }

    pub(super) fn rejected(&mut self, from: Life, to: HostId) {
        let (now, addr) = (self.now, self.host(to).addr());
        let Some(torrent) = self.living(from).and_then(|host| host.torrent.as_mut()) else {
            return;
        };
        torrent.handle_dial_failed(now, addr);
        self.note(Kind::Refuse, from.host, to.0.into());
        self.drain(from.host);
    }

    /// Tells a torrent of a connection.
    fn connect(
        &mut self,
        end: EndId,
        addr: SocketAddr,
        direction: Direction,
    ) -> Result<(), Refused> {
        let now = self.now;
        let (id, other) = (self.connections.host(end), self.connections.host(end.other()));
        let peer_id = self.host(other).peer_id();
        let limit = self.scenario.config.max_connections;
        let link = Link { addr, direction, peer_id, reserved: Reserved::OURS };
        let host = self.host_mut(id);
        let Some(torrent) = &mut host.torrent else {
            return Err(Refused::Full(0));
        };
        let conn = torrent.handle_connected(now, link)?;
        host.ends.add(conn, end);
        let (count, banned) = (host.ends.len(), host.banned.contains(&other));
        self.connections[end].id = Some(conn);
        self.connections_made += usize::from(direction == Direction::Outbound);
        self.note(Kind::Connect, id, end.connection().into());
        if banned {
            self.wrong(id, Wrong::ConnectedBanned(other));
        }
        // A duplicate may be there for as long as it takes to drain.
        if count > limit + 1 {
            self.wrong(id, Wrong::TooManyConnections(count));
        }
        Ok(())
    }
}

/// What agents wait for a connection.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// The first port of those who dial.
const EPHEMERAL: u16 = 32768;
