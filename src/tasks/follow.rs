//! Which hosts of a run have their outcome, and which are still waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use murder_protocol::verbs::WatchReply;
use murder_protocol::{Blame, Failure, FleetEvent, HostReport, Phase};
use tokio::time::Instant;

use super::watch::News;
use crate::fleet::{HostResult, Outcome};
use crate::report::{Event, Reporter};

/// The hosts of a run on their way to exactly one outcome each.
pub(super) struct Outcomes<'a> {
    reporter: &'a Reporter,
    waiting: BTreeMap<String, Stage>,
    results: Vec<HostResult>,
    began: Instant,
}

/// How far a host is that has no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not got the job.
    Unreached,
    /// The connection broke before its agent answered, so that only the tracker can tell whether
    /// it has the job. If the tracker doesn't until then, this is the host's end.
    Unsure(Instant, Failure),
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
    pub(super) fn of(reporter: &'a Reporter, hosts: impl IntoIterator<Item = String>) -> Self {
        let waiting = hosts.into_iter().map(|host| (host, Stage::Unreached)).collect();
        Self { reporter, waiting, results: Vec::new(), began: Instant::now() }
    }

    /// The host's agent has taken the job.
    pub(super) fn accepted(&mut self, host: &str) {
        self.set(host, Stage::Accepted);
    }

    /// The host's agent may have taken the job before the connection broke in this way. If so, it
    /// says hello to the tracker.
    pub(super) fn unsure(&mut self, now: Instant, host: &str, failure: Failure) {
        if self.waiting.get(host) == Some(&Stage::Unreached) {
            self.set(host, Stage::Unsure(now + SAYS_HELLO, failure));
        }
    }

    /// Until when it is waited for the first host that may have its job; for ever without one.
    pub(super) async fn doubt(&self) {
        let until = self.waiting.values().filter_map(|stage| match stage {
            Stage::Unsure(until, _) => Some(*until),
            Stage::Unreached | Stage::Accepted => None,
        });
        match until.min() {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// Ends the hosts that may have had their job and have not been heard of in time; which, and
    /// why.
    pub(super) fn end_doubtful(&mut self, now: Instant) -> Vec<(String, Failure)> {
        let late = |(host, stage): (&String, &Stage)| match stage {
            Stage::Unsure(until, failure) if *until <= now => Some((host.clone(), failure.clone())),
            _ => None,
        };
        let late: Vec<_> = self.waiting.iter().filter_map(late).collect();
        for (host, failure) in &late {
            self.end(host, Outcome::Failed(failure.clone()), self.began.elapsed());
        }
        late
    }

    /// The host's end, unless it had one.
    pub(super) fn end(&mut self, host: &str, outcome: Outcome, elapsed: Duration) {
        if self.waiting.remove(host).is_some() {
            let result = HostResult { host: host.to_owned(), outcome, elapsed };
            self.reporter.emit(Event::HostEnded(result.clone()));
            self.results.push(result);
        }
    }

    /// Takes in what the tracker says.
    pub(super) fn take(&mut self, news: News) -> More {
        match news {
            News::Event(event) => self.event(event),
            News::Lost(failure) => {
                let text = format!("{}; trying again", failure.message);
                self.reporter.emit(Event::Warning(text));
            }
            News::Over(reply) => {
                let WatchReply { reports, seeder_uploaded } = reply;
                self.event(FleetEvent { reports, seeder_uploaded });
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

    /// The hosts whose turn to get the job has not come.
    pub(super) fn unreached(&self) -> impl Iterator<Item = &str> {
        let unreached = self.waiting.iter().filter(|(_, stage)| **stage == Stage::Unreached);
        unreached.map(|(host, _)| host.as_str())
    }

    /// Every host's result so far.
    pub(super) fn results(self) -> Vec<HostResult> {
        self.results
    }

    fn event(&mut self, event: FleetEvent) {
        self.reporter.emit(Event::Fleet(event.clone()));
        self.reports(event.reports);
    }

    fn reports(&mut self, reports: Vec<HostReport>) {
        for report in reports {
            match report.outcome {
                Some(outcome) => {
                    let elapsed = Duration::from_millis(report.elapsed_ms);
                    self.end(&report.host, Outcome::from(outcome), elapsed);
                }
                // Only its agent can have brought it there.
                None if report.phase > Phase::Connecting => self.accepted(&report.host),
                None => {}
            }
        }
    }

    fn set(&mut self, host: &str, to: Stage) {
        if let Some(stage) = self.waiting.get_mut(host) {
            *stage = to;
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

/// The agent takes up to 30 s to check the job, and has to find the tracker then.
const SAYS_HELLO: Duration = Duration::from_secs(45);

#[cfg(test)]
mod tests {
    use super::*;
    use murder_protocol::HostOutcome;

    fn report(host: &str, phase: Phase, outcome: Option<HostOutcome>) -> News {
        let report = HostReport {
            host: host.to_owned(),
            phase,
            bytes: 0,
            total: 0,
            uploaded: 0,
            downloaded: 0,
            elapsed_ms: 0,
            outcome,
        };
        News::Event(FleetEvent { reports: vec![report], seeder_uploaded: 0 })
    }

    fn lost() -> Failure {
        Failure::new(Blame::Network, "the connection was lost")
    }

    #[test]
    fn a_host_that_may_have_its_job_ends_as_it_tells_the_tracker() {
        let (reporter, _events) = Reporter::channel();
        let now = Instant::now();
        let mut outcomes = Outcomes::of(&reporter, ["h1".to_owned()]);
        outcomes.unsure(now, "h1", lost());
        // The tracker tells of every host from the begin.
        assert_eq!(outcomes.take(report("h1", Phase::Connecting, None)), More::Yes);
        assert_eq!(outcomes.take(report("h1", Phase::Starting, None)), More::Yes);
        assert_eq!(outcomes.end_doubtful(now + SAYS_HELLO), []);
        let done = report("h1", Phase::Done, Some(HostOutcome::Ok));
        assert_eq!(outcomes.take(done), More::No);
        assert_eq!(outcomes.results()[0].outcome, Outcome::Ok(String::new()));
    }

    #[test]
    fn a_host_that_may_have_its_job_and_is_not_heard_of_failed_as_its_connection_did() {
        let (reporter, _events) = Reporter::channel();
        let now = Instant::now();
        let mut outcomes = Outcomes::of(&reporter, ["h1".to_owned(), "h2".to_owned()]);
        outcomes.unsure(now, "h1", lost());
        assert_eq!(outcomes.unreached().collect::<Vec<_>>(), ["h2"]);
        assert_eq!(outcomes.end_doubtful(now + SAYS_HELLO / 2), []);
        assert_eq!(outcomes.end_doubtful(now + SAYS_HELLO), [("h1".to_owned(), lost())]);
        assert_eq!(outcomes.results()[0].outcome, Outcome::Failed(lost()));
    }

    #[test]
    fn what_the_tracker_said_before_the_connection_broke_counts() {
        let (reporter, _events) = Reporter::channel();
        let now = Instant::now();
        let mut outcomes = Outcomes::of(&reporter, ["h1".to_owned()]);
        outcomes.take(report("h1", Phase::Downloading, None));
        outcomes.unsure(now, "h1", lost());
        assert_eq!(outcomes.end_doubtful(now + SAYS_HELLO), []);
    }
}
