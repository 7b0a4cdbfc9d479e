//! What a torrent knows of one connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::flights::Flights;
use super::{Config, ConnId, Link};
use crate::partial::CELL;
use crate::picker::Source;
use crate::rate::{Rate, bytes_in, time_of};
use crate::wire::Reserved;
use crate::{Block, Lengths, PieceIndex, PieceSet, Time};

/// One connection, from both sides.
pub(super) struct Conn {
    pub(super) id: ConnId,
    pub(super) link: Link,
    /// The extensions that both sides speak.
    pub(super) speaks: Reserved,
    pub(super) kind: Kind,
    pub(super) have: PieceSet,
    /// How many pieces it has that we lack.
    pub(super) wanted: u32,
    /// Whether its copies are in the picker's counts; those of seeds are not.
    pub(super) counted: Counted,
    /// Whether it may still say what it has.
    pub(super) opening: Opening,
    /// It said that it wants nothing (BEP 21).
    pub(super) wants: crate::wire::extended::Wants,
    /// The longest block in either direction.
    pub(super) block: u32,
    /// The most requests that it takes.
    pub(super) reqq: usize,
    /// Where it can be dialled, if that is known.
    pub(super) listens: Option<SocketAddr>,
    pub(super) heard: Time,
    pub(super) said: Time,
    /// Pieces of ours that it hears of with the next message.
    pub(super) untold: Vec<PieceIndex>,
    pub(super) down: Download,
    pub(super) up: Upload,
}

/// Whose client the peer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Foreign,
    Agent,
}

/// Whether a peer's pieces were counted one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    EachPiece,
    AsSeed,
}

/// BEP 3 and BEP 6 let a peer say what it has before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Open,
    Over,
}

/// Whether somebody may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Choked,
    Open,
}

/// What the other side was told about our interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// It has nothing for us now.
    None,
    /// It has something for us.
    Told,
    /// It has something, but others keep our link busy.
    Declined,
}

/// What we get from the peer.
pub(super) struct Download {
    pub(super) gate: Gate,
    pub(super) interest: Interest,
    /// Since when it may be asked.
    pub(super) since: Time,
    /// Nothing new is asked of it; others have to be heard.
    pub(super) draining: bool,
    pub(super) flights: Flights,
    pub(super) suggested: VecDeque<PieceIndex>,
    /// It says what to ask for.
    pub(super) steered: bool,
    pub(super) allowed: Vec<PieceIndex>,
    pub(super) working: Option<PieceIndex>,
    /// At this epoch of the picker there was nothing to ask it for.
    pub(super) dry: Option<u64>,
    pub(super) rate: Rate,
    /// The shortest time that a block took.
    pub(super) latency: Option<Duration>,
    /// It is not asked before that.
    pub(super) rest_until: Time,
    pub(super) last_block: Time,
    pub(super) received: u64,
    /// Bytes that nobody had asked for.
    pub(super) unasked: u64,
}

/// What the peer gets from us.
pub(super) struct Upload {
    pub(super) gate: Gate,
    /// The peer wants something.
    pub(super) interested: bool,
    pub(super) queue: VecDeque<Block>,
    /// Blocks that the shell has not sent yet.
    pub(super) handed: VecDeque<Block>,
    pub(super) handed_bytes: u64,
    /// It has asked for something since it may.
    pub(super) asked: bool,
    /// Since when it may ask.
    pub(super) since: Time,
    /// Bytes that it was given in this turn.
    pub(super) given: u64,
    /// When its last turn ended.
    pub(super) last_turn: Option<Time>,
    /// The last block that was handed over did not end its piece.
    pub(super) mid_piece: bool,
    pub(super) gifts: Vec<Gift>,
    pub(super) rate: Rate,
    /// When the shell last sent something, or got something to send after a pause.
    pub(super) moved: Time,
}

/// A piece that a seeder means this peer to fetch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gift {
    pub(super) piece: PieceIndex,
    /// Bytes of it that the peer asked for.
    pub(super) asked: u32,
    /// Bytes of it that were sent.
    pub(super) sent: u32,
}

impl Conn {
    pub(super) fn new(id: ConnId, link: Link, lengths: &Lengths, now: Time) -> Self {
        Self {
            id,
            link,
            speaks: Reserved::OURS.common(&link.reserved),
            kind: Kind::Foreign,
            have: PieceSet::empty(lengths),
            wanted: 0,
            counted: Counted::EachPiece,
            opening: Opening::Open,
            wants: crate::wire::extended::Wants::Pieces,
            block: CELL,
            reqq: REQUESTS,
            listens: (link.direction == super::Direction::Outbound).then_some(link.addr),
            heard: now,
            said: now,
            untold: Vec::new(),
            down: Download::new(now),
            up: Upload::new(now),
        }
    }

    /// Whether it may be asked and knows that it will be.
    pub(super) fn is_source(&self) -> bool {
        self.down.gate == Gate::Open && self.down.interest == Interest::Told
    }

    /// What the picker needs to know of it.
    pub(super) fn source(&self, now: Time) -> Source<'_, ConnId> {
        Source {
            id: self.id,
            address: self.link.addr.ip(),
            have: &self.have,
            allowed: None,
            block: self.request_length(now),
            working: self.down.working,
        }
    }

    /// Bytes that should be asked for ahead: what arrives while an answer is on its way. On a long way
    /// most of a source's turn would be over before its rate was known, so what a `share` of our link
    /// has brought is hoped for from the beginning, less what a first block takes itself.
    pub(super) fn pipeline(&self, config: &Config, share: u64, now: Time) -> u64 {
        let latency = self.down.latency.unwrap_or(UNKNOWN_LATENCY).min(LONGEST_LATENCY);
        let ahead = AHEAD.max(latency.saturating_sub(SHORT_WAY));
        let known = bytes_in(latency + ahead, self.down.rate.per_second(now));
        let hoped = bytes_in(latency, share).saturating_sub(SHORT_BLOCK.into());
        known.max(hoped).clamp(self.least_ahead(config, now), config.pipeline_cap.into())
    }

    /// Bytes that the shell should have to send: what leaves while it reports and gets more.
    pub(super) fn send_ahead(&self, config: &Config, now: Time) -> u64 {
        let bytes = self.up.rate.per_second(now) / SEND_AHEAD_PART;
        let least = self.block.max(LEAST_SEND_AHEAD);
        bytes.clamp(least.into(), config.send_ahead.max(least).into())
    }

    /// What a slow peer was asked for can not soon be asked of another, so it is less.
    fn least_ahead(&self, config: &Config, now: Time) -> u64 {
        let floor = u64::from(config.pipeline_floor);
        let least = u64::from(2 * self.request_length(now)).min(floor);
        self.pace(now).map_or(floor, |rate| (rate / LEAST_AHEAD_PART).clamp(least, floor))
    }

    /// How long the bytes that are asked for should take, with so many more. A slow peer is believed to
    /// send what a `share` of our link has brought, if that is little.
    pub(super) fn expected(&self, share: u64, now: Time, more: u32) -> Duration {
        let bytes = self.down.flights.bytes() + u64::from(more);
        let least = share.clamp(LEAST_RATE, SLOW_RATE);
        let rate = self.down.rate.per_second(now).max(least);
        self.down.latency.unwrap_or(UNKNOWN_LATENCY).min(LONGEST_LATENCY) + time_of(bytes, rate)
    }

    /// A slow peer is asked for short blocks, so that it is soon heard of and little of what others
    /// say waits behind one, and a fast one for long ones, each of which costs as much as a short one.
    fn request_length(&self, now: Time) -> u32 {
        let part = |rate: u64, of: u64| u32::try_from(rate / of).unwrap_or(u32::MAX) / CELL * CELL;
        let slow = self.pace(now).map_or(SHORT_BLOCK, |rate| part(rate, SHORT_BLOCKS_A_SECOND));
        let fast = part(self.down.rate.per_second(now), BLOCKS_A_SECOND);
        slow.min(SHORT_BLOCK).max(fast).clamp(CELL, self.block.max(CELL))
    }

    /// Bytes a second that come from it, when its turn has gone on for long enough to tell.
    fn pace(&self, now: Time) -> Option<u64> {
        let rate = self.down.rate.per_second(now);
        (rate > 0 && now.since(self.down.since) >= PACED).then_some(rate)
    }
}

impl Download {
    fn new(now: Time) -> Self {
        Self {
            gate: Gate::Choked,
            interest: Interest::None,
            since: now,
            draining: false,
            flights: Flights::default(),
            suggested: VecDeque::new(),
            steered: false,
            allowed: Vec::new(),
            working: None,
            dry: None,
            rate: Rate::new(now),
            latency: None,
            rest_until: now,
            last_block: now,
            received: 0,
            unasked: 0,
        }
    }
}

impl Upload {
    fn new(now: Time) -> Self {
        Self {
            gate: Gate::Choked,
            interested: false,
            queue: VecDeque::new(),
            handed: VecDeque::new(),
            handed_bytes: 0,
            asked: false,
            since: now,
            given: 0,
            last_turn: None,
            mid_piece: false,
            gifts: Vec::new(),
            rate: Rate::new(now),
            moved: now,
        }
    }

    /// Whether there is nothing to send.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.handed.is_empty()
    }
}

/// Requests that a peer takes if it does not say how many: libtorrent and aria2 drop none of 250.
const REQUESTS: usize = 250;
/// Before a block has come.
const UNKNOWN_LATENCY: Duration = Duration::from_millis(50);
/// How much is asked for beyond the time that an answer takes: some scheduling on either side. What
/// waits at one peer is not asked of another that idles, and what waits before our downlink holds up
/// everything that is said to us, so more costs.
const AHEAD: Duration = Duration::from_millis(10);
/// Where a block takes longer than that, the way is long, and so much more is asked for that the rate
/// may double from one answer to the next. With 20 ms swarms on links of 50 Mbit/s take 0.3 % longer.
const SHORT_WAY: Duration = Duration::from_millis(50);
/// Short blocks one at a time would cost a turn of the shell each.
const LEAST_SEND_AHEAD: u32 = 64 * 1024;
/// The shell has the bytes of this part of a second. Messages wait behind them.
const SEND_AHEAD_PART: u64 = 50;
/// A latency above this is a queue, and asking for more would only lengthen it.
const LONGEST_LATENCY: Duration = Duration::from_millis(500);
/// What a peer is believed to send at the least, in bytes a second.
const SLOW_RATE: u64 = 128 * 1024;
/// The same, where our own link brings less: with more, blocks would be asked of others while they are
/// on their way.
const LEAST_RATE: u64 = 16 * 1024;
/// What links of up to a few hundred Mbit/s are asked for, and peers of which nothing is known yet.
pub const SHORT_BLOCK: u32 = 2 * CELL;
/// A longer block may be of what comes in this part of a second.
const BLOCKS_A_SECOND: u64 = 512;
/// A slower peer is asked for blocks of what comes from it in this part of a second.
const SHORT_BLOCKS_A_SECOND: u64 = 24;
/// The least that is asked for ahead is what comes from a slow peer in this part of a second.
const LEAST_AHEAD_PART: u64 = 8;
/// Before that a peer is not thought slow: its first block is one round trip late.
const PACED: Duration = Duration::from_millis(300);
