//! What has to be looked at after a while: late blocks, silent peers, turns, keep-alives.

use std::time::Duration;

use super::conn::{Conn, Gate, Interest};
use super::{ConnId, Deadline, DisconnectReason, Torrent, Wait, say, tell};
use crate::Time;
use crate::limit::Sources;
use crate::wire::Message;

/// When to look next. One clock for everything: a deadline per request would be as many timers as
/// there are blocks, and none of them needs to be exact.
#[derive(Debug)]
pub(super) struct Timer {
    next: Option<Deadline>,
    /// Something is going on that needs a look soon.
    busy: bool,
    redial: Option<Time>,
    /// When the tracker may be asked for peers.
    want_peers: Time,
    want_pause: Duration,
}

impl Timer {
    pub(super) fn new(now: Time) -> Self {
        let want_peers = now + WANT_PAUSE;
        Self { next: None, busy: false, redial: None, want_peers, want_pause: WANT_PAUSE }
    }

    /// Has something looked at soon.
    pub(super) fn wake(&mut self) {
        self.busy = true;
    }

    /// Has the addresses looked at then.
    pub(super) fn redial(&mut self, at: Option<Time>) {
        self.redial = at;
    }

    pub(super) fn is_due(&self, now: Time) -> bool {
        self.next.is_some_and(|next| next.at <= now)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.next
    }

    /// When the tracker may be asked for peers.
    pub(super) fn may_ask_for_peers(&self) -> Time {
        self.want_peers
    }

    /// The tracker is asked for peers; the next time only after a while.
    pub(super) fn ask_for_peers(&mut self, now: Time) {
        self.want_peers = now + self.want_pause;
        self.want_pause = (self.want_pause * 2).min(LONGEST_WANT_PAUSE);
    }

    /// Brings the next look forward if there is a reason.
    pub(super) fn settle(&mut self, now: Time) {
        if self.busy {
            self.at_latest(Deadline { at: now + TICK, why: Wait::Transfers });
        }
        if let Some(at) = self.redial {
            self.at_latest(Deadline { at: at.max(now), why: Wait::Redial });
        }
    }

    fn at_latest(&mut self, deadline: Deadline) {
        if self.next.is_none_or(|next| next.at > deadline.at) {
            self.next = Some(deadline);
        }
    }
}

impl Torrent {
    pub(super) fn tick(&mut self, now: Time) {
        self.timer.next = None;
        self.timer.busy = false;
        let ids = self.conns.ids().to_vec();
        for id in &ids {
            self.expire(now, *id);
        }
        self.hurry(now);
        self.balance(now);
        let news = self.news_interval();
        for id in &ids {
            self.look_after(now, *id, news);
        }
        self.pending.turns = true;
        self.pending.dial = true;
        self.timer.busy |= self.conns.values().any(|conn| {
            !conn.down.flights.is_empty()
                || !conn.untold.is_empty()
                || conn.up.gate == Gate::Open
                || conn.up.interested
        });
        self.plan_keep_alive();
        if let Some(at) = self.wants_peers_from() {
            self.timer.at_latest(Deadline { at: at.max(now + TICK), why: Wait::Redial });
        }
    }

    /// Frees blocks that are late, so that others can be asked.
    fn expire(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.down.flights.forget(now);
        let late = conn.down.flights.expire(now);
        let stuck =
            conn.down.gate == Gate::Choked && now.since(conn.down.since) >= self.config.silence;
        if !late.is_empty() || stuck {
            self.release(now, id);
        }
        self.pending.interest |= !late.is_empty();
        for block in late {
            self.picker.give_back(id, block);
        }
    }

    /// Drops peers that owe something and are silent, or that nobody hears; keeps the others alive,
    /// and tells them the news so often.
    fn look_after(&mut self, now: Time, id: ConnId, news: Duration) {
        let config = &self.config;
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let silent = conn
            .down
            .flights
            .owes_since()
            .is_some_and(|since| now.since(since.max(conn.down.last_block)) >= config.silence);
        let unread = !conn.up.handed.is_empty() && now.since(conn.up.moved) >= config.unread;
        let rested = now >= conn.down.rest_until && now < conn.down.rest_until + TICK * 2;
        let why = match () {
            () if silent && conn.down.gate == Gate::Open => DisconnectReason::Silent,
            () if unread => DisconnectReason::Unread,
            () if now.since(conn.heard) >= config.quiet => DisconnectReason::Quiet,
            () => {
                if conn.is_to_hear(now, news) {
                    tell(&mut self.outputs, conn, now);
                }
                if now.since(conn.said) >= config.keep_alive {
                    say(&mut self.outputs, conn, now, Message::KeepAlive);
                }
                self.pending.interest |= rested;
                return;
            }
        };
        self.disconnect(now, id, why);
    }

    /// With nothing else left to ask for, asks a second peer for what is late.
    fn hurry(&mut self, now: Time) {
        if self.have.is_full() || !self.picker.is_endgame() {
            return;
        }
        for (from, block) in self.overdue(now) {
            let idle = self.conns.values().find(|conn| {
                conn.id != from
                    && conn.down.gate == Gate::Open
                    && conn.down.flights.is_idle()
                    // It may owe us this very block.
                    && !conn.down.flights.is_late()
                    && conn.have.contains(block.piece)
            });
            match idle.map(|conn| conn.id) {
                Some(id) => self.ask_again(now, from, id, block),
                None => self.look_for_help(now, from, block),
            }
        }
    }

    /// Has a peer that nothing else can be asked of help with what is late.
    pub(super) fn help(&mut self, now: Time, id: ConnId) {
        if self.picker.is_endgame() {
            let share = self.share();
            for (from, block) in self.overdue(now) {
                let full = self.conns.get(&id).is_none_or(|conn| {
                    conn.down.flights.bytes() >= conn.pipeline(&self.config, share, now)
                });
                if from != id && !full {
                    self.ask_again(now, from, id, block);
                }
            }
        }
    }

    fn overdue(&self, now: Time) -> Vec<(ConnId, crate::Block)> {
        let of = |conn: &Conn| {
            let id = conn.id;
            conn.down.flights.overdue(now).map(move |block| (id, block)).collect::<Vec<_>>()
        };
        self.conns.values().flat_map(of).collect()
    }

    fn ask_again(&mut self, now: Time, from: ConnId, id: ConnId, block: crate::Block) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let Some(again) = self.picker.pick_again(&conn.source(now), block, &self.suspects) else {
            return;
        };
        if conn.down.interest != Interest::Told {
            conn.down.interest = Interest::Told;
            conn.down.since = now;
            say(&mut self.outputs, conn, now, Message::Interested);
        }
        self.ask(now, id, again);
        if let Some(conn) = self.conns.get_mut(&from) {
            conn.down.flights.mark_again(block);
        }
    }

    /// Nobody who has the block may be asked: whoever has it hears that we would.
    fn look_for_help(&mut self, now: Time, from: ConnId, block: crate::Block) {
        for conn in self.conns.values_mut() {
            let helps = conn.id != from
                && conn.down.interest != Interest::Told
                && conn.have.contains(block.piece);
            if helps {
                conn.down.interest = Interest::Told;
                say(&mut self.outputs, conn, now, Message::Interested);
            }
        }
    }

    /// Adapts the number of sources to what they bring.
    fn balance(&mut self, now: Time) {
        if self.have.is_full() {
            return;
        }
        let sources = self.busy_sources(now, NOBODY);
        let more = self.conns.values().any(|conn| {
            conn.wanted > 0 && (conn.down.interest == Interest::Declined || !conn.is_source())
        });
        let before = self.limit.allowed();
        if sources >= before && more {
            self.limit.observe(now, self.downloaded.per_second(now), self.evenness(now));
            self.pending.interest = true;
        }
        // After a trial that was in vain three sources bring no more than two did, and fill no more.
        if sources > self.limit.allowed() || before > self.limit.allowed() {
            self.drain_one(now, NOBODY);
        }
    }

    fn evenness(&self, now: Time) -> Sources {
        let settled = |conn: &&Conn| conn.is_source() && now.since(conn.down.since) >= SETTLED;
        let sources = self.conns.values().filter(settled);
        let rates = sources.map(|conn| conn.down.rate.per_second(now)).collect::<Vec<_>>();
        let (least, most) = (rates.iter().min(), rates.iter().max());
        match (least, most) {
            (Some(least), Some(most)) if least.saturating_mul(3) < *most => Sources::Uneven,
            _ => Sources::Even,
        }
    }

    fn plan_keep_alive(&mut self) {
        let config = &self.config;
        let next = self
            .conns
            .values()
            .map(|conn| (conn.said + config.keep_alive).min(conn.heard + config.quiet));
        if let Some(at) = next.min() {
            self.timer.at_latest(Deadline { at, why: Wait::KeepAlive });
        }
    }
}

/// No connection has this id: there are not so many in a torrent's life.
const NOBODY: ConnId = ConnId(u32::MAX);
/// A source is not compared with others before that: its rate is one of a whole second.
const SETTLED: Duration = Duration::from_millis(1500);
/// How often transfers are looked at: often enough that a slot which nobody uses is soon noticed.
const TICK: Duration = Duration::from_millis(25);
/// When the first call for more peers may come, and how long after it the next.
const WANT_PAUSE: Duration = Duration::from_secs(2);
/// The same, when nothing came of it.
const LONGEST_WANT_PAUSE: Duration = Duration::from_secs(30);
