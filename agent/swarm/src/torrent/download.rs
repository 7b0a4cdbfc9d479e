//! What we ask for, and what comes.

use super::conn::{Conn, Gate, Interest};
use super::{BlockUse, Check, ConnId, DisconnectReason, Output, Torrent, Violation, say};
use crate::picker::{Choice, Put, Source};
use crate::suspects::Verdict;
use crate::wire::Message;
use crate::{Block, PieceIndex, Time};

impl Torrent {
    /// Asks a peer for blocks until enough are on their way.
    pub(super) fn fill(&mut self, now: Time, id: ConnId) {
        let may_ask = |conn: &Conn| conn.is_source() || !conn.down.allowed.is_empty();
        if !self.conns.get(&id).is_some_and(may_ask) {
            return;
        }
        while let Some(block) = self.next_block(now, id) {
            self.ask(now, id, block);
        }
        let nothing_asked = |conn: &Conn| {
            conn.is_source() && conn.down.flights.is_idle() && !conn.down.flights.is_late()
        };
        if self.conns.get(&id).is_some_and(nothing_asked) {
            self.help(now, id);
        }
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| nothing_asked(conn)) else { return };
        if conn.down.draining {
            self.decline(now, id);
        } else if conn.down.dry == Some(self.picker.epoch()) {
            // Others get the slot; we come back when there is something.
            conn.down.interest = Interest::None;
            say(&mut self.outputs, conn, now, Message::NotInterested);
            self.pending.interest = true;
        }
    }

    /// Asks a peer for a block.
    pub(super) fn ask(&mut self, now: Time, id: ConnId, block: Block) {
        let share = self.share();
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.down.flights.is_idle() && conn.down.rate.per_second(now) == 0 {
            conn.down.rate.restart(now);
            conn.down.last_block = now;
        }
        let span = conn.expected(share, now, block.len);
        conn.down.flights.push(now, block, span);
        conn.down.working = Some(block.piece);
        say(&mut self.outputs, conn, now, Message::Request(block.into()));
        self.timer.wake();
    }

    pub(super) fn receive_block(
        &mut self,
        now: Time,
        id: ConnId,
        index: u32,
        begin: u32,
        len: u32,
    ) -> Result<BlockUse, Violation> {
        let Some(conn) = self.conns.get_mut(&id) else { return Ok(BlockUse::Discard) };
        let block = self.lengths.block(index, begin, len);
        let block = block.ok_or(Violation::NoSuchBlock { index, begin, len })?;
        let bytes = u64::from(len);
        note_arrival(conn, now, bytes);
        self.totals.downloaded += bytes;
        self.downloaded.add(now, bytes);
        let Some(request) = conn.down.flights.answer(block) else {
            self.totals.wasted += bytes;
            conn.down.unasked += bytes;
            let unasked = conn.down.unasked;
            return if unasked > MOST_UNASKED {
                Err(Violation::Unasked(unasked))
            } else {
                Ok(BlockUse::Discard)
            };
        };
        if request.is_counted_on() {
            let took = now.since(request.asked);
            conn.down.latency = Some(conn.down.latency.map_or(took, |least| least.min(took)));
        }
        let put = self.picker.put(id, conn.link.addr.ip(), block);
        let used = match put {
            Put::Useless => {
                self.totals.wasted += bytes;
                BlockUse::Discard
            }
            Put::Kept { contested, whole } => {
                if contested {
                    self.cancel_copies(now, id, block);
                }
                if whole {
                    self.outputs.push_back(Output::CheckPiece(block.piece));
                }
                BlockUse::Keep(block)
            }
        };
        self.fill(now, id);
        Ok(used)
    }

    pub(super) fn piece_checked(&mut self, now: Time, piece: PieceIndex, check: Check) {
        let Some(senders) = self.picker.finish(piece) else { return };
        match check {
            Check::Good => {
                self.suspects.good(piece, &senders);
                self.totals.verified += u64::from(self.lengths.size(piece));
                self.have.insert(piece);
                self.spread_news(now, piece);
                if self.have.is_full() {
                    self.complete(now);
                }
            }
            Check::Bad => {
                self.totals.wasted += u64::from(self.lengths.size(piece));
                self.totals.bad_pieces += 1;
                self.picker.restart(piece);
                if let Verdict::Guilty(address) = self.suspects.bad(piece, &senders) {
                    self.candidates.ban(address);
                    let guilty = self.conns.values().filter(|conn| conn.link.addr.ip() == address);
                    for id in guilty.map(|conn| conn.id).collect::<Vec<_>>() {
                        self.disconnect(now, id, DisconnectReason::BadPiece(piece));
                    }
                }
                self.pending.interest = true;
            }
        }
    }

    /// Lets a peer's pieces begin anew elsewhere, if it had them for itself.
    pub(super) fn release(&mut self, now: Time, id: ConnId) {
        let pieces = self.picker.release(id);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if !pieces.is_empty() {
            for request in conn.down.flights.cancel(|block| pieces.contains(&block.piece)) {
                say(&mut self.outputs, conn, now, Message::Cancel(request.block.into()));
            }
            self.pending.interest = true;
        }
    }

    fn next_block(&mut self, now: Time, id: ConnId) -> Option<Block> {
        let share = self.share();
        let conn = self.conns.get_mut(&id)?;
        let open = conn.is_source();
        let idle = conn.down.flights.is_idle();
        if !open && conn.down.allowed.is_empty()
            || conn.down.dry == Some(self.picker.epoch())
            || now < conn.down.rest_until
            || conn.down.flights.is_late()
            || conn.down.flights.len() >= conn.reqq
            || conn.down.flights.bytes() >= conn.pipeline(&self.config, share, now)
        {
            return None;
        }
        let choice = match (conn.down.draining, conn.down.steered && !idle) {
            (true, _) => Choice::Working,
            (false, true) => Choice::Suggested,
            (false, false) => Choice::Any,
        };
        let mut suggested = std::mem::take(&mut conn.down.suggested);
        let source = conn.source(now);
        let source = match conn.down.gate {
            Gate::Open => source,
            Gate::Choked => Source { allowed: Some(&conn.down.allowed), ..source },
        };
        let block = self.picker.pick(&source, &mut suggested, choice, &self.suspects);
        conn.down.suggested = suggested;
        if block.is_none() && choice == Choice::Any && conn.down.gate == Gate::Open {
            conn.down.dry = Some(self.picker.epoch());
        }
        block
    }

    /// Calls off requests for what has just come from another peer.
    fn cancel_copies(&mut self, now: Time, from: ConnId, block: Block) {
        let picker = &self.picker;
        let useless = |other: Block| {
            let overlaps = other.piece == block.piece
                && other.begin < block.begin + block.len
                && block.begin < other.begin + other.len;
            overlaps && !picker.lacks(other)
        };
        for conn in self.conns.values_mut().filter(|conn| conn.id != from) {
            for request in conn.down.flights.cancel(useless) {
                say(&mut self.outputs, conn, now, Message::Cancel(request.block.into()));
                self.pending.interest = true;
            }
        }
    }

    fn complete(&mut self, now: Time) {
        self.outputs.push_back(Output::Complete);
        let ids = self.conns.ids().to_vec();
        for id in ids {
            self.review_one(now, id);
            let Some(link) = self.conns.get(&id).map(|conn| conn.link) else { continue };
            // BEP 21: "upload_only", so that others drop us when they need nothing either.
            let introduction = self.introduction(&link);
            if let Some(conn) = self.conns.get_mut(&id)
                && conn.speaks.extended()
            {
                say(&mut self.outputs, conn, now, introduction);
            }
            self.drop_if_pointless(now, id);
        }
    }
}

fn note_arrival(conn: &mut Conn, now: Time, bytes: u64) {
    conn.heard = now;
    conn.down.last_block = now;
    conn.down.received += bytes;
    conn.down.rate.add(now, bytes);
}

/// What may come unasked in all. Blocks that were on their way when they were cancelled or
/// forgotten are no crime.
const MOST_UNASKED: u64 = 16 * 1024 * 1024;
