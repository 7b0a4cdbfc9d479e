//! Which hosts of a run have their outcome, and which are still waited for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use murder_protocol::verbs::WatchReply;
use murder_protocol::{Blame, Failure, HostReport};

use super::context::Context;
use super::watch::News;
use crate::fleet::{HostResult, Outcome};
use crate::report::Event;

/// The hosts of a run on their way to exactly one outcome each.
pub(super) struct Outcomes<'a> {
    context: &'a Context,
    waiting: BTreeMap<String, Stage>,
    results: Vec<HostResult>,
    began: Instant,
}

/// How far a host is that has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not got the job.
    Unreached,
    /// Its agent has the job.
    Accepted,
}

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    /// A host has no outcome yet.
    Yes,
    /// Each has one.
    No,
}

impl<'a> Outcomes<'a> {
    /// Of these hosts.
    pub(super) fn of(context: &'a Context, hosts: impl IntoIterator<Item = String>) -> Self {
        let waiting = hosts.into_iter().map(|host| (host, Stage::Unreached)).collect();
        Self { context, waiting, results: Vec::new(), began: Instant::now() }
    }

    /// The host's agent has taken the job.
    pub(super) fn accepted(&mut self, host: &str) {
        if let Some(stage) = self.waiting.get_mut(host) {
            *stage = Stage::Accepted;
        }
    }

    /// The host's end, unless it had one.
    pub(super) fn end(&mut self, host: &str, outcome: Outcome, elapsed: Duration) {
        if self.waiting.remove(host).is_some() {
            self.results.push(self.context.host_ended(host, outcome, elapsed));
        }
    }

    /// Takes in what the tracker says.
    pub(super) fn take(&mut self, news: News) -> More {
        match news {
            News::Event(event) => {
                self.context.reporter.emit(Event::Fleet(event.clone()));
                self.reports(event.reports);
            }
            News::Lost(failure) => {
                let text = format!("{}; trying again", failure.message);
                self.context.reporter.emit(Event::Warning(text));
            }
            News::Over(reply) => {
                self.over(reply);
                self.end_all(&no_word());
            }
            News::GaveUp(failure) => {
                let message = format!("it is not known how this ended: {}", failure.message);
                let hint = "start the tracker again and run murder attach, or see murder status";
                self.end_all(&Failure::new(failure.blame, message).hint(hint));
            }
        }
        if self.waiting.is_empty() { More::No } else { More::Yes }
    }

    /// Ends every host that has no outcome in the same way.
    pub(super) fn end_all(&mut self, failure: &Failure) {
        let elapsed = self.began.elapsed();
        for host in self.hosts() {
            self.end(&host, Outcome::Failed(failure.clone()), elapsed);
        }
    }

    /// The hosts that have no outcome, at this stage.
    pub(super) fn at(&self, wanted: Stage) -> impl Iterator<Item = &str> {
        let at = self.waiting.iter().filter(move |(_, stage)| **stage == wanted);
        at.map(|(host, _)| host.as_str())
    }

    /// Every host's result so far.
    pub(super) fn results(self) -> Vec<HostResult> {
        self.results
    }

    fn over(&mut self, reply: WatchReply) {
        let event = murder_protocol::FleetEvent {
            reports: reply.reports.clone(),
            seeder_uploaded: reply.seeder_uploaded,
        };
        self.context.reporter.emit(Event::Fleet(event));
        self.reports(reply.reports);
    }

    fn reports(&mut self, reports: Vec<HostReport>) {
        for report in reports {
            if let Some(outcome) = report.outcome {
                let elapsed = Duration::from_millis(report.elapsed_ms);
                self.end(&report.host, Outcome::from(outcome), elapsed);
            }
        }
    }

    fn hosts(&self) -> Vec<String> {
        self.waiting.keys().cloned().collect()
    }
}

/// What a host is told to have if its run ended without a word from it.
pub(super) fn no_word() -> Failure {
    Failure::new(Blame::Host, "its agent never said how it ended")
        .hint("see murder status and murder logs")
}
