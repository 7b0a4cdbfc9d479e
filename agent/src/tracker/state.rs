//! Everything a tracker knows, and what follows from what it hears.
//!
//! Pure but for the keys it makes: `now` is an argument, and messages to agents are queued.
//! After each call take [`State::take_outbox`] and [`State::take_closing`], and see
//! [`State::change`] for whether the file is to be written; call [`State::tick`] about once a
//! second. What agents say is in `members`, what workstations ask in `desk`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use murder_protocol::RunId;
use murder_swarm::Time;
use murder_swarm::tracker::{Announce, AnnounceError, Answer, Config, Store};
use murder_swarm::wire::{InfoHash, PeerId};
use serde::{Deserialize, Serialize};

use super::roster::Roster;
use super::run::{AgentConn, Leases, Run, Watcher};
use super::torrents::Torrents;
use super::warm::Warm;
use crate::channel::{Part, ToAgent};

/// A tracker without its sockets.
#[derive(Debug)]
pub struct State {
    /// Where the fleet may find it, best first.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) leases: Leases,
    pub(super) torrents: Torrents,
    pub(super) runs: Vec<Run>,
    /// The hosts on which agents wait.
    pub(super) warm: Warm,
    pub(super) store: Store,
    pub(super) agents: Roster,
    /// Members whose connection ended, and when they are forgotten.
    pub(super) leaving: BTreeMap<(InfoHash, PeerId), Time>,
    /// Agents that wait for the word that their outcome is kept.
    pub(super) unconfirmed: Vec<AgentConn>,
    pub(super) report_every: Duration,
    outbox: Vec<(AgentConn, ToAgent)>,
    closing: BTreeSet<AgentConn>,
    notes: Vec<String>,
    change: Change,
    /// How many important changes there were, and how many of them are in the file.
    important: u64,
    important_kept: u64,
    next_conn: u64,
    next_watcher: u64,
}

/// How badly the file lags behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing of what is kept changed.
    Nothing,
    /// Something that agents would say again.
    Small,
    /// Something that nobody would say again.
    Important,
}

/// What follows once the file is written.
#[derive(Debug)]
pub(super) struct Keeping {
    /// Agents that wait for it.
    waiting: Vec<AgentConn>,
    /// The last important change in it.
    important: u64,
}

/// What stands in the tracker's file, to be read.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Kept {
    version: u32,
    torrents: Torrents,
    runs: Vec<Run>,
    #[serde(default)]
    warm: Warm,
}

/// What stands in the tracker's file, to be written.
#[derive(Debug, Serialize)]
pub(super) struct Keep<'a> {
    version: u32,
    torrents: &'a Torrents,
    runs: &'a [Run],
    warm: &'a Warm,
}

/// Why a kept state is of no use.
#[derive(Debug, thiserror::Error)]
#[error("it is of version {found}, and this tracker reads version {VERSION}")]
pub(super) struct OtherVersion {
    found: u32,
}

impl State {
    /// A tracker of nothing, with what an earlier one left.
    pub(super) fn new(
        now: Time,
        addresses: Vec<SocketAddr>,
        leases: Leases,
        kept: Option<Kept>,
        seed: u64,
    ) -> Self {
        let Kept { torrents, mut runs, warm, .. } = kept.unwrap_or_default();
        let mut store = Store::new(Config::default(), seed);
        for info_hash in torrents.hashes() {
            store.register(info_hash);
        }
        runs.iter_mut().for_each(|run| run.resume(now));
        Self {
            addresses,
            leases,
            torrents,
            runs,
            warm,
            store,
            agents: Roster::default(),
            leaving: BTreeMap::new(),
            unconfirmed: Vec::new(),
            report_every: QUICKEST_REPORTS,
            outbox: Vec::new(),
            closing: BTreeSet::new(),
            notes: Vec::new(),
            change: Change::Nothing,
            important: 0,
            important_kept: 0,
            next_conn: 0,
            next_watcher: 0,
        }
    }

    /// What the file must have.
    pub(super) fn keep(&self) -> Keep<'_> {
        Keep { version: VERSION, torrents: &self.torrents, runs: &self.runs, warm: &self.warm }
    }

    /// Messages to agents that wait to be sent.
    pub fn take_outbox(&mut self) -> Vec<(AgentConn, ToAgent)> {
        std::mem::take(&mut self.outbox)
    }

    /// Connections to be closed once their messages are sent.
    pub fn take_closing(&mut self) -> BTreeSet<AgentConn> {
        std::mem::take(&mut self.closing)
    }

    /// Lines for the log.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// How badly the file lags behind.
    pub fn change(&self) -> Change {
        self.change
    }

    /// The number of the last change that nobody would say again.
    pub(super) fn last_important(&self) -> u64 {
        self.important
    }

    /// Whether that change is in the file.
    pub(super) fn is_kept(&self, important: u64) -> bool {
        self.important_kept >= important
    }

    /// The file is being written as [`State::keep`] has it; gives what follows once it is.
    pub(super) fn keeping(&mut self) -> Keeping {
        self.change = Change::Nothing;
        Keeping { waiting: std::mem::take(&mut self.unconfirmed), important: self.important }
    }

    /// The file is written.
    pub(super) fn kept(&mut self, keeping: Keeping) {
        self.important_kept = keeping.important;
        for conn in keeping.waiting {
            self.send(conn, ToAgent::OutcomeSeen);
        }
    }

    /// The file could not be written; those who wait go on waiting.
    pub(super) fn not_kept(&mut self, keeping: Keeping) {
        self.unconfirmed.extend(keeping.waiting);
        self.change = self.change.max(Change::Small);
    }

    /// Lets time do its work. Call it about once a second.
    pub fn tick(&mut self, now: Time) {
        let tracker = self.addresses.first().map_or_else(String::new, ToString::to_string);
        let mut given_up = Vec::new();
        for run in &mut self.runs {
            let id = &run.plan().id.clone();
            let late = run.expire(now, &tracker).into_iter();
            given_up.extend(late.map(|(host, failure)| {
                format!("run {id} gives up host {host:?}: {}", failure.message)
            }));
        }
        if !given_up.is_empty() {
            self.notes.extend(given_up);
            self.changed(Change::Important);
            self.settle();
        }
        let gone: Vec<_> =
            self.leaving.iter().filter(|(_, at)| **at <= now).map(|(member, _)| *member).collect();
        for (info_hash, peer_id) in gone {
            self.leaving.remove(&(info_hash, peer_id));
            self.store.leave(&info_hash, &peer_id);
        }
        self.store.expire(now);
        if self.warm.expire(now) {
            self.changed(Change::Small);
        }
        self.pace();
        let runs = &self.runs;
        let agents = &self.agents;
        let used = |hash| {
            agents.has_any_of(hash)
                || runs.iter().any(|run| !run.is_over() && run.plan().info_hash == Some(hash))
        };
        for info_hash in self.torrents.forget(|torrent| used(torrent.info_hash)) {
            self.store.unregister(&info_hash);
            self.changed(Change::Small);
        }
    }

    /// An announce over HTTP.
    pub fn announce(&mut self, now: Time, announce: &Announce) -> Result<Answer, AnnounceError> {
        self.store.announce(now, announce)
    }

    /// The store's numbers of one torrent.
    pub fn scrape(&self, wanted: &[InfoHash]) -> Vec<murder_swarm::tracker::ScrapeEntry> {
        self.store.scrape(wanted)
    }

    pub(super) fn next_conn(&mut self) -> AgentConn {
        self.next_conn += 1;
        AgentConn(self.next_conn)
    }

    pub(super) fn next_watcher(&mut self) -> Watcher {
        self.next_watcher += 1;
        Watcher(self.next_watcher)
    }

    pub(super) fn send(&mut self, conn: AgentConn, message: ToAgent) {
        if self.agents.get(conn).is_some() {
            self.outbox.push((conn, message));
        }
    }

    pub(super) fn close(&mut self, conn: AgentConn) {
        self.closing.insert(conn);
    }

    pub(super) fn changed(&mut self, change: Change) {
        self.important += u64::from(change == Change::Important);
        self.change = self.change.max(change);
    }

    pub(super) fn run(&self, id: &RunId) -> Option<&Run> {
        self.runs.iter().find(|run| run.plan().id == *id)
    }

    pub(super) fn run_mut(&mut self, id: &RunId) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.plan().id == *id)
    }

    /// Draws the conclusions from what changed in the runs: who is to stop, and which swarms are
    /// done.
    pub(super) fn settle(&mut self) {
        let mut stops = Vec::new();
        let mut ended = Vec::new();
        for run in &mut self.runs {
            stops.extend(run.take_stops());
            if run.take_end() {
                self.notes.push(format!("run {} is over: {}", run.plan().id, run.tally()));
                ended.push((run.plan().id.clone(), run.plan().info_hash));
            }
        }
        for conn in stops {
            self.send(conn, ToAgent::Stop);
        }
        for (id, info_hash) in ended {
            self.changed(Change::Important);
            let Some(info_hash) = info_hash else { continue };
            self.count(&id, info_hash);
            if self.is_done(info_hash) {
                self.say_done(info_hash);
            }
        }
    }

    /// Whether no run of a torrent goes on.
    pub(super) fn is_done(&self, info_hash: InfoHash) -> bool {
        self.runs.iter().all(|run| run.plan().info_hash != Some(info_hash) || run.is_over())
    }

    fn say_done(&mut self, info_hash: InfoHash) {
        for conn in self.agents.of(Part::Peer, Some(info_hash)) {
            self.send(conn, ToAgent::SwarmDone);
        }
    }

    /// Asks the seeders of a run that is over what they have sent.
    fn count(&mut self, id: &RunId, info_hash: InfoHash) {
        let seeders = self.agents.of(Part::Seeder, Some(info_hash));
        for conn in &seeders {
            self.send(*conn, ToAgent::SwarmDone);
        }
        if let Some(run) = self.run_mut(id) {
            run.count(seeders);
        }
    }

    /// Keeps the number of reports a second bounded as agents come and go. Small differences are
    /// not worth a message to each.
    fn pace(&mut self) {
        let every = report_interval(self.agents.len());
        let (low, high) = (self.report_every * 3 / 4, self.report_every * 5 / 4);
        if every == self.report_every || (low < every && every < high) {
            return;
        }
        self.report_every = every;
        let ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        // Seeders are few, and what they say has to be true when a run ends.
        for conn in self.agents.of(Part::Peer, None) {
            self.send(conn, ToAgent::ReportEvery { ms });
        }
    }
}

/// Where others reach a member: where it says, unless nobody can be there.
pub(super) fn reachable(said: Option<IpAddr>, observed: IpAddr, port: u16) -> SocketAddr {
    let usable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast();
    SocketAddr::new(said.map(|ip| ip.to_canonical()).filter(usable).unwrap_or(observed), port)
}

/// How often each of so many agents reports: 2,000 reports a second at the most up to 10,000.
fn report_interval(agents: usize) -> Duration {
    let paced = Duration::from_micros(500 * agents as u64);
    paced.clamp(QUICKEST_REPORTS, SLOWEST_REPORTS)
}

const VERSION: u32 = 1;

/// Four reports a second look smooth on a bar.
pub(super) const QUICKEST_REPORTS: Duration = Duration::from_millis(250);

/// A bar that moves more seldom looks dead.
const SLOWEST_REPORTS: Duration = Duration::from_secs(5);

impl Kept {
    pub(super) fn of_this_version(self) -> Result<Self, OtherVersion> {
        if self.version == VERSION { Ok(self) } else { Err(OtherVersion { found: self.version }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_four_times_a_second_from_a_few_agents_and_slowly_from_ten_thousand() {
        assert_eq!(report_interval(1), Duration::from_millis(250));
        assert_eq!(report_interval(64), Duration::from_millis(250));
        assert_eq!(report_interval(2_000), Duration::from_secs(1));
        assert_eq!(report_interval(10_000), Duration::from_secs(5));
        assert_eq!(report_interval(100_000), Duration::from_secs(5));
    }

    #[test]
    fn an_address_where_nobody_can_be_is_replaced_by_the_observed_one() {
        let observed: IpAddr = "10.0.0.7".parse().unwrap();
        for (said, expected) in [
            (None, "10.0.0.7:6881"),
            (Some("0.0.0.0"), "10.0.0.7:6881"),
            (Some("224.0.0.1"), "10.0.0.7:6881"),
            (Some("192.0.2.9"), "192.0.2.9:6881"),
            (Some("::ffff:192.0.2.9"), "192.0.2.9:6881"),
        ] {
            let said = said.map(|ip| ip.parse().unwrap());
            assert_eq!(reachable(said, observed, 6881).to_string(), expected);
        }
    }
}
