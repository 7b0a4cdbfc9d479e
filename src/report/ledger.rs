//! What is known of a run: each task's hosts, their states and results. Pure: events and the time
//! go in; what is new comes out.

use std::time::Duration;

use super::event::Event;
use super::state::TaskState;
use super::summary::Summary;
use crate::fleet::HostResult;
use crate::settings::TaskName;

/// What is known of a run. Time is counted from the beginning of the report.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The outermost task first.
    tasks: Vec<TaskState>,
    archive: Option<u64>,
    seeder_uploaded: u64,
}

/// What is new after an event.
#[derive(Debug, PartialEq)]
pub enum Happened {
    /// A task began; how many other tasks it is inside of.
    Started(TaskName, usize),
    /// Hosts moved between states.
    Counts,
    /// A host's part in a task ended: exactly once per host and task.
    Ended(TaskName, HostResult),
    /// A task inside another one is over.
    TaskOver(Summary),
    /// The outermost task is over.
    RunOver(Summary),
}

impl Ledger {
    /// Takes an event in.
    pub fn apply(&mut self, event: &Event, now: Duration) -> Vec<Happened> {
        match event {
            Event::TaskStarted { task, hosts } => {
                let depth = self.tasks.len();
                self.tasks.push(TaskState::new(*task, hosts, now));
                vec![Happened::Started(*task, depth), Happened::Counts]
            }
            Event::Archive { bytes, .. } => {
                self.archive = Some(*bytes);
                Vec::new()
            }
            Event::HostPhase { host, phase } => self.counts(|task| task.phase(host, *phase)),
            Event::Progress { host, bytes, total, what } => {
                self.counts(|task| task.progress(host, what, *bytes, *total, now))
            }
            Event::Fleet(fleet) => {
                self.seeder_uploaded = self.seeder_uploaded.max(fleet.seeder_uploaded);
                self.counts(|task| task.reports(&fleet.reports, now))
            }
            Event::HostEnded(result) => self.ended(result, now),
            Event::TaskEnded => self.task_ended(now),
            Event::Step { .. }
            | Event::Output { .. }
            | Event::Note(_)
            | Event::Warning(_)
            | Event::Begun(_)
            | Event::Data(_)
            | Event::Interrupted(_)
            | Event::Closed => Vec::new(),
        }
    }

    /// The innermost task.
    pub fn task(&self) -> Option<&TaskState> {
        self.tasks.last()
    }

    /// Bytes of the archive, once they are known.
    pub fn archive(&self) -> Option<u64> {
        self.archive
    }

    fn counts(&mut self, change: impl FnOnce(&mut TaskState) -> bool) -> Vec<Happened> {
        match self.tasks.last_mut().map(change) {
            Some(true) => vec![Happened::Counts],
            Some(false) | None => Vec::new(),
        }
    }

    fn ended(&mut self, result: &HostResult, now: Duration) -> Vec<Happened> {
        let Some(task) = self.tasks.last_mut() else { return Vec::new() };
        if !task.end(result, now) {
            return Vec::new();
        }
        vec![Happened::Ended(task.name(), result.clone()), Happened::Counts]
    }

    fn task_ended(&mut self, now: Duration) -> Vec<Happened> {
        let Some(mut task) = self.tasks.pop() else { return Vec::new() };
        let lost = task.settle(now);
        let mut happened: Vec<_> =
            lost.into_iter().map(|result| Happened::Ended(task.name(), result)).collect();
        let summary = Summary::new(&task, self.archive, self.seeder_uploaded, now);
        match self.tasks.last_mut() {
            Some(outer) => {
                outer.merge(&task);
                happened.push(Happened::TaskOver(summary));
            }
            None => happened.push(Happened::RunOver(summary)),
        }
        happened
    }
}

#[cfg(test)]
mod tests {
    use murder_protocol::{Failure, FleetEvent, HostReport, Phase};

    use super::*;
    use crate::fleet::Outcome;
    use crate::report::state::State;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn started(task: TaskName, hosts: &[&str]) -> Event {
        Event::TaskStarted { task, hosts: hosts.iter().map(|&host| host.to_owned()).collect() }
    }

    fn ended(host: &str, outcome: Outcome) -> Event {
        Event::HostEnded(HostResult { host: host.into(), outcome, elapsed: at(2) })
    }

    fn ok() -> Outcome {
        Outcome::Ok(String::new())
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure::new(murder_protocol::Blame::Host, "disk full"))
    }

    fn over(happened: Vec<Happened>) -> Summary {
        match happened.into_iter().last() {
            Some(Happened::RunOver(summary)) => summary,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_second_outcome_of_a_host_is_not_heard() {
        let mut ledger = Ledger::default();
        ledger.apply(&started(TaskName::Peer, &["a"]), at(0));
        assert_eq!(ledger.apply(&ended("a", failed()), at(1)).len(), 2);
        assert_eq!(ledger.apply(&ended("a", ok()), at(2)), []);
        assert_eq!(over(ledger.apply(&Event::TaskEnded, at(3))).failed, 1);
    }

    #[test]
    fn a_host_whose_outcome_got_lost_has_failed() {
        let mut ledger = Ledger::default();
        ledger.apply(&started(TaskName::Peer, &["a", "b"]), at(0));
        ledger.apply(&ended("b", ok()), at(1));
        let happened = ledger.apply(&Event::TaskEnded, at(3));
        assert!(matches!(
            &happened[0],
            Happened::Ended(TaskName::Peer, HostResult { host, outcome: Outcome::Failed(_), .. })
                if host == "a"
        ));
        let summary = over(happened);
        assert_eq!((summary.ok, summary.failed), (1, 1));
    }

    #[test]
    fn a_task_of_tasks_ends_with_the_worst_of_each_host() {
        let mut ledger = Ledger::default();
        ledger.apply(&started(TaskName::Distribute, &["a", "b", "c"]), at(0));
        ledger.apply(&started(TaskName::DistributeFiles, &["a", "b", "c"]), at(0));
        for (host, outcome) in [("a", ok()), ("b", failed()), ("c", ok())] {
            ledger.apply(&ended(host, outcome), at(1));
        }
        let happened = ledger.apply(&Event::TaskEnded, at(2));
        assert!(matches!(happened[..], [Happened::TaskOver(_)]));
        ledger.apply(&started(TaskName::Peer, &["a", "c"]), at(2));
        ledger.apply(&ended("a", ok()), at(3));
        ledger.apply(&ended("c", Outcome::Skipped("stopped".into())), at(3));
        ledger.apply(&Event::TaskEnded, at(4));
        let summary = over(ledger.apply(&Event::TaskEnded, at(5)));
        assert_eq!((summary.ok, summary.failed, summary.skipped), (2, 1, 0));
        assert_eq!(summary.task, TaskName::Distribute);
    }

    #[test]
    fn a_recipe_counts_its_peers_as_it_says_and_no_other_host() {
        let mut ledger = Ledger::default();
        ledger.apply(&started(TaskName::Recipe("deploy"), &["a", "b"]), at(0));
        ledger.apply(&started(TaskName::StartTracker, &["tracker"]), at(0));
        ledger.apply(&ended("tracker", ok()), at(1));
        ledger.apply(&Event::TaskEnded, at(1));
        ledger.apply(&started(TaskName::Run, &["a", "b"]), at(1));
        ledger.apply(&ended("a", ok()), at(2));
        ledger.apply(&ended("b", failed()), at(2));
        ledger.apply(&Event::TaskEnded, at(2));
        // What failed was a step that is only warned of.
        ledger.apply(&ended("a", ok()), at(3));
        ledger.apply(&ended("b", ok()), at(3));
        let summary = over(ledger.apply(&Event::TaskEnded, at(3)));
        assert_eq!((summary.ok, summary.failed, summary.hosts()), (2, 0, 2));
    }

    #[test]
    fn reports_of_the_fleet_move_hosts_and_bytes() {
        let mut ledger = Ledger::default();
        ledger.apply(&started(TaskName::Peer, &["a", "b"]), at(0));
        let report = |host: &str, phase, bytes| HostReport {
            host: host.into(),
            phase,
            bytes,
            total: 100,
            uploaded: 0,
            downloaded: bytes,
            elapsed_ms: 0,
            outcome: None,
        };
        let fleet = FleetEvent {
            reports: vec![report("a", Phase::Downloading, 40), report("b", Phase::Extracting, 100)],
            seeder_uploaded: 150,
        };
        assert_eq!(ledger.apply(&Event::Fleet(fleet.clone()), at(1)), [Happened::Counts]);
        assert_eq!(ledger.apply(&Event::Fleet(fleet), at(2)), []);
        let task = ledger.task().unwrap();
        assert_eq!(task.bytes(), 140);
        assert_eq!(task.count(State::Downloading), 1);
        assert_eq!(task.count(State::Extracting), 1);
        assert_eq!(task.count(State::Connecting), 0);
    }
}
