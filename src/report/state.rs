//! One task's hosts: what each is doing, how many do the same, and how far they are.

use std::collections::HashMap;
use std::time::Duration;

use murder_protocol::{Blame, Failure, HostReport, Phase};

use super::rate::Rate;
use crate::fleet::{HostResult, Outcome};
use crate::settings::TaskName;

/// What a host is doing, or how its part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Not reached yet.
    Connecting,
    /// Reached; the work begins.
    Starting,
    /// Fetches pieces.
    Downloading,
    /// Hashes what it has from before.
    Verifying,
    /// Puts the tree in place.
    Extracting,
    /// Did what was asked for.
    Done,
    /// Had nothing to do.
    Skipped,
    /// Could not do it.
    Failed,
    /// Could not be reached.
    Unreachable,
}

impl State {
    /// Every state, in the order in which a host goes through them.
    pub const ALL: [Self; 9] = [
        Self::Connecting,
        Self::Starting,
        Self::Downloading,
        Self::Verifying,
        Self::Extracting,
        Self::Done,
        Self::Skipped,
        Self::Failed,
        Self::Unreachable,
    ];

    /// One word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Starting => "starting",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Extracting => "extracting",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
        }
    }

    /// Nothing more will come of the host.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Skipped | Self::Failed | Self::Unreachable)
    }

    fn of_phase(phase: Phase) -> Self {
        match phase {
            Phase::Connecting => Self::Connecting,
            Phase::Starting => Self::Starting,
            Phase::Verifying => Self::Verifying,
            Phase::Downloading => Self::Downloading,
            Phase::Extracting => Self::Extracting,
            Phase::Done => Self::Done,
            Phase::Failed => Self::Failed,
        }
    }

    fn of_outcome(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Ok(_) => Self::Done,
            Outcome::Skipped(_) => Self::Skipped,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Unreachable(_) => Self::Unreachable,
        }
    }
}

/// One host of a task.
#[derive(Clone, Debug)]
pub struct HostState {
    /// The inventory's name for it.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// A better word than the state's: "packing".
    pub what: Option<&'static str>,
    /// Bytes that it has, or has worked through.
    pub bytes: u64,
    /// Bytes in all; 0 if nobody knows.
    pub total: u64,
    result: Option<HostResult>,
    /// From the tasks inside this one: the worst.
    merged: Option<HostResult>,
}

impl HostState {
    /// How its part ended.
    pub fn result(&self) -> Option<&HostResult> {
        self.result.as_ref().or(self.merged.as_ref())
    }
}

/// One task's hosts.
#[derive(Debug)]
pub struct TaskState {
    name: TaskName,
    started: Duration,
    hosts: Vec<HostState>,
    by_name: HashMap<String, usize>,
    counts: [usize; State::ALL.len()],
    bytes: u64,
    total: u64,
    rate: Rate,
    has_inner: bool,
    merged_bytes: u64,
    /// How long hosts took for the archive, if a task inside this one moved it.
    merged_times: Vec<(Duration, String)>,
    last_end: Option<Duration>,
}

impl TaskState {
    pub(super) fn new(name: TaskName, hosts: &[String], now: Duration) -> Self {
        let mut task = Self {
            name,
            started: now,
            hosts: Vec::with_capacity(hosts.len()),
            by_name: HashMap::with_capacity(hosts.len()),
            counts: [0; State::ALL.len()],
            bytes: 0,
            total: 0,
            rate: Rate::new(),
            has_inner: false,
            merged_bytes: 0,
            merged_times: Vec::new(),
            last_end: None,
        };
        for host in hosts {
            task.index(host);
        }
        task
    }

    /// Which task.
    pub fn name(&self) -> TaskName {
        self.name
    }

    /// When it began.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// Its hosts, in the inventory's order.
    pub fn hosts(&self) -> &[HostState] {
        &self.hosts
    }

    /// How many hosts are in a state.
    pub fn count(&self, state: State) -> usize {
        self.counts[state as usize]
    }

    /// How many hosts nothing more will come of.
    pub fn over(&self) -> usize {
        State::ALL.iter().filter(|state| state.is_over()).map(|state| self.count(*state)).sum()
    }

    /// Bytes that all hosts together have.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of these, bytes of the archive: what else is worked through, such as a tree that is being
    /// packed, does not count.
    pub fn archive_bytes(&self) -> u64 {
        if self.moves_archive() { self.bytes } else { self.merged_bytes }
    }

    /// How long each host took that did it. In a task of tasks the one that moves the archive
    /// counts, as the others have nothing to do with how hosts differ.
    pub fn times(&self) -> Vec<(Duration, String)> {
        if !self.merged_times.is_empty() {
            return self.merged_times.clone();
        }
        let ok = |result: &&HostResult| matches!(result.outcome, Outcome::Ok(_));
        let results = self.hosts.iter().filter_map(HostState::result).filter(ok);
        results.map(|result| (result.elapsed, result.host.clone())).collect()
    }

    /// Bytes that all hosts together will have, without those that will not get there.
    pub fn total(&self, archive: Option<u64>) -> u64 {
        match archive.filter(|_| self.moves_archive()) {
            Some(archive) => {
                let lost = [State::Failed, State::Unreachable, State::Skipped];
                let lost: usize = lost.iter().map(|state| self.count(*state)).sum();
                archive * (self.hosts.len() - lost) as u64
            }
            None => self.total,
        }
    }

    /// Bytes a second, over the last seconds.
    pub fn rate(&self, now: Duration) -> f64 {
        self.rate.per_second(now)
    }

    /// Whether each host is to get the archive.
    pub fn moves_archive(&self) -> bool {
        matches!(self.name, TaskName::Peer | TaskName::Attach)
    }

    /// The hosts that are furthest from their end, at most so many.
    pub fn slowest(&self, most: usize) -> Vec<&HostState> {
        let mut hosts: Vec<_> = self.hosts.iter().filter(|host| !host.state.is_over()).collect();
        let key = |host: &&HostState| (host.state == State::Extracting, host.bytes);
        if hosts.len() > most && most > 0 {
            hosts.select_nth_unstable_by_key(most, |host| (key(host), self.by_name[&host.name]));
            hosts.truncate(most);
        }
        hosts.truncate(most);
        hosts.sort_by_key(|host| (key(host), self.by_name[&host.name]));
        hosts
    }

    /// The workstation sees a host in another phase. Whether counts changed.
    pub(super) fn phase(&mut self, host: &str, phase: Phase) -> bool {
        let index = self.index(host);
        self.move_to(index, State::of_phase(phase))
    }

    pub(super) fn progress(
        &mut self,
        host: &str,
        what: &'static str,
        bytes: u64,
        total: u64,
        now: Duration,
    ) -> bool {
        let index = self.index(host);
        self.hosts[index].what = Some(what);
        self.set_bytes(index, bytes, total);
        self.rate.sample(self.bytes, now);
        self.hosts[index].state == State::Connecting && self.move_to(index, State::Starting)
    }

    /// What the tracker says. Whether counts changed.
    pub(super) fn reports(&mut self, reports: &[HostReport], now: Duration) -> bool {
        let mut moved = false;
        for report in reports {
            let index = self.index(&report.host);
            self.set_bytes(index, report.bytes, report.total);
            moved |= self.move_to(index, State::of_phase(report.phase));
        }
        self.rate.sample(self.bytes, now);
        moved
    }

    /// A host's part is over. False if it was before.
    pub(super) fn end(&mut self, result: &HostResult, now: Duration) -> bool {
        let index = self.index(&result.host);
        if self.hosts[index].result.is_some() {
            return false;
        }
        self.move_to(index, State::of_outcome(&result.outcome));
        self.hosts[index].result = Some(result.clone());
        self.last_end = Some(now);
        true
    }

    /// When the last host ended. What the task does afterwards takes no host's time.
    pub(super) fn last_end(&self) -> Option<Duration> {
        self.last_end.filter(|_| self.over() == self.hosts.len())
    }

    /// Takes over the results of a task inside this one: a host is as its worst result. A recipe
    /// says of each of its peers what became of it, and forgives what other hosts may fail in.
    pub(super) fn merge(&mut self, inner: &Self) {
        self.has_inner = true;
        if inner.moves_archive() {
            self.merged_bytes += inner.bytes;
            self.merged_times = inner.times();
        }
        if matches!(self.name, TaskName::Recipe(_)) {
            return;
        }
        for result in inner.hosts.iter().filter_map(HostState::result) {
            let index = self.index(&result.host);
            let host = &mut self.hosts[index];
            let merged = match host.merged.take() {
                Some(before) => worse(before, result),
                None => result.clone(),
            };
            let state = State::of_outcome(&merged.outcome);
            host.merged = Some(merged);
            self.move_to(index, state);
        }
    }

    /// At the end: each host has a result. Those that had none are returned with what they get.
    pub(super) fn settle(&mut self, now: Duration) -> Vec<HostResult> {
        if self.has_inner {
            return Vec::new();
        }
        let silent = self.hosts.iter().filter(|host| host.result.is_none());
        let lost: Vec<_> = silent
            .map(|host| HostResult {
                host: host.name.clone(),
                outcome: Outcome::Failed(Failure::new(Blame::Bug, LOST)),
                elapsed: Duration::ZERO,
            })
            .collect();
        lost.iter().for_each(|result| {
            self.end(result, now);
        });
        lost
    }

    /// A host that nobody announced is taken in: its word is better than none.
    fn index(&mut self, name: &str) -> usize {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let index = self.hosts.len();
        self.by_name.insert(name.to_owned(), index);
        self.counts[State::Connecting as usize] += 1;
        self.hosts.push(HostState {
            name: name.to_owned(),
            state: State::Connecting,
            what: None,
            bytes: 0,
            total: 0,
            result: None,
            merged: None,
        });
        index
    }

    fn set_bytes(&mut self, index: usize, bytes: u64, total: u64) {
        let host = &mut self.hosts[index];
        self.bytes = (self.bytes + bytes).saturating_sub(host.bytes);
        self.total = (self.total + total).saturating_sub(host.total);
        (host.bytes, host.total) = (bytes, total);
    }

    fn move_to(&mut self, index: usize, state: State) -> bool {
        let host = &mut self.hosts[index];
        if host.state == state || host.result.is_some() {
            return false;
        }
        self.counts[host.state as usize] -= 1;
        self.counts[state as usize] += 1;
        host.state = state;
        true
    }
}

/// The worse of two results of a host, with the time of both.
fn worse(before: HostResult, after: &HostResult) -> HostResult {
    let badness = |result: &HostResult| match result.outcome {
        Outcome::Skipped(_) => 0,
        Outcome::Ok(_) => 1,
        Outcome::Unreachable(_) => 2,
        Outcome::Failed(_) => 3,
    };
    let elapsed = before.elapsed + after.elapsed;
    let worst = if badness(after) > badness(&before) { after.clone() } else { before };
    HostResult { elapsed, ..worst }
}

const LOST: &str = "the task ended without a word on this host; this is a bug in murder";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_hosts_are_those_with_the_fewest_bytes_that_still_work() {
        let names: Vec<String> = (0..10_000).map(|n| format!("web{n:05}")).collect();
        let mut task = TaskState::new(TaskName::Peer, &names, Duration::ZERO);
        for (index, name) in names.iter().enumerate() {
            let report = HostReport {
                host: name.clone(),
                phase: if index < 3 { Phase::Done } else { Phase::Downloading },
                bytes: index as u64,
                total: 10_000,
                uploaded: 0,
                downloaded: 0,
                elapsed_ms: 0,
                outcome: None,
            };
            task.reports(&[report], Duration::ZERO);
        }
        let slowest: Vec<_> = task.slowest(2).iter().map(|host| host.name.as_str()).collect();
        assert_eq!(slowest, ["web00003", "web00004"]);
        assert!(task.slowest(0).is_empty());
        assert_eq!(task.slowest(20_000).len(), 9_997);
    }

    #[test]
    fn hosts_that_will_not_get_there_are_not_waited_for() {
        let hosts = ["a", "b"].map(str::to_owned);
        let mut task = TaskState::new(TaskName::Peer, &hosts, Duration::ZERO);
        assert_eq!(task.total(Some(100)), 200);
        task.phase("b", Phase::Failed);
        assert_eq!(task.total(Some(100)), 100);
        assert_eq!(task.over(), 1);
    }
}
