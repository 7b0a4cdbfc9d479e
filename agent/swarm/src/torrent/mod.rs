//! One torrent as one of its peers sees it: connections, requests, turns, bans.

mod config;
mod conn;
mod conns;
mod download;
mod flights;
mod interest;
mod messages;
mod news;
mod output;
mod peers;
mod timer;
mod upload;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use conn::Conn;
use conns::Conns;
use news::{say, tell};

use crate::candidates::Candidates;
use crate::giver::Giver;
use crate::limit::Limit;
use crate::picker::Picker;
use crate::rate::Rate;
use crate::suspects::Suspects;
use crate::wire::{Message, PeerId};
use crate::{Block, Lengths, PieceIndex, PieceSet, Time};

pub use config::Config;
pub use conn::SHORT_BLOCK;
pub use output::{
    BlockUse, Check, ConnId, Deadline, Direction, DisconnectReason, Link, Output, Refused, Stats,
    Totals, Violation, Wait,
};

/// A torrent without IO: it decides, its driver does.
///
/// **Order of calls.** The driver calls one of the `handle_*` methods for each thing that happens,
/// with a `now` that never goes back. After each call it drains [`Torrent::poll_output`] until
/// that returns `None`, carries the outputs out in their order, and reads
/// [`Torrent::poll_deadline`]; it calls [`Torrent::handle_timeout`] when that time has come, or
/// later, or earlier to no effect.
///
/// **Connections.** For each [`Output::Dial`] the driver connects, exchanges handshakes (BEP 3)
/// and calls [`Torrent::handle_connected`] or [`Torrent::handle_dial_failed`]; an inbound
/// connection is handed over once its handshake fits. On `Err(Refused)` the driver closes it and
/// nothing more is said about it; it does not call `handle_dial_failed` as well. A connection ends
/// by [`Output::Disconnect`], after which the driver says nothing more about it, or by
/// [`Torrent::handle_disconnected`], after which no output names it. Late words about a connection
/// that is gone are ignored.
///
/// **Blocks.** Payloads never come in here. When one has arrived whole, the driver calls
/// [`Torrent::handle_block`] and then puts the bytes into its buffer of the piece, or drops them.
/// A block can be kept twice; the later bytes count. After [`Output::CheckPiece`] the piece is
/// hashed, on any thread and in any order with other pieces; no block of it is kept until the
/// driver has called [`Torrent::handle_piece_checked`]. It calls that with [`Check::Good`] only
/// when the piece can be read again, since other peers hear of it at once.
///
/// **End.** A torrent never ends by itself. After [`Output::Complete`] it goes on serving.
pub struct Torrent {
    lengths: Lengths,
    me: PeerId,
    config: Config,
    chance: fastrand::Rng,
    have: PieceSet,
    picker: Picker<ConnId>,
    suspects: Suspects,
    candidates: Candidates,
    /// Only with a torrent that began with every piece.
    giver: Option<Giver>,
    limit: Limit,
    conns: Conns,
    /// How long peers take to ask for something when they are let in: the way there and back.
    answers: Duration,
    next_conn: u32,
    outputs: VecDeque<Output>,
    /// What has to be looked at again before a `handle_*` method returns.
    pending: Pending,
    timer: timer::Timer,
    totals: Totals,
    downloaded: Rate,
    uploaded: Rate,
}

/// Decisions that wait until everything that happened was noted.
#[derive(Debug, Default)]
struct Pending {
    /// Whom to be interested in.
    interest: bool,
    /// Whom to serve.
    turns: bool,
    /// Whom to dial.
    dial: bool,
}

impl Torrent {
    /// A torrent of which these pieces are here and verified. The same seed and the same calls
    /// give the same outputs.
    pub fn new(
        lengths: Lengths,
        have: PieceSet,
        me: PeerId,
        config: Config,
        seed: u64,
        now: Time,
    ) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let verified = have.iter().map(|piece| u64::from(lengths.size(piece))).sum();
        Self {
            picker: Picker::new(lengths, &have, &mut chance),
            giver: have.is_full().then(|| Giver::new(&lengths, &mut chance)),
            limit: Limit::new(now, config.download_slots, &mut chance),
            timer: timer::Timer::new(now),
            lengths,
            me,
            config,
            chance,
            have,
            suspects: Suspects::default(),
            candidates: Candidates::default(),
            conns: Conns::default(),
            answers: upload::UNKNOWN_ANSWERS,
            next_conn: 0,
            outputs: VecDeque::new(),
            pending: Pending::default(),
            totals: Totals { verified, ..Totals::default() },
            downloaded: Rate::new(now),
            uploaded: Rate::new(now),
        }
    }

    /// The tracker knows of these peers, in the order in which they are to be dialled.
    pub fn handle_candidates(&mut self, now: Time, peers: &[SocketAddr]) {
        self.candidates.add(peers);
        self.pending.dial = true;
        self.settle(now);
    }

    /// A dial did not end in a connection.
    pub fn handle_dial_failed(&mut self, now: Time, addr: SocketAddr) {
        self.dial_failed(now, addr);
        self.settle(now);
    }

    /// Handshakes were exchanged.
    pub fn handle_connected(&mut self, now: Time, link: Link) -> Result<ConnId, Refused> {
        let connected = self.connect(now, link);
        self.settle(now);
        connected
    }

    /// A message came, that was not a block.
    pub fn handle_message(&mut self, now: Time, conn: ConnId, message: Message) {
        if let Err(violation) = self.receive(now, conn, message) {
            self.disconnect(now, conn, violation.into());
        }
        self.settle(now);
    }

    /// A block's payload came whole.
    pub fn handle_block(
        &mut self,
        now: Time,
        conn: ConnId,
        index: u32,
        begin: u32,
        len: u32,
    ) -> BlockUse {
        let used = self.receive_block(now, conn, index, begin, len).unwrap_or_else(|violation| {
            self.disconnect(now, conn, violation.into());
            BlockUse::Discard
        });
        self.settle(now);
        used
    }

    /// The block of an [`Output::SendBlock`] has left for the kernel.
    pub fn handle_block_sent(&mut self, now: Time, conn: ConnId, block: Block) {
        self.block_sent(now, conn, block);
        self.settle(now);
    }

    /// An [`Output::CheckPiece`] was carried out.
    pub fn handle_piece_checked(&mut self, now: Time, piece: PieceIndex, check: Check) {
        self.piece_checked(now, piece, check);
        self.settle(now);
    }

    /// The other side closed the connection, or it broke, or what came on it could not be read.
    pub fn handle_disconnected(&mut self, now: Time, conn: ConnId) {
        self.forget(now, conn);
        self.settle(now);
    }

    /// The time of [`Torrent::poll_deadline`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.timer.is_due(now) {
            self.tick(now);
            self.settle(now);
        }
    }

    /// What to do next, or `None` until the next `handle_*`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Torrent::handle_timeout`], and what for.
    pub fn poll_deadline(&self) -> Option<Deadline> {
        self.timer.deadline()
    }

    /// The pieces that are here and verified.
    pub fn have(&self) -> &PieceSet {
        &self.have
    }

    /// Whether every piece is here and verified.
    pub fn is_complete(&self) -> bool {
        self.have.is_full()
    }

    /// What it has done so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// How it is doing at this time. It looks at every connection.
    pub fn stats(&self, now: Time) -> Stats {
        let count = |what: fn(&Conn) -> bool| self.conns.values().filter(|conn| what(conn)).count();
        Stats {
            totals: self.totals,
            download_rate: self.downloaded.per_second(now),
            upload_rate: self.uploaded.per_second(now),
            connections: self.conns.len(),
            seeds: count(|conn| conn.have.is_full()),
            sources: count(Conn::is_source),
            served: count(|conn| conn.up.gate == conn::Gate::Open),
            banned: self.suspects.banned(),
        }
    }

    /// Takes the decisions that are pending, until none is.
    fn settle(&mut self, now: Time) {
        loop {
            match &mut self.pending {
                Pending { interest: pending @ true, .. } => {
                    *pending = false;
                    self.review_interest(now);
                }
                Pending { turns: pending @ true, .. } => {
                    *pending = false;
                    self.review_turns(now);
                }
                Pending { dial: pending @ true, .. } => {
                    *pending = false;
                    self.dial(now);
                }
                _ => break,
            }
        }
        self.timer.settle(now);
    }
}
