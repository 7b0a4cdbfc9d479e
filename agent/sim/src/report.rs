//! How a run ended.

use std::time::Duration;

use murder_swarm::Time;

use crate::HostId;

/// The outcome of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One entry per peer, in the order of their numbers.
    pub peers: Vec<Ended>,
    /// The least possible time for equal links.
    pub bound: Duration,
    /// Bytes that the seeder has sent, over those of the torrent.
    pub seeder_copies: f64,
    /// Bytes of blocks that went into each rack, over those of the torrent.
    pub into_racks: Vec<f64>,
    /// Bytes of blocks that all agents have sent.
    pub sent: u64,
    /// Bytes of blocks that came for nothing.
    pub wasted: u64,
    /// Bytes of the torrent.
    pub size: u64,
    /// How many bans there were, counted at each who bans.
    pub bans: usize,
    /// How many connections there have been.
    pub connections: usize,
    /// How many events.
    pub events: u64,
    /// A hash of everything that happened, in order.
    pub trace: u64,
}

/// How it ended for one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub host: HostId,
    /// When its agent was first started.
    pub began: Option<Time>,
    /// When it had everything.
    pub completed: Option<Time>,
}

impl Report {
    /// The peers that never had everything.
    pub fn incomplete(&self) -> Vec<HostId> {
        self.peers.iter().filter(|peer| peer.completed.is_none()).map(|peer| peer.host).collect()
    }

    /// When the last of those that completed did so.
    pub fn makespan(&self) -> Duration {
        let last = self.peers.iter().filter_map(|peer| peer.completed).max();
        last.unwrap_or_default() - Time::ZERO
    }

    /// When half of the peers had completed.
    pub fn median(&self) -> Duration {
        let mut times: Vec<_> = self.peers.iter().filter_map(|peer| peer.completed).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default() - Time::ZERO
    }

    /// Bytes that a peer has received, over those of the torrent, on average.
    pub fn received(&self) -> f64 {
        self.sent as f64 / self.peers.len().max(1) as f64 / self.size as f64
    }

    /// How long the slower of such peers took from their own beginning: all but one in twenty of
    /// them were done by then. One that never was counts as the longest time there is.
    pub fn p95(&self, which: impl Fn(HostId) -> bool) -> Duration {
        let chosen = self.peers.iter().filter(|peer| which(peer.host));
        let mut spans: Vec<_> = chosen
            .map(|peer| match (peer.began, peer.completed) {
                (Some(began), Some(completed)) => completed - began,
                _ => Duration::MAX,
            })
            .collect();
        spans.sort_unstable();
        spans.get((spans.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The last peer's time over the least possible one.
    pub fn ratio(&self) -> f64 {
        self.makespan().as_secs_f64() / self.bound.as_secs_f64()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} of {} peers, last {:.2} s = {:.3} x bound, median {:.2} s, seeder {:.2} copies, \
             {} MB sent, {} kB wasted, {} bans, {} connections, {} events, trace {:016x}",
            self.peers.len() - self.incomplete().len(),
            self.peers.len(),
            self.makespan().as_secs_f64(),
            self.ratio(),
            self.median().as_secs_f64(),
            self.seeder_copies,
            self.sent / 1_000_000,
            self.wasted / 1000,
            self.bans,
            self.connections,
            self.events,
            self.trace,
        )
    }
}
