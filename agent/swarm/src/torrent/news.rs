//! Which peers hear at once of a piece that came, and which later.
//!
//! Most of a swarm's messages say that a piece is there. Each alone is a packet, and wakes whoever it
//! is for. So a peer that can do nothing with the news hears of several pieces together, and of none
//! that it got meanwhile. A seeder counts them, and hears of all.

use std::collections::VecDeque;
use std::time::Duration;

use super::conn::{Conn, Gate, Kind};
use super::{Output, Torrent};
use crate::rate::time_of;
use crate::wire::Message;
use crate::{PieceIndex, PieceSet, Time};

impl Torrent {
    /// Tells everybody of a piece that has just been verified, or sees to it that they are told.
    pub(super) fn spread_news(&mut self, now: Time, piece: PieceIndex) {
        for conn in self.conns.values_mut() {
            if conn.have.contains(piece) {
                conn.wanted -= 1;
                self.pending.interest |= conn.wanted == 0;
            }
            match conn.hears(piece, &self.have) {
                Hears::AtOnce => say(&mut self.outputs, conn, now, Message::Have(piece.get())),
                Hears::Later => {
                    conn.untold.push(piece);
                    self.timer.wake();
                }
                Hears::Never => {}
            }
        }
    }

    /// How often a peer hears of new pieces that can do nothing with the news: less often where they
    /// come slowly, so that it still hears of some together. In the beginning there is little else
    /// to ask for.
    pub(super) fn news_interval(&self) -> Duration {
        let rate = self.downloaded.most();
        if rate == 0 || self.have.len() < YOUNG {
            return NEWS;
        }
        time_of(NEWS_BYTES, rate).clamp(NEWS, LONGEST_NEWS)
    }
}

/// When a peer hears of a piece.
enum Hears {
    AtOnce,
    Later,
    Never,
}

impl Conn {
    /// When it should hear of a piece that we have just got. Other clients may wait for what they have
    /// not seen.
    fn hears(&self, piece: PieceIndex, have: &PieceSet) -> Hears {
        if self.kind == Kind::Foreign {
            return Hears::AtOnce;
        }
        if self.have.contains(piece) {
            // An agent that has it need not know, unless it is a seeder, which counts copies. That
            // halves what most of the messages of a swarm are. A seeder hears of everybody's pieces,
            // and acknowledging as many packets would take a part of its uplink.
            return if self.have.is_full() { Hears::Later } else { Hears::Never };
        }
        // It can do nothing with the news if it may not ask us for anything now, and knows of something
        // else that it could ask for.
        let knows_more = !self.untold.is_empty() || have.count_beyond(&self.have) > 1;
        if self.up.gate == Gate::Choked && knows_more { Hears::Later } else { Hears::AtOnce }
    }

    /// Whether it is time that it hears what it was not told yet.
    pub(super) fn is_to_hear(&self, now: Time, interval: Duration) -> bool {
        !self.untold.is_empty() && now.since(self.said) >= interval
    }
}

/// Queues a message, behind what the peer has not been told yet.
pub(super) fn say(outputs: &mut VecDeque<Output>, conn: &mut Conn, now: Time, message: Message) {
    tell(outputs, conn, now);
    conn.said = now;
    outputs.push_back(Output::Send { conn: conn.id, message });
}

/// Tells a peer of the pieces that it has not been told of yet, and has not got meanwhile.
pub(super) fn tell(outputs: &mut VecDeque<Output>, conn: &mut Conn, now: Time) {
    let (id, have) = (conn.id, &conn.have);
    let needs = |piece: &PieceIndex| have.is_full() || !have.contains(*piece);
    for piece in conn.untold.drain(..).filter(needs) {
        conn.said = now;
        outputs.push_back(Output::Send { conn: id, message: Message::Have(piece.get()) });
    }
}

/// How often such a peer hears of new pieces. Half as long and half as long again take the same time in
/// simulated swarms. With half a second and more the pieces of a fast swarm come too late.
const NEWS: Duration = Duration::from_millis(200);
/// The same, where so much takes longer.
const NEWS_BYTES: u64 = 512 * 1024;
/// The same, at the most.
const LONGEST_NEWS: Duration = Duration::from_secs(1);
/// A peer with fewer pieces has not been there for long.
const YOUNG: u32 = 64;
