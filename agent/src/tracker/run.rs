//! One run: its hosts, their latest reports, and how each of them ends.
//!
//! Pure: `now` is an argument. Feed it what the workstation and the agents say, call
//! [`Run::expire`] about once a second, and each host gets exactly one outcome. The first one
//! stands, whatever is said later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use murder_protocol::{Failure, HostOutcome, HostReport, Phase, RunId, Secret, Tag};
use murder_swarm::Time;
use murder_swarm::wire::InfoHash;
use serde::{Deserialize, Serialize};

use super::{serial, verdict};
use crate::channel::VALID;

/// What a run is opened with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Its name.
    pub id: RunId,
    /// What its agents show.
    pub key: Secret,
    /// What it distributes, or the release that it switches to.
    pub tag: Tag,
    /// The torrent; a run that switches has none.
    #[serde(with = "serial::maybe_text")]
    pub info_hash: Option<InfoHash>,
    /// Bytes of the archive.
    pub total: u64,
    /// How long a host may take once it has the job.
    pub timeout: Duration,
    /// What the torrent's seeders had sent before.
    pub uploaded_before: u64,
    /// When it was opened.
    #[serde(with = "serial::time")]
    pub opened: Time,
}

/// One distribution of a tag to a set of hosts.
#[derive(Debug, Serialize, Deserialize)]
pub struct Run {
    plan: Plan,
    leases: Leases,
    hosts: BTreeMap<String, Host>,
    /// How many hosts have no outcome.
    open: usize,
    /// Grows with each change, so that a watcher can ask what is new.
    revision: u64,
    /// Bytes of pieces that seeders have sent since the run began.
    seeder_uploaded: u64,
    /// When the last host got its outcome.
    #[serde(with = "serial::maybe_time")]
    ended: Option<Time>,
    /// Since when no workstation is there to hand out the job.
    #[serde(with = "serial::maybe_time")]
    deserted: Option<Time>,
    /// When a workstation last said what became of a host.
    #[serde(with = "serial::time")]
    last_word: Time,
    watched_before: bool,
    #[serde(skip)]
    handing_out: BTreeSet<Watcher>,
    /// Agents of hosts that were given up while they were connected.
    #[serde(skip)]
    stops: Vec<AgentConn>,
    /// Seeders that were asked at the end what they have sent, and have not said so.
    #[serde(skip)]
    counting: BTreeSet<AgentConn>,
    /// Whether the end was taken note of.
    #[serde(skip)]
    end_taken: bool,
}

/// One connection of a workstation that follows a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watcher(pub u64);

/// One connection of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentConn(pub u64);

/// How long the run waits for whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leases {
    /// A host that took the job says hello within this.
    pub hello: Duration,
    /// A host that was heard is heard again within this.
    pub silence: Duration,
    /// Hosts that wait for the job get it, or a word about it, this long after the workstation
    /// went.
    pub workstation: Duration,
    /// Hosts that wait for the job are given up when a workstation that is there has said nothing
    /// of any host for this long.
    pub handing_out: Duration,
    /// A host says itself that its time is up; the run waits so much longer for that.
    pub grace: Duration,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            workstation: Duration::from_secs(30),
            handing_out: Duration::from_secs(600),
            grace: Duration::from_secs(15),
        }
    }
}

/// How a workstation comes to follow a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It asks for the first time.
    Newly,
    /// It followed the run before the tracker was killed.
    Again,
}

/// What a run does with an agent that says hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It takes part.
    TakesPart,
    /// Its outcome is kept; it only serves others.
    HasOutcome,
    /// The run gave the host up before, so it must not go on.
    GivenUp,
    /// The run has no such host.
    Unknown,
}

#[derive(Debug, Serialize, Deserialize)]
struct Host {
    report: HostReport,
    revision: u64,
    stage: Stage,
    /// When it got the job, as far as the tracker knows.
    #[serde(with = "serial::maybe_time")]
    began: Option<Time>,
    #[serde(skip)]
    conn: Option<AgentConn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// The workstation has not said yet that the host has the job.
    Waiting,
    /// The workstation has; the agent has not said hello.
    Accepted,
    /// The agent was heard last at this time.
    Heard(#[serde(with = "serial::time")] Time),
    /// The agent that waits there was told to switch, and has not answered.
    Told {
        /// It may still switch, but no answer can come any more.
        lost: bool,
    },
    /// The host said itself how it ended.
    Ended,
    /// Somebody else said it: the workstation, or a lease.
    GivenUp,
}

impl Stage {
    fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::GivenUp)
    }
}

impl Run {
    /// A run of which no host has the job yet.
    pub fn new(plan: Plan, hosts: impl IntoIterator<Item = String>, leases: Leases) -> Self {
        let hosts: BTreeMap<_, _> =
            hosts.into_iter().map(|name| (name.clone(), Host::new(name, plan.total))).collect();
        Self::of(plan, hosts, leases)
    }

    /// A run that switches hosts, all of which are being told to.
    pub fn switch(plan: Plan, hosts: impl IntoIterator<Item = String>, leases: Leases) -> Self {
        let told = |name: String| {
            let mut host = Host::new(name, 0);
            host.stage = Stage::Told { lost: false };
            host.began = Some(plan.opened);
            host.report.phase = Phase::Starting;
            host
        };
        let hosts = hosts.into_iter().map(|name| (name.clone(), told(name))).collect();
        Self::of(plan, hosts, leases)
    }

    fn of(plan: Plan, hosts: BTreeMap<String, Host>, leases: Leases) -> Self {
        Self {
            open: hosts.len(),
            deserted: Some(plan.opened),
            last_word: plan.opened,
            plan,
            leases,
            hosts,
            revision: 1,
            seeder_uploaded: 0,
            ended: None,
            handing_out: BTreeSet::new(),
            watched_before: false,
            stops: Vec::new(),
            counting: BTreeSet::new(),
            end_taken: false,
        }
    }

    /// What it was opened with.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many hosts it has.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// How many of them have an outcome.
    pub fn ended(&self) -> usize {
        self.hosts.len() - self.open
    }

    /// Whether every host has an outcome.
    pub fn is_over(&self) -> bool {
        self.open == 0
    }

    /// Bytes of pieces that seeders have sent since the run began.
    pub fn seeder_uploaded(&self) -> u64 {
        self.seeder_uploaded
    }

    /// The number of the last change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The hosts that changed after a revision, by name; after revision 0 all of them.
    pub fn changed_since(&self, revision: u64) -> impl Iterator<Item = &HostReport> {
        self.hosts.values().filter(move |host| host.revision > revision).map(|host| &host.report)
    }

    /// Whether the host has the job and no outcome.
    pub fn expects(&self, name: &str) -> bool {
        let stage = self.hosts.get(name).map(|host| host.stage);
        matches!(stage, Some(Stage::Accepted | Stage::Heard(_)))
    }

    /// What a host said last itself.
    pub fn word_of(&self, name: &str) -> Option<&HostReport> {
        let host = self.hosts.get(name)?;
        matches!(host.stage, Stage::Heard(_) | Stage::Ended).then_some(&host.report)
    }

    /// The agents that are connected.
    pub fn agents(&self) -> impl Iterator<Item = AgentConn> {
        self.hosts.values().filter_map(|host| host.conn)
    }

    /// Agents that are to stop, since their hosts were given up after the call before.
    pub fn take_stops(&mut self) -> Vec<AgentConn> {
        std::mem::take(&mut self.stops)
    }

    /// Whether the run came to its end after the call before.
    pub fn take_end(&mut self) -> bool {
        self.is_over() && !std::mem::replace(&mut self.end_taken, true)
    }

    /// After the tracker was down: whoever was heard before has a whole lease to come back.
    pub fn resume(&mut self, now: Time) {
        for host in self.hosts.values_mut() {
            match host.stage {
                Stage::Heard(_) => host.stage = Stage::Heard(now),
                Stage::Accepted => host.began = Some(now),
                Stage::Told { .. } => host.stage = Stage::Told { lost: true },
                Stage::Waiting | Stage::Ended | Stage::GivenUp => {}
            }
        }
        self.deserted = Some(now);
    }

    /// A workstation follows the run. The first one is taken to hand out the job, and so is one
    /// that was cut off from a tracker that was killed.
    pub fn watcher_came(&mut self, watcher: Watcher, came: Came) {
        if !self.watched_before || came == Came::Again {
            self.watched_before = true;
            self.hands_out(watcher);
        }
    }

    /// A workstation follows no longer.
    pub fn watcher_left(&mut self, now: Time, watcher: Watcher) {
        if self.handing_out.remove(&watcher) && self.handing_out.is_empty() {
            self.deserted = Some(now);
        }
    }

    /// A host took the job. A name that the run does not have is ignored.
    pub fn accepted(&mut self, now: Time, watcher: Watcher, name: &str) {
        self.hands_out(watcher);
        self.last_word = now;
        let Some(host) = self.hosts.get_mut(name) else { return };
        if host.stage == Stage::Waiting {
            host.stage = Stage::Accepted;
            host.began = Some(now);
            host.report.phase = Phase::Starting;
            self.touch(name);
        }
    }

    /// The workstation knows that a host will not come.
    pub fn gone(&mut self, now: Time, watcher: Watcher, name: &str, outcome: HostOutcome) {
        self.hands_out(watcher);
        self.last_word = now;
        self.give_up(now, name, outcome);
    }

    /// A host that was told to switch says how it ended.
    pub fn switched(&mut self, now: Time, name: &str, outcome: HostOutcome) {
        self.end(now, name, Stage::Ended, outcome);
    }

    /// A host that was told to switch can't say any more how it ended. It is given up when it
    /// can't switch any more either.
    pub fn cut_off(&mut self, name: &str) {
        if let Some(Host { stage: Stage::Told { lost }, .. }) = self.hosts.get_mut(name) {
            *lost = true;
        }
    }

    /// An agent of a host is there.
    pub fn hello(&mut self, now: Time, name: &str, conn: AgentConn) -> Greeting {
        let Some(host) = self.hosts.get_mut(name) else { return Greeting::Unknown };
        host.conn = Some(conn);
        match host.stage {
            Stage::Ended => return Greeting::HasOutcome,
            Stage::GivenUp => return Greeting::GivenUp,
            Stage::Waiting | Stage::Accepted | Stage::Heard(_) | Stage::Told { .. } => {}
        }
        host.began.get_or_insert(now);
        host.stage = Stage::Heard(now);
        if host.report.phase < Phase::Starting {
            host.report.phase = Phase::Starting;
            self.touch(name);
        }
        Greeting::TakesPart
    }

    /// An agent that said hello lives.
    pub fn heard(&mut self, now: Time, name: &str) {
        if let Some(Host { stage: Stage::Heard(at), .. }) = self.hosts.get_mut(name) {
            *at = now;
        }
    }

    /// An agent's connection ended. Nothing follows from it until the host's lease is over.
    pub fn lost(&mut self, name: &str, conn: AgentConn) {
        if let Some(host) = self.hosts.get_mut(name)
            && host.conn == Some(conn)
        {
            host.conn = None;
        }
    }

    /// How far a host is. Says whether its outcome is now known, by this report or before.
    pub fn report(&mut self, now: Time, report: HostReport) -> Kept {
        let Some(host) = self.hosts.get_mut(&report.host) else { return Kept::Open };
        if host.stage.is_over() {
            return Kept::Before;
        }
        let ended = report.outcome.is_some();
        host.began.get_or_insert(now);
        host.stage = if ended { Stage::Ended } else { Stage::Heard(now) };
        let name = report.host.clone();
        if host.report != report {
            host.report = report;
            self.touch(&name);
        }
        if ended {
            self.close_one(now);
            return Kept::Now;
        }
        Kept::Open
    }

    /// The torrent's seeders have sent so much in all since it was registered.
    pub fn seeders_sent(&mut self, now: Time, bytes: u64) {
        let since = bytes.saturating_sub(self.plan.uploaded_before);
        if (!self.is_over() || self.is_counting(now)) && since != self.seeder_uploaded {
            self.seeder_uploaded = since;
            self.revision += 1;
        }
    }

    /// The run is over, and these seeders are asked what they have sent.
    pub fn count(&mut self, seeders: impl IntoIterator<Item = AgentConn>) {
        self.counting.extend(seeders);
    }

    /// A seeder has said it, or can't any more.
    pub fn counted(&mut self, seeder: AgentConn) {
        self.counting.remove(&seeder);
    }

    /// Whether the run has just ended, and seeders have not said yet what they sent.
    pub fn is_counting(&self, now: Time) -> bool {
        !self.counting.is_empty() && self.ended.is_some_and(|ended| now - ended < COUNTING)
    }

    /// Gives up the hosts whose time is over, and says which and why.
    pub fn expire(&mut self, now: Time, tracker: &str) -> Vec<(String, Failure)> {
        if self.is_over() {
            return Vec::new();
        }
        let late: Vec<_> = self
            .hosts
            .iter()
            .filter_map(|(name, host)| Some((name.clone(), self.verdict(now, host, tracker)?)))
            .collect();
        for (name, failure) in &late {
            self.give_up(now, name, HostOutcome::Failed(failure.clone()));
        }
        late
    }

    /// "2 ok, 1 failed, 0 skipped".
    pub fn tally(&self) -> String {
        let (mut ok, mut failed, mut skipped) = (0, 0, 0);
        for host in self.hosts.values() {
            match host.report.outcome {
                Some(HostOutcome::Ok) => ok += 1,
                Some(HostOutcome::Failed(_)) => failed += 1,
                Some(HostOutcome::Skipped(_)) => skipped += 1,
                None => {}
            }
        }
        format!("{ok} ok, {failed} failed, {skipped} skipped")
    }

    fn close_one(&mut self, now: Time) {
        self.open -= 1;
        if self.open == 0 {
            self.ended = Some(now);
        }
    }

    fn hands_out(&mut self, watcher: Watcher) {
        self.handing_out.insert(watcher);
        self.deserted = None;
    }

    fn touch(&mut self, name: &str) {
        self.revision += 1;
        if let Some(host) = self.hosts.get_mut(name) {
            host.revision = self.revision;
        }
    }

    fn give_up(&mut self, now: Time, name: &str, outcome: HostOutcome) {
        self.end(now, name, Stage::GivenUp, outcome);
    }

    fn end(&mut self, now: Time, name: &str, stage: Stage, outcome: HostOutcome) {
        let Some(host) = self.hosts.get_mut(name) else { return };
        if host.stage.is_over() {
            return;
        }
        host.stage = stage;
        host.report.phase = match outcome {
            HostOutcome::Failed(_) => Phase::Failed,
            HostOutcome::Ok | HostOutcome::Skipped(_) => Phase::Done,
        };
        if let Some(began) = host.began {
            host.report.elapsed_ms = u64::try_from((now - began).as_millis()).unwrap_or(u64::MAX);
        }
        host.report.outcome = Some(outcome);
        self.stops.extend(host.conn);
        self.close_one(now);
        self.touch(name);
    }

    fn verdict(&self, now: Time, host: &Host, tracker: &str) -> Option<Failure> {
        let took = host.began.map_or(Duration::ZERO, |began| now - began);
        match host.stage {
            Stage::Waiting => {
                let deserted =
                    self.deserted.is_some_and(|since| now - since >= self.leases.workstation);
                let forgotten = now - self.last_word >= self.leases.handing_out;
                (deserted || forgotten).then(verdict::deserted)
            }
            Stage::Accepted => (took >= self.leases.hello).then(|| verdict::never_came(tracker)),
            Stage::Heard(at) if now - at >= self.leases.silence => {
                Some(verdict::went_silent(now - at, &host.report))
            }
            Stage::Heard(_) if took >= self.plan.timeout + self.leases.grace => {
                Some(verdict::too_slow(self.plan.timeout, &host.report))
            }
            Stage::Told { lost } => {
                let late = took >= self.plan.timeout || (lost && took >= SWITCHES_LATE);
                late.then(verdict::lost_at_switch)
            }
            Stage::Heard(_) | Stage::Ended | Stage::GivenUp => None,
        }
    }
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The host goes on.
    Open,
    /// It brought the host's outcome.
    Now,
    /// The host had its outcome before.
    Before,
}

impl Host {
    fn new(name: String, total: u64) -> Self {
        let report = HostReport {
            host: name,
            phase: Phase::Connecting,
            bytes: 0,
            total,
            uploaded: 0,
            downloaded: 0,
            elapsed_ms: 0,
            outcome: None,
        };
        Self { report, revision: 1, stage: Stage::Waiting, began: None, conn: None }
    }
}

/// A seeder that is there answers at once. One that hangs, or knows of no such question, keeps
/// nobody.
const COUNTING: Duration = Duration::from_millis(600);

/// An agent that was told to switch may do so for as long as the word holds, and for a while if
/// another one is busy with the host's releases. Before that nobody may call it lost.
const SWITCHES_LATE: Duration = Duration::from_secs(VALID.as_secs() + 10);

#[cfg(test)]
mod tests;
