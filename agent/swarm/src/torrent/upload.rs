//! What others ask for, and whose turn it is.
//!
//! A peer's turn lasts while it has something to ask for and nobody else waits. When somebody
//! waits, the turn ends after a while and with the end of a piece. The next peer is let in first:
//! only when it really asks for something does the one before it have to go.

use std::time::Duration;

use super::conn::{Conn, Gate, Gift};
use super::{ConnId, Output, Torrent, Violation, say, tell};
use crate::choker::{self, Answers, Pace, Turn};
use crate::rate::{bytes_in, time_of};
use crate::wire::{Message, Span};
use crate::{Block, Time};

impl Torrent {
    pub(super) fn interested(&mut self, _now: Time, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.up.interested = true;
            self.pending.turns = true;
            self.timer.wake();
        }
    }

    pub(super) fn not_interested(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.up.interested = false;
        // It may wait for what it has not been told of.
        tell(&mut self.outputs, conn, now);
        if conn.up.gate == Gate::Open {
            self.choke(now, id);
        }
        self.pending.turns = true;
    }

    pub(super) fn requested(&mut self, now: Time, id: ConnId, span: Span) -> Result<(), Violation> {
        let Some(conn) = self.conns.get_mut(&id) else { return Ok(()) };
        let Span { index, begin, len } = span;
        let block = self.lengths.block(index, begin, len).filter(|_| len <= self.config.block);
        let block = block.ok_or(Violation::NoSuchBlock { index, begin, len })?;
        let was_let_in = conn.up.gate == Gate::Open || conn.up.last_turn.is_some();
        if !conn.up.asked && was_let_in {
            // Even if its turn is over by now: else who waits for too short a time never learns it.
            conn.up.asked = true;
            self.answers = learned(self.answers, now.since(conn.up.since));
            self.pending.turns = true;
        }
        if conn.up.gate == Gate::Choked || !self.have.contains(block.piece) {
            if conn.speaks.fast() {
                say(&mut self.outputs, conn, now, Message::RejectRequest(span));
            }
            return Ok(());
        }
        if conn.up.queue.len() >= self.config.max_queue {
            return Err(Violation::TooManyRequests(self.config.max_queue));
        }
        if conn.up.is_idle() {
            conn.up.moved = now;
        }
        conn.up.queue.push_back(block);
        self.note_gift(now, id, block);
        self.pump(now, id);
        Ok(())
    }

    pub(super) fn cancelled(&mut self, now: Time, id: ConnId, span: Span) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let waits = |block: &Block| Span::from(*block) == span;
        if let Some(at) = conn.up.queue.iter().position(waits) {
            conn.up.queue.remove(at);
            // BEP 6: a request that was cancelled is answered too, with the block or a rejection.
            if conn.speaks.fast() {
                say(&mut self.outputs, conn, now, Message::RejectRequest(span));
            }
        }
    }

    pub(super) fn block_sent(&mut self, now: Time, id: ConnId, block: Block) {
        let bytes = u64::from(block.len);
        self.totals.uploaded += bytes;
        self.uploaded.add(now, bytes);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let Some(at) = conn.up.handed.iter().position(|handed| *handed == block) else { return };
        conn.up.handed.remove(at);
        conn.up.handed_bytes -= bytes;
        conn.up.rate.add(now, bytes);
        conn.up.moved = now;
        if let Some(gift) = conn.up.gifts.iter_mut().find(|gift| gift.piece == block.piece) {
            gift.sent += block.len;
        }
        self.pump(now, id);
        let Some(conn) = self.conns.get(&id) else { return };
        self.pending.turns |= turn(conn, self.fair_turn(), now) == Turn::Over;
    }

    /// What a peer may have of a slot while others wait.
    fn fair_turn(&self) -> FairTurn {
        let piece = u64::from(self.lengths.piece_length());
        let bytes = match self.giver {
            Some(_) => (self.lengths.total() / GIVERS_TURN_PART).max(GIVERS_TURN * piece),
            None => (self.totals.verified / TURN_PART).max(piece),
        };
        let some_pieces = time_of(TURN_PIECES * piece, self.slot_share());
        let least = self.config.slot_time;
        FairTurn {
            bytes,
            time: some_pieces.clamp(least, least * LONGEST_TURN),
            patience: self.answers * ANSWERS,
        }
    }

    /// A slot's part of what our uplink has sent at the most, in bytes a second.
    fn slot_share(&self) -> u64 {
        self.uploaded.most() / self.config.upload_slots.max(1) as u64
    }

    /// Decides whose turn it is.
    pub(super) fn review_turns(&mut self, now: Time) {
        let (fair, share) = (self.fair_turn(), self.slot_share());
        let chance = &mut self.chance;
        let mut waiting: Vec<_> = self
            .conns
            .values()
            .filter(|conn| conn.up.interested && conn.up.gate == Gate::Choked)
            .map(|conn| choker::Waiting {
                id: conn.id,
                answers: match conn.is_source() {
                    true => Answers::BehindBlocks,
                    false => Answers::AtOnce,
                },
                last_turn: conn.up.last_turn,
                pieces: conn.have.len(),
                lot: chance.u32(..),
            })
            .collect();
        let served: Vec<_> = self
            .conns
            .values()
            .filter(|conn| conn.up.gate == Gate::Open)
            .map(|conn| choker::Served {
                id: conn.id,
                since: conn.up.since,
                turn: turn(conn, fair, now),
                pace: pace(conn, share, now),
            })
            .collect();
        let changes = choker::decide(&mut waiting, &served, self.config.upload_slots);
        for id in changes.choke {
            self.choke(now, id);
        }
        for id in changes.unchoke {
            self.unchoke(now, id);
        }
    }

    fn unchoke(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.up.gate = Gate::Open;
        conn.up.asked = false;
        conn.up.since = now;
        conn.up.moved = now;
        conn.up.mid_piece = false;
        conn.up.given = 0;
        // The suggestions come first, so that nothing else is asked for meanwhile.
        self.give(now, id);
        if let Some(conn) = self.conns.get_mut(&id) {
            say(&mut self.outputs, conn, now, Message::Unchoke);
        }
        self.timer.wake();
    }

    fn choke(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.up.gate = Gate::Choked;
        conn.up.last_turn = Some(now);
        say(&mut self.outputs, conn, now, Message::Choke);
        let queue = std::mem::take(&mut conn.up.queue);
        if conn.speaks.fast() {
            for block in queue {
                say(&mut self.outputs, conn, now, Message::RejectRequest(block.into()));
            }
        }
        if let Some(giver) = &mut self.giver {
            // What was sent whole will be there soon; the rest will not.
            let lengths = &self.lengths;
            let handed = &conn.up.handed;
            conn.up.gifts.retain(|gift| {
                let waits: u32 = handed
                    .iter()
                    .filter(|block| block.piece == gift.piece)
                    .map(|block| block.len)
                    .sum();
                let comes = gift.sent + waits >= lengths.size(gift.piece);
                if !comes {
                    giver.subtract(gift.piece);
                }
                comes
            });
        }
    }

    /// Hands blocks to the shell, not more than it can soon send.
    fn pump(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let most = conn.send_ahead(&self.config, now);
        while conn.up.handed_bytes < most
            && let Some(block) = conn.up.queue.pop_front()
        {
            conn.up.mid_piece = block.begin + block.len < self.lengths.size(block.piece);
            conn.up.given += u64::from(block.len);
            conn.up.handed.push_back(block);
            conn.up.handed_bytes += u64::from(block.len);
            self.outputs.push_back(Output::SendBlock { conn: id, block });
        }
    }

    /// A seeder counts what a peer asks for, and suggests what to ask for next.
    fn note_gift(&mut self, now: Time, id: ConnId, block: Block) {
        let Some(giver) = &mut self.giver else { return };
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let gift = conn.up.gifts.iter_mut().find(|gift| gift.piece == block.piece);
        let first = match gift {
            Some(gift) => {
                gift.asked += block.len;
                gift.asked == block.len
            }
            None if conn.have.contains(block.piece) => false,
            None => {
                giver.add(block.piece);
                conn.up.gifts.push(Gift { piece: block.piece, asked: block.len, sent: 0 });
                true
            }
        };
        if first {
            self.give(now, id);
        }
    }

    fn give(&mut self, now: Time, id: ConnId) {
        let Some(giver) = &mut self.giver else { return };
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if !conn.speaks.fast() {
            return;
        }
        let span = GIFTS_SPAN.max(self.answers * GIFTS_ANSWERS);
        let bytes = bytes_in(span, conn.up.rate.per_second(now));
        let ahead = bytes / u64::from(self.lengths.piece_length());
        let ahead = (ahead as usize + 1).clamp(GIFTS_AHEAD, MOST_GIFTS_AHEAD);
        while conn.up.gifts.iter().filter(|gift| gift.asked == 0).count() < ahead {
            let given = &conn.up.gifts;
            let next = giver.give(&conn.have, |piece| given.iter().any(|gift| gift.piece == piece));
            let Some(piece) = next else { break };
            conn.up.gifts.push(Gift { piece, asked: 0, sent: 0 });
            say(&mut self.outputs, conn, now, Message::SuggestPiece(piece.get()));
        }
    }
}

/// What peers are believed to take to ask, after one more has. A single one that is late by far is
/// no reason to wait long for everybody.
fn learned(before: Duration, answer: Duration) -> Duration {
    let learned = (before * 7 + answer.min(before * 2)) / 8;
    learned.clamp(IDLE / ANSWERS, LONGEST_IDLE / ANSWERS)
}

/// What a peer may have of a slot while others wait.
#[derive(Clone, Copy, Debug)]
struct FairTurn {
    /// Its turn is over with so many bytes, and the end of a piece.
    bytes: u64,
    /// Or after so long, and the end of a piece.
    time: Duration,
    /// How long it may take to ask for something.
    patience: Duration,
}

fn turn(conn: &Conn, fair: FairTurn, now: Time) -> Turn {
    let held = now.since(conn.up.since);
    if !conn.up.asked {
        return if held < fair.patience { Turn::Offered } else { Turn::Unused };
    }
    if conn.up.is_idle() && now.since(conn.up.moved) >= fair.patience {
        return Turn::Unused;
    }
    let enough = held >= fair.time || conn.up.given >= fair.bytes;
    let over = held >= fair.time * UNENDING || enough && !conn.up.mid_piece;
    if over { Turn::Over } else { Turn::Running }
}

/// How fast a peer takes what waits for it, beside a slot's share of what our uplink has sent.
fn pace(conn: &Conn, share: u64, now: Time) -> Pace {
    let held = now.since(conn.up.since);
    let due = bytes_in(held, share);
    let early = held < PACED || due < PACED_BYTES;
    if !conn.up.asked || conn.up.handed.is_empty() || early {
        return Pace::Full;
    }
    // What is left of an earlier turn goes first, and says nothing about this one.
    let Some(sent) = conn.up.given.checked_sub(conn.up.handed_bytes) else { return Pace::Full };
    let rate = match held < A_SECOND {
        true => sent * 1000 / held.as_millis() as u64,
        false => conn.up.rate.per_second(now),
    };
    if rate < share / SLOW { Pace::Slow } else { Pace::Full }
}

/// Suggestions that a peer has not followed yet: one to go on with, one in reserve.
const GIFTS_AHEAD: usize = 2;
/// As many as are sent in so long, if that is more: suggestions have to be there before the peer has
/// asked for all of the last ones.
const GIFTS_SPAN: Duration = Duration::from_millis(125);
/// The same, where the way is long: so many times there and back, or what is asked for never grows.
const GIFTS_ANSWERS: u32 = 2;
/// As many as our agents remember.
const MOST_GIFTS_AHEAD: usize = 64;
/// A turn is over with this part of what is here. While that is little, new pieces go on to many
/// peers at once, and later turns are long, as each change leaves the uplink idle for a moment.
const TURN_PART: u64 = 16;
/// On a slow link a turn takes the time of so many pieces, and then ends with one. Of a turn that is over
/// with its first, most goes by until the source's rate is known and as much is asked for.
const TURN_PIECES: u64 = 2;
/// But at most so many times as long as on others: for as long somebody waits who has come.
const LONGEST_TURN: u32 = 4;
/// A turn that ends no piece is over after so many times its time.
const UNENDING: u32 = 4;
/// A seeder's turns are shorter. What it gives to one peer all goes on from there, over that peer's
/// uplink; given to many, new pieces spread from many.
const GIVERS_TURN_PART: u64 = 128;
/// They have so many pieces at the least: with two, the uplink waits for the next peer to ask.
const GIVERS_TURN: u64 = 4;
/// Peers that take so many times as long as most do to ask for something do not want it now.
const ANSWERS: u32 = 3;
/// How long a peer may hold a slot without asking for anything while others wait, at the least: the
/// way there and back, with a queue of 30 ms on each, and some more.
const IDLE: Duration = Duration::from_millis(100);
/// The same at the most: around the world, through queues on either side.
const LONGEST_IDLE: Duration = Duration::from_secs(3);
/// What peers are believed to take before anything is known of the way.
pub(super) const UNKNOWN_ANSWERS: Duration = Duration::from_millis(100);
/// Before that a turn is not judged by its pace.
const PACED: Duration = Duration::from_millis(250);
/// Nor before its share is so much. A block is all there or not at all, and on a slow link the first
/// takes longer than that: everybody would be slow, and be given company.
const PACED_BYTES: u64 = 384 * 1024;
/// A rate is that of the last second, or of the turn if that is shorter.
const A_SECOND: Duration = Duration::from_secs(1);
/// A peer that takes less than this part of its share is slow. With a third of it, hosts beside a
/// simulated rack behind a slow link take up to 1.19 of the least time, in the worst of 16 seeds,
/// where this gives 1.17.
const SLOW: u64 = 2;
