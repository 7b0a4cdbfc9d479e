//! What is simulated: who takes part, over which links, and what goes wrong when.

use std::time::Duration;

use murder_swarm::torrent::Config;
use murder_swarm::{Lengths, Time};

use crate::{Breach, Report, world};

/// A host of the simulation. The seeder is host 0, peers are hosts 1 and up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

impl HostId {
    /// The host that has everything from the start.
    pub const SEEDER: Self = Self(0);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Display for HostId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::SEEDER => f.write_str("the seeder"),
            Self(n) => write!(f, "peer {n}"),
        }
    }
}

/// How a host is attached to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Bytes a second that it can send.
    pub up: u64,
    /// Bytes a second that it can receive.
    pub down: u64,
    /// Time that a byte takes from the host to the middle of the network, or back.
    pub delay: Duration,
}

/// Hosts behind one switch. They reach each other at their own rates, and all others over one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rack {
    /// Who is in it; nobody is in two.
    pub hosts: Vec<HostId>,
    /// Bytes a second that they together can send out of it.
    pub up: u64,
    /// Bytes a second that they together can receive from outside.
    pub down: u64,
}

/// Something that goes wrong at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When.
    pub at: Time,
    /// What.
    pub what: Trouble,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The agent's process ends: its connections are closed, and dials to it refused.
    Kill(HostId),
    /// The host loses its power or its link: nobody hears of it any more.
    Vanish(HostId),
    /// The agent is started again, with the pieces that it had verified.
    Restart(HostId),
    /// The tracker ends, and forgets who was in the swarm.
    TrackerDown,
    /// The tracker is started again, and agents come back to it.
    TrackerUp,
}

/// A swarm and its fate.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// All chance comes from it.
    pub seed: u64,
    /// What is distributed.
    pub lengths: Lengths,
    /// How many peers there are beside the seeder.
    pub peers: u32,
    /// How each peer is attached.
    pub access: Access,
    /// How the seeder is attached.
    pub seeder: Access,
    /// Peers that are attached otherwise.
    pub apart: Vec<(HostId, Access)>,
    /// How much may wait before a link, as the time that it takes through it.
    pub queue: Duration,
    /// Hosts that share their way to all others.
    pub racks: Vec<Rack>,
    /// Peers begin at random times within this span.
    pub join_within: Duration,
    /// Peers that begin later than that.
    pub late: Vec<(HostId, Time)>,
    /// Peers that spoil each block they send with this chance in 1000.
    pub corrupting: Vec<(HostId, u32)>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// How the peers behave.
    pub config: Config,
    /// When to give up.
    pub patience: Duration,
}

impl Scenario {
    /// Equal links of 50 Mbit/s and 0.5 ms each way, no faults, and everybody within a second.
    pub fn new(seed: u64, peers: u32, lengths: Lengths) -> Self {
        let access = Access { up: 6_250_000, down: 6_250_000, delay: Duration::from_micros(250) };
        Self {
            seed,
            lengths,
            peers,
            access,
            seeder: access,
            apart: Vec::new(),
            queue: Duration::from_millis(30),
            racks: Vec::new(),
            join_within: Duration::from_secs(1),
            late: Vec::new(),
            corrupting: Vec::new(),
            faults: Vec::new(),
            config: Config::default(),
            patience: Duration::from_secs(3600),
        }
    }

    /// Adds something that goes wrong after so many milliseconds.
    #[must_use]
    pub fn fault(mut self, at_ms: u64, what: Trouble) -> Self {
        self.faults.push(Fault { at: Time::ZERO + Duration::from_millis(at_ms), what });
        self
    }

    /// Lets it happen, until every peer that is up has everything, or until patience is over.
    pub fn run(&self) -> Result<Report, Breach> {
        world::run(self)
    }

    /// The least time in which the last of equal links can have everything: the seeder sends each
    /// piece once, and the last piece still has to double until all have it.
    pub fn bound(&self) -> Duration {
        let rate = self.seeder.up.min(self.access.up).min(self.access.down);
        let once = self.lengths.total() as f64 / rate as f64;
        let steps = f64::from((self.peers.max(1)).ilog2());
        Duration::from_secs_f64(once * (1.0 + steps / f64::from(self.lengths.pieces())))
    }
}
