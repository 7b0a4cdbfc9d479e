//! Beginnings and ends: agents start, die and come back, and so does the tracker.

use std::time::Duration;

use murder_swarm::torrent::Torrent;
use murder_swarm::{PieceSet, Time};

use super::{Kind, World};
use crate::agenda::{Event, Life};
use crate::connection::{EndId, Item};
use crate::host::{Carried, State};
use crate::tracker::{Asking, Contact, Word};
use crate::{HostId, Trouble};

impl World<'_> {
    /// Puts what the scenario knows beforehand on the agenda.
    pub(super) fn plan(&mut self) {
        let scenario = self.scenario;
        let seeder = self.host_mut(HostId::SEEDER);
        seeder.store.verified = PieceSet::full(&scenario.lengths);
        self.agenda.add(Time::ZERO, Event::Start(HostId::SEEDER));
        for id in (1..=scenario.peers).map(HostId) {
            let late = scenario.late.iter().find(|(host, _)| *host == id).map(|(_, at)| *at);
            let at = late.unwrap_or_else(|| Time::ZERO + self.within(scenario.join_within));
            self.agenda.add(at, Event::Start(id));
        }
        for (id, spoils) in &scenario.corrupting {
            self.host_mut(*id).spoils = *spoils;
        }
        for fault in &scenario.faults {
            self.agenda.add(fault.at, Event::Trouble(fault.what));
        }
        self.agenda.add(Time::ZERO + PULSE, Event::Pulse);
    }

    /// An agent's first start, unless it was started before.
    pub(super) fn first_start(&mut self, id: HostId) {
        if self.host(id).lives == 0 {
            self.start(id);
        }
    }

    fn start(&mut self, id: HostId) {
        let (now, scenario) = (self.now, self.scenario);
        let host = self.host_mut(id);
        host.state = State::Up;
        host.lives += 1;
        host.began.get_or_insert(now);
        let seed = scenario.seed ^ (u64::from(id.0) << 32) ^ u64::from(host.lives);
        host.torrent = Some(Torrent::new(
            scenario.lengths,
            host.store.verified.clone(),
            host.peer_id(),
            scenario.config.clone(),
            seed,
            now,
        ));
        host.contact = Contact { asking: Asking::Yes, word: Word::Hello, ..Contact::default() };
        let life = host.life();
        self.note(Kind::Start, id, life.number.into());
        let at = now + self.network.delay_of(id);
        self.agenda.add(at, Event::Announce(life));
        self.drain(id);
        self.count_unfinished(id);
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Kill(id) => self.end(id, State::Down),
            Trouble::Vanish(id) => self.end(id, State::Gone),
            Trouble::Restart(id) => {
                self.end(id, State::Down);
                self.start(id);
            }
            Trouble::TrackerDown => self.tracker.stop(),
            Trouble::TrackerUp => self.tracker_up(),
        }
    }

    pub(super) fn time_out(&mut self, life: Life) {
        let now = self.now;
        let Some(host) = self.living(life).filter(|host| host.alarm == Some(now)) else {
            return;
        };
        host.alarm = None;
        let Some(torrent) = &mut host.torrent else {
            return;
        };
        if torrent.poll_deadline().is_some_and(|deadline| deadline.at <= now) {
            torrent.handle_timeout(now);
            self.note(Kind::Timeout, life.host, 0);
        }
        self.drain(life.host);
    }

    /// A word reaches the tracker. If nobody is there, the agent tries again.
    pub(super) fn announce(&mut self, life: Life) {
        let now = self.now;
        if self.living(life).is_none() {
            return;
        }
        let peers = self.tracker.announce(now, &self.hosts[life.host.index()]);
        match peers {
            Some(peers) => {
                let delay = self.network.delay_of(life.host);
                let host = self.host_mut(life.host);
                host.contact.answers.push_back(peers);
                self.agenda.add(now + delay, Event::Answer(life));
            }
            None => {
                let again = now + RETRY + self.within(RETRY);
                self.agenda.add(again, Event::Announce(life));
            }
        }
        self.note(Kind::Announce, life.host, 0);
    }

    pub(super) fn answer(&mut self, life: Life) {
        let now = self.now;
        let Some(host) = self.living(life) else {
            return;
        };
        let peers = host.contact.answers.pop_front().unwrap_or_default();
        let again = host.contact.asking == Asking::Again;
        host.contact.asking = Asking::No;
        if let Some(torrent) = &mut host.torrent {
            torrent.handle_candidates(now, &peers);
        }
        if again {
            self.ask_tracker(life.host, Word::WantPeers);
        }
        self.drain(life.host);
    }

    /// Says something to the tracker, but does not ask for peers more often than once a second.
    pub(super) fn ask_tracker(&mut self, id: HostId, word: Word) {
        let now = self.now;
        let host = self.host_mut(id);
        let contact = &mut host.contact;
        match (contact.asking, word) {
            (Asking::No, _) => {}
            (_, Word::WantPeers) => {
                contact.asking = Asking::Again;
                return;
            }
            (_, word) => {
                contact.word = word;
                return;
            }
        }
        let soonest = contact.asked_at.map_or(now, |at| at + ASK_EVERY);
        let at = if word == Word::WantPeers { now.max(soonest) } else { now };
        contact.asking = Asking::Yes;
        contact.word = word;
        contact.asked_at = Some(at);
        let life = host.life();
        self.agenda.add(at + self.network.delay_of(id), Event::Announce(life));
    }

    /// The tracker hears that agents are still there, and forgets those of whom it does not.
    pub(super) fn pulse(&mut self) {
        for host in self.hosts.iter().filter(|host| host.state == State::Up) {
            self.tracker.touch(self.now, host);
        }
        self.tracker.expire(self.now);
        self.agenda.add(self.now + PULSE, Event::Pulse);
    }

    /// A time within a span, by chance.
    pub(super) fn within(&mut self, span: Duration) -> Duration {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.chance.u64(0..=micros))
    }

    fn end(&mut self, id: HostId, state: State) {
        if self.host(id).state != State::Up {
            return;
        }
        self.check_counts(id);
        self.note(Kind::End, id, 0);
        if state == State::Down {
            self.tracker.leave(&self.hosts[id.index()]);
        }
        let ends: Vec<_> = self.host(id).ends.iter().collect();
        for end in ends {
            self.drop_end(end);
            if state == State::Down {
                self.transmit(end.other(), Item::Close);
            }
        }
        self.bury(id, state);
        self.count_unfinished(id);
    }

    fn bury(&mut self, id: HostId, state: State) {
        let host = self.host_mut(id);
        let wasted = host.torrent.take().map_or(0, |torrent| torrent.totals().wasted);
        let carried = std::mem::take(&mut host.carried);
        host.state = state;
        host.turns.clear();
        host.alarm = None;
        host.banned.clear();
        host.store.forget_memory();
        self.bytes.wasted_before += wasted;
        if id == HostId::SEEDER {
            let Carried { sent, .. } = carried;
            self.bytes.seeder_before += sent;
        }
    }

    /// Counts a peer as unfinished or not, when something has become of it. One that is down and
    /// will not be started again can not complete.
    pub(super) fn count_unfinished(&mut self, id: HostId) {
        let (now, scenario) = (self.now, self.scenario);
        let comes_back = || {
            let mut faults = scenario.faults.iter();
            faults.any(|fault| fault.at > now && fault.what == Trouble::Restart(id))
        };
        let host = self.host_mut(id);
        let can_complete = id != HostId::SEEDER
            && host.completed.is_none()
            && (host.began.is_none() || host.state == State::Up || comes_back());
        match (std::mem::replace(&mut host.can_complete, can_complete), can_complete) {
            (true, false) => self.unfinished -= 1,
            (false, true) => self.unfinished += 1,
            _ => {}
        }
    }

    fn tracker_up(&mut self) {
        self.tracker.start();
        for id in (0..=self.scenario.peers).map(HostId) {
            if self.host(id).state == State::Up {
                let at = self.now + self.within(RETRY);
                let host = self.host_mut(id);
                host.contact.asking = Asking::Yes;
                host.contact.word = Word::Hello;
                let life = host.life();
                self.agenda.add(at, Event::Announce(life));
            }
        }
    }

    /// Forgets all about one end, so that nothing more comes out of it or into it.
    pub(super) fn drop_end(&mut self, end: EndId) {
        self.bytes.lost += self.connections.clear(end);
        let dropped = &mut self.connections[end];
        let (host, id, served) = (dropped.life.host, dropped.id.take(), dropped.ledger.serves());
        if let Some(id) = id {
            self.count_served(host, served, false);
            self.host_mut(host).ends.remove(id);
        }
        self.note(Kind::Close, host, end.connection().into());
    }
}

/// How often the tracker hears of standing connections.
const PULSE: Duration = Duration::from_secs(20);
/// An agent that finds no tracker tries again after one to two of it.
const RETRY: Duration = Duration::from_secs(1);
/// How often an agent asks for peers at the most.
const ASK_EVERY: Duration = Duration::from_secs(1);
