//! The world: hosts, connections, the tracker, and the loop that lets time go by.

mod fate;
mod meeting;
mod outputs;
mod traffic;

use murder_swarm::Time;

use crate::agenda::{Agenda, Event, Life};
use crate::connection::Connections;
use crate::host::{Host, State};
use crate::network::Network;
use crate::trace::Trace;
use crate::tracker::Tracker;
use crate::{Breach, Ended, HostId, Report, Scenario, Wrong};

/// Everything there is.
struct World<'a> {
    scenario: &'a Scenario,
    now: Time,
    events: u64,
    agenda: Agenda,
    hosts: Vec<Host>,
    network: Network,
    connections: Connections,
    tracker: Tracker,
    /// The network's own chance; torrents and tracker have theirs.
    chance: fastrand::Rng,
    trace: Trace,
    bytes: Bytes,
    breach: Option<Breach>,
    /// Peers that can still complete and have not.
    unfinished: usize,
    connections_made: usize,
}

/// Bytes of blocks: what was sent has arrived, was lost, or is under way.
#[derive(Debug, Default)]
struct Bytes {
    sent: u64,
    arrived: u64,
    lost: u64,
    /// Sent and received in lives that are over.
    wasted_before: u64,
    seeder_before: u64,
}

/// Lets a scenario happen.
pub(crate) fn run(scenario: &Scenario) -> Result<Report, Breach> {
    let mut world = World::new(scenario);
    world.plan();
    let end = Time::ZERO + scenario.patience;
    while let Some((at, event)) = world.agenda.next() {
        if at > end || world.unfinished == 0 {
            break;
        }
        world.now = at;
        world.events += 1;
        world.happen(event);
        if let Some(breach) = world.breach {
            return Err(breach);
        }
    }
    world.check_bytes();
    match world.breach {
        Some(breach) => Err(breach),
        None => Ok(world.report()),
    }
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let host = |n| Host::new(HostId(n), scenario.lengths);
        Self {
            scenario,
            now: Time::ZERO,
            events: 0,
            agenda: Agenda::new(),
            hosts: (0..=scenario.peers).map(host).collect(),
            network: Network::new(scenario),
            connections: Connections::new(),
            tracker: Tracker::new(scenario.seed),
            chance: fastrand::Rng::with_seed(scenario.seed),
            trace: Trace::new(),
            bytes: Bytes::default(),
            breach: None,
            unfinished: scenario.peers as usize,
            connections_made: 0,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(host) => self.first_start(host),
            Event::Timeout(life) => self.time_out(life),
            Event::Crossed(end) => self.cross(end),
            Event::Arrival(end) => self.arrive(end),
            Event::Departure(host, end) => self.depart(host, end),
            Event::Room(queue) => self.make_room(queue),
            Event::Knock { from, to } => self.knock(from, to),
            Event::Entered { from, end } => self.entered(from, end),
            Event::Rejected { from, to } => self.rejected(from, to),
            Event::Hashed { life, piece } => self.hashed(life, piece),
            Event::Announce(life) => self.announce(life),
            Event::Answer(life) => self.answer(life),
            Event::Pulse => self.pulse(),
            Event::Trouble(trouble) => self.trouble(trouble),
        }
    }

    fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.index()]
    }

    fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.index()]
    }

    /// The host, if it still lives the life in which something was begun.
    fn living(&mut self, life: Life) -> Option<&mut Host> {
        let host = self.host_mut(life.host);
        (host.state == State::Up && host.lives == life.number).then_some(host)
    }

    /// Notes what happened.
    fn note(&mut self, kind: Kind, host: HostId, number: u64) {
        self.trace.add(self.now, kind as u8, [host.0.into(), number]);
    }

    /// Notes what must never happen. The first counts.
    fn wrong(&mut self, host: HostId, wrong: Wrong) {
        let Self { now, events, scenario, .. } = *self;
        self.breach.get_or_insert(Breach {
            seed: scenario.seed,
            event: events,
            at: now,
            host,
            wrong,
        });
    }

    fn check_bytes(&mut self) {
        for id in (0..=self.scenario.peers).map(HostId) {
            self.check_counts(id);
        }
        let under_way = self.connections.bytes_coming();
        let (counted, carried) =
            (self.bytes.arrived + self.bytes.lost + under_way, self.bytes.sent);
        if counted != carried {
            let which = "arrived, lost or under way";
            self.wrong(HostId::SEEDER, Wrong::Miscounted { which, counted, carried });
        }
    }

    /// A torrent's counters are those of the network.
    fn check_counts(&mut self, id: HostId) {
        let host = self.host(id);
        let Some(torrent) = &host.torrent else {
            return;
        };
        let (totals, carried) = (torrent.totals(), host.carried);
        for (which, counted, carried) in [
            ("uploaded", totals.uploaded, carried.sent),
            ("downloaded", totals.downloaded, carried.received),
        ] {
            if counted != carried {
                self.wrong(id, Wrong::Miscounted { which, counted, carried });
            }
        }
    }

    fn report(&self) -> Report {
        let wasted = |host: &Host| host.torrent.as_ref().map(|torrent| torrent.totals().wasted);
        let seeder = self.host(HostId::SEEDER).carried.sent + self.bytes.seeder_before;
        let size = self.scenario.lengths.total();
        let wasted: u64 = self.hosts.iter().filter_map(wasted).sum();
        let ended =
            |host: &Host| Ended { host: host.id, began: host.began, completed: host.completed };
        Report {
            peers: self.hosts[1..].iter().map(ended).collect(),
            bound: self.scenario.bound(),
            seeder_copies: seeder as f64 / size as f64,
            into_racks: self
                .network
                .bytes_into_racks()
                .map(|bytes| bytes as f64 / size as f64)
                .collect(),
            sent: self.bytes.sent,
            size,
            wasted: wasted + self.bytes.wasted_before,
            bans: self.hosts.iter().map(|host| host.banned.len()).sum(),
            connections: self.connections_made,
            events: self.events,
            trace: self.trace.get(),
        }
    }
}

/// Kinds of entries in the trace.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Start = 1,
    End,
    Dial,
    Connect,
    Refuse,
    Close,
    Message,
    Block,
    Check,
    Complete,
    Announce,
    Timeout,
}
