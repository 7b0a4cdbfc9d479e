//! Whom to download from.
//!
//! Everybody who has something is told that we are interested. When more peers open their gates
//! than fill our link, the further ones are declined, so that they serve somebody who has room:
//! in a swarm of equal links an unbalanced number of downloads costs up to twice the time.

use super::conn::{Conn, Counted, Gate, Interest};
use super::{ConnId, Torrent, say};
use crate::Time;
use crate::picker::Picker;
use crate::wire::Message;

impl Torrent {
    /// Looks at every connection again.
    pub(super) fn review_interest(&mut self, now: Time) {
        // Those that can be asked at once come first.
        let (open, choked): (Vec<_>, Vec<_>) =
            self.conns.values().partition(|conn| conn.down.gate == Gate::Open);
        let ids: Vec<_> = open.into_iter().chain(choked).map(|conn| conn.id).collect();
        let mut room = None;
        for id in ids {
            self.review_next(now, id, &mut room);
        }
    }

    /// Decides whether a peer has something for us.
    pub(super) fn review_one(&mut self, now: Time, id: ConnId) {
        self.review_next(now, id, &mut None);
    }

    /// The same, while it is known whether there is room. Whatever may change that forgets it.
    fn review_next(&mut self, now: Time, id: ConnId, room: &mut Option<bool>) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.is_source() {
            *room = None;
        }
        if conn.wanted == 0 || self.have.is_full() {
            conn.down.draining = false;
            if conn.down.interest == Interest::Told {
                say(&mut self.outputs, conn, now, Message::NotInterested);
                self.pending.interest |= conn.down.gate == Gate::Open;
            }
            conn.down.interest = Interest::None;
            return;
        }
        if conn.down.interest == Interest::Told {
            return self.fill(now, id);
        }
        if conn.down.dry == Some(self.picker.epoch()) || now < conn.down.rest_until {
            return;
        }
        let offered = conn.down.gate == Gate::Open || conn.down.interest == Interest::Declined;
        if offered && !*room.get_or_insert_with(|| self.has_room(now, id)) {
            self.set_interest(id, Interest::Declined);
            return;
        }
        *room = None;
        self.become_interested(now, id);
    }

    fn become_interested(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if self.picker.can_pick(&conn.source(now), &self.suspects) {
            conn.down.interest = Interest::Told;
            conn.down.since = now;
            say(&mut self.outputs, conn, now, Message::Interested);
            self.fill(now, id);
        } else {
            conn.down.dry = Some(self.picker.epoch());
        }
    }

    fn set_interest(&mut self, id: ConnId, interest: Interest) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.down.interest = interest;
        }
    }

    /// The peer opened its gate.
    pub(super) fn unchoked(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.down.gate = Gate::Open;
        conn.down.since = now;
        conn.down.last_block = now;
        if conn.down.interest != Interest::Told {
            return;
        }
        if self.has_room(now, id) {
            self.fill(now, id);
        } else if self.is_vital(id) {
            self.drain_one(now, id);
            self.fill(now, id);
        } else {
            self.decline(now, id);
        }
    }

    /// The peer closed its gate.
    pub(super) fn choked(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.down.gate = Gate::Choked;
        conn.down.since = now;
        conn.down.suggested.clear();
        conn.down.steered = false;
        conn.down.draining = false;
        if !conn.speaks.fast() {
            // BEP 3: what was asked for is forgotten, but for what is on its way. With BEP 6 it is
            // rejected one by one.
            for request in conn.down.flights.cancel(|_| true) {
                if request.is_counted_on() {
                    self.picker.give_back(id, request.block);
                }
            }
        }
        self.pending.interest = true;
    }

    /// Tells a peer to serve somebody else.
    pub(super) fn decline(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.down.interest = Interest::Declined;
        conn.down.draining = false;
        say(&mut self.outputs, conn, now, Message::NotInterested);
    }

    /// Takes one source less, because there are more than fill the link: the youngest goes, when
    /// it has finished its piece.
    pub(super) fn drain_one(&mut self, now: Time, but: ConnId) {
        let picker = &self.picker;
        let others = self.conns.values_mut().filter(|conn| conn.id != but && conn.is_source());
        let youngest = others
            .filter(|conn| !conn.down.draining && !is_vital(picker, conn))
            .max_by_key(|conn| (conn.down.since, conn.id));
        if let Some(id) = youngest.map(|conn| {
            conn.down.draining = true;
            conn.id
        }) {
            self.fill(now, id);
        }
    }

    /// How many places the sources beside this one fill. A source that brings less than a place's
    /// share of what our link has brought fills a part of one only.
    pub(super) fn busy_sources(&self, now: Time, but: ConnId) -> usize {
        let is_busy = |conn: &&Conn| conn.is_source() && !conn.down.draining && conn.id != but;
        let share = self.share();
        let filled = |conn: &Conn| match conn.down.rate.per_second(now) {
            rate if now.since(conn.down.since) >= SETTLED && rate < share => rate * PARTS / share,
            _ => PARTS,
        };
        let parts: u64 = self.conns.values().filter(is_busy).map(filled).sum();
        (parts + PARTS / 2) as usize / PARTS as usize
    }

    /// What our link has brought, for each of the places that sources fill. In bytes a second.
    pub(super) fn share(&self) -> u64 {
        self.downloaded.most() / self.limit.allowed().max(1) as u64
    }

    /// Whether one source more is welcome.
    pub(super) fn has_room(&self, now: Time, id: ConnId) -> bool {
        self.busy_sources(now, id) < self.limit.allowed()
    }

    fn is_vital(&self, id: ConnId) -> bool {
        self.conns.get(&id).is_some_and(|conn| is_vital(&self.picker, conn))
    }
}

/// Whether it has what nobody else has: its link must never idle for want of takers.
fn is_vital(picker: &Picker<ConnId>, conn: &Conn) -> bool {
    conn.counted == Counted::AsSeed && picker.needs_seeds()
}

/// A source is not judged before that.
const SETTLED: std::time::Duration = std::time::Duration::from_secs(1);
/// How finely the part of a place is told that a source fills.
const PARTS: u64 = 8;
