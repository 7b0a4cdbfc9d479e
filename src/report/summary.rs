//! The end of a task in numbers.

use std::time::Duration;

use murder_protocol::Failure;

use super::state::{HostState, TaskState};
use crate::exit::Exit;
use crate::fleet::Outcome;
use crate::settings::{Percent, TaskName};

/// The end of a task in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Which task.
    pub task: TaskName,
    /// Hosts that did it.
    pub ok: usize,
    /// Hosts that could not do it.
    pub failed: usize,
    /// Hosts that could not be reached.
    pub unreachable: usize,
    /// Hosts that had nothing to do.
    pub skipped: usize,
    /// Bytes of the archive that arrived, on all hosts together.
    pub bytes: u64,
    /// How long the task took.
    pub elapsed: Duration,
    /// How long the hosts that did it took.
    pub times: Option<Times>,
    /// Bytes that the seeder sent, in multiples of the archive.
    pub seeder_copies: Option<f64>,
    /// Bytes of the archive.
    pub archive: Option<u64>,
    /// The hosts that failed or were unreachable, in the inventory's order.
    pub bad: Vec<Bad>,
    /// Words of the other hosts, in the inventory's order.
    pub good: Vec<Good>,
}

/// How long hosts took: at least so many of a hundred took no longer.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// Half of them.
    pub p50: Duration,
    /// 95 of a hundred.
    pub p95: Duration,
    /// The last one.
    pub max: Duration,
    /// Who that was.
    pub last: String,
}

/// A host that failed or was unreachable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Which host.
    pub host: String,
    /// Why.
    pub failure: Failure,
    /// It could not even be reached.
    pub unreachable: bool,
}

/// A host that did it or had nothing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Good {
    /// Which host.
    pub host: String,
    /// What it did, or why there was nothing to do. May be empty.
    pub detail: String,
    /// There was nothing to do.
    pub skipped: bool,
}

impl Summary {
    pub(super) fn new(
        task: &TaskState,
        archive: Option<u64>,
        seeder_uploaded: u64,
        now: Duration,
    ) -> Self {
        let mut summary = Self {
            task: task.name(),
            ok: 0,
            failed: 0,
            unreachable: 0,
            skipped: 0,
            bytes: task.archive_bytes(),
            elapsed: task.last_end().unwrap_or(now).saturating_sub(task.started()),
            times: Times::of(task.times()),
            seeder_copies: archive
                .filter(|archive| *archive > 0 && seeder_uploaded > 0)
                .map(|archive| seeder_uploaded as f64 / archive as f64),
            archive,
            bad: Vec::new(),
            good: Vec::new(),
        };
        for result in task.hosts().iter().filter_map(HostState::result) {
            let host = || result.host.clone();
            match &result.outcome {
                Outcome::Ok(detail) => {
                    summary.ok += 1;
                    summary.good.push(Good {
                        host: host(),
                        detail: detail.clone(),
                        skipped: false,
                    });
                }
                Outcome::Skipped(why) => {
                    summary.skipped += 1;
                    summary.good.push(Good { host: host(), detail: why.clone(), skipped: true });
                }
                Outcome::Failed(failure) => {
                    summary.failed += 1;
                    let failure = failure.clone();
                    summary.bad.push(Bad { host: host(), failure, unreachable: false });
                }
                Outcome::Unreachable(failure) => {
                    summary.unreachable += 1;
                    let failure = failure.clone();
                    summary.bad.push(Bad { host: host(), failure, unreachable: true });
                }
            }
        }
        summary
    }

    /// How many hosts there were.
    pub fn hosts(&self) -> usize {
        self.ok + self.failed + self.unreachable + self.skipped
    }

    /// What the exit code is to say.
    pub fn exit(&self, allowed: Option<Percent>) -> Exit {
        Exit::of(self.failed + self.unreachable, self.hosts(), allowed)
    }

    /// Bytes a second on all hosts together.
    pub fn throughput(&self) -> f64 {
        // A run that was attached to took longer than it was looked at.
        let longest = self.times.as_ref().map_or(Duration::ZERO, |times| times.max);
        let seconds = self.elapsed.max(longest).as_secs_f64();
        if seconds > 0.0 { self.bytes as f64 / seconds } else { 0.0 }
    }
}

impl Times {
    fn of(mut times: Vec<(Duration, String)>) -> Option<Self> {
        times.sort();
        let (max, last) = times.last().cloned()?;
        // The nearest rank: the least time that so many of a hundred did not exceed.
        let percentile = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1].0;
        Some(Self { p50: percentile(50), p95: percentile(95), max, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(seconds: &[u64]) -> Option<Times> {
        Times::of(seconds.iter().map(|&s| (Duration::from_secs(s), "x".to_owned())).collect())
    }

    #[test]
    fn percentiles_are_times_that_a_host_really_took() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        let all = times(&hundred).unwrap();
        assert_eq!((all.p50.as_secs(), all.p95.as_secs(), all.max.as_secs()), (50, 95, 100));
        let two = times(&[3, 1]).unwrap();
        assert_eq!((two.p50.as_secs(), two.p95.as_secs()), (1, 3));
        let one = times(&[7]).unwrap();
        assert_eq!((one.p50, one.p95), (one.max, one.max));
        assert_eq!(times(&[]), None);
    }
}
