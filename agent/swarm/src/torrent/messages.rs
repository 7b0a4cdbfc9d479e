//! What a message of a peer changes.

use std::net::SocketAddr;

use super::conn::{Conn, Counted, Gate, Interest, Kind, Opening};
use super::{ConnId, Direction, Torrent, Violation};
use crate::partial::CELL;
use crate::wire::extended::ExtendedHandshake;
use crate::wire::{Message, Span};
use crate::{PieceIndex, PieceSet, Time};

impl Torrent {
    pub(super) fn receive(
        &mut self,
        now: Time,
        id: ConnId,
        message: Message,
    ) -> Result<(), Violation> {
        let Some(conn) = self.conns.get_mut(&id) else { return Ok(()) };
        conn.heard = now;
        if is_fast(&message) && !conn.speaks.fast() {
            return Err(Violation::NotAgreed);
        }
        let opening = conn.opening;
        if ends_opening(&message) {
            conn.opening = Opening::Over;
        }
        match message {
            Message::KeepAlive | Message::Port(_) => {}
            Message::Bitfield(bits) => {
                let have = PieceSet::from_bitfield(&self.lengths, &bits);
                self.said_all(now, id, opening, have.ok_or(Violation::WrongBitfield)?);
            }
            Message::HaveAll => self.said_all(now, id, opening, PieceSet::full(&self.lengths)),
            Message::HaveNone => self.said_all(now, id, opening, PieceSet::empty(&self.lengths)),
            Message::Have(index) => self.has_piece(now, id, self.known(index)?),
            Message::Choke => self.choked(now, id),
            Message::Unchoke => self.unchoked(now, id),
            Message::Interested => self.interested(now, id),
            Message::NotInterested => self.not_interested(now, id),
            Message::Request(span) => self.requested(now, id, span)?,
            Message::Cancel(span) => self.cancelled(now, id, span),
            Message::RejectRequest(span) => self.rejected(now, id, span),
            Message::SuggestPiece(index) => self.suggested(now, id, self.known(index)?),
            Message::AllowedFast(index) => self.allowed_fast(now, id, self.known(index)?),
            Message::Extended { id: ExtendedHandshake::ID, payload } => {
                let handshake = ExtendedHandshake::parse(&payload);
                self.introduced(now, id, &handshake.map_err(|_| Violation::BadExtension)?);
            }
            Message::Extended { .. } => {}
        }
        Ok(())
    }

    fn known(&self, index: u32) -> Result<PieceIndex, Violation> {
        self.lengths.piece(index).ok_or(Violation::NoSuchPiece(index))
    }

    /// The peer said what it has. BEP 3 wants that first; aria2 1.36 sends a bitfield later too, in
    /// place of many `have`s.
    fn said_all(&mut self, now: Time, id: ConnId, opening: Opening, have: PieceSet) {
        match opening {
            Opening::Open => self.opened(now, id, have),
            Opening::Over => have.iter().for_each(|piece| self.has_piece(now, id, piece)),
        }
    }

    fn opened(&mut self, now: Time, id: ConnId, have: PieceSet) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.wanted = have.iter().filter(|piece| !self.have.contains(*piece)).count() as u32;
        if have.is_full() {
            conn.counted = Counted::AsSeed;
        } else {
            have.iter().for_each(|piece| self.picker.rarity().add(piece));
        }
        if let Some(giver) = &mut self.giver {
            have.iter().for_each(|piece| giver.add(piece));
        }
        conn.have = have;
        self.review_one(now, id);
        self.drop_if_pointless(now, id);
    }

    fn has_piece(&mut self, now: Time, id: ConnId, piece: PieceIndex) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if !conn.have.insert(piece) {
            return;
        }
        if conn.counted == Counted::EachPiece {
            self.picker.rarity().add(piece);
        }
        if let Some(giver) = &mut self.giver {
            match conn.up.gifts.iter().position(|gift| gift.piece == piece) {
                // The copy on its way was counted already.
                Some(gift) => drop(conn.up.gifts.swap_remove(gift)),
                None => giver.add(piece),
            }
        }
        if !self.have.contains(piece) {
            conn.wanted += 1;
            conn.down.dry = None;
            match conn.down.interest {
                Interest::Told if conn.down.gate == Gate::Open => self.fill(now, id),
                Interest::None => self.review_one(now, id),
                _ => {}
            }
        } else if conn.have.is_full() {
            self.drop_if_pointless(now, id);
        }
    }

    fn suggested(&mut self, now: Time, id: ConnId, piece: PieceIndex) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.have.contains(piece) && conn.down.suggested.len() < MOST_SUGGESTED {
            conn.down.suggested.push_back(piece);
            conn.down.steered = true;
            conn.down.dry = None;
            self.fill(now, id);
        }
    }

    fn allowed_fast(&mut self, now: Time, id: ConnId, piece: PieceIndex) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let room = conn.down.allowed.len() < MOST_ALLOWED && !conn.down.allowed.contains(&piece);
        if room && !self.have.contains(piece) {
            conn.down.allowed.push(piece);
            self.fill(now, id);
        }
    }

    fn introduced(&mut self, now: Time, id: ConnId, said: &ExtendedHandshake) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if let Some(murder) = said.murder {
            conn.kind = Kind::Agent;
            conn.block = murder.block.min(self.config.block).max(CELL);
        }
        if let Some(requests) = said.request_queue {
            conn.reqq = (requests as usize).clamp(1, MOST_REQUESTS);
        }
        conn.wants = said.wants;
        if let Some(addr) = dialled_at(conn, said.port) {
            conn.listens = Some(addr);
            self.candidates.connected(addr);
        }
        self.drop_if_pointless(now, id);
    }

    fn rejected(&mut self, now: Time, id: ConnId, span: Span) {
        let Some(block) = self.lengths.block(span.index, span.begin, span.len) else { return };
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let Some(request) = conn.down.flights.answer(block) else { return };
        conn.down.allowed.retain(|piece| *piece != block.piece);
        if conn.down.gate == Gate::Open && request.is_counted_on() {
            // It serves others but not this: to ask again at once would go on for ever.
            conn.down.rest_until = now + REST;
        }
        if request.is_counted_on() {
            self.picker.give_back(id, block);
            self.pending.interest = true;
        }
    }
}

/// Where the peer of an inbound connection can be dialled.
fn dialled_at(conn: &Conn, port: Option<u16>) -> Option<SocketAddr> {
    let inbound = conn.link.direction == Direction::Inbound;
    port.filter(|_| inbound).map(|port| SocketAddr::new(conn.link.addr.ip(), port))
}

fn is_fast(message: &Message) -> bool {
    matches!(
        message,
        Message::HaveAll
            | Message::HaveNone
            | Message::SuggestPiece(_)
            | Message::RejectRequest(_)
            | Message::AllowedFast(_)
    )
}

/// Extension handshakes often come before the bitfield.
fn ends_opening(message: &Message) -> bool {
    !matches!(message, Message::KeepAlive | Message::Port(_) | Message::Extended { .. })
}

/// More suggestions are not remembered.
const MOST_SUGGESTED: usize = 64;
/// BEP 6 has peers allow 10 pieces.
const MOST_ALLOWED: usize = 16;
/// However many a peer would take.
const MOST_REQUESTS: usize = 2000;
/// How long a peer that rejected a request is not asked.
const REST: std::time::Duration = std::time::Duration::from_secs(1);
