//! What an agent has to say, and when it is due.

use std::time::Duration;

use murder_protocol::HostReport;
use tokio::time::Instant;

use super::message::ToTracker;

/// What the agent last said, whether it was sent or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) report: Option<HostReport>,
    pub(super) uploaded: u64,
    /// How often the tracker has asked for the count.
    pub(super) counts: u64,
    pub(super) wants: u64,
}

impl Said {
    /// Whether the host has every piece, by its report.
    pub(super) fn is_full(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.total > 0 && report.bytes == report.total)
    }
}

/// What went over this connection, and when.
pub(super) struct Sent {
    report: Option<HostReport>,
    uploaded: u64,
    counts: u64,
    wants: u64,
    /// When the last report or count went.
    told: Option<Instant>,
    asked: Option<Instant>,
    last: Instant,
}

impl Sent {
    pub(super) fn new() -> Self {
        Self {
            report: None,
            uploaded: 0,
            counts: 0,
            wants: 0,
            told: None,
            asked: None,
            last: Instant::now(),
        }
    }

    /// What is to be sent now, and when to ask again if nothing happens before.
    pub(super) fn due(
        &mut self,
        said: &Said,
        every: Duration,
        now: Instant,
    ) -> (Vec<ToTracker>, Instant) {
        let mut due = Vec::new();
        if self.counts != said.counts {
            due.push(ToTracker::Counted { bytes: said.uploaded });
            (self.counts, self.uploaded) = (said.counts, said.uploaded);
        }
        let later =
            [self.due_news(said, every, now, &mut due), self.due_wants(said, now, &mut due)];
        if due.is_empty() && now >= self.last + ALIVE_EVERY {
            due.push(ToTracker::Alive);
        }
        if !due.is_empty() {
            self.last = now;
        }
        let next = later.into_iter().flatten().fold(self.last + ALIVE_EVERY, Instant::min);
        (due, next)
    }

    /// The report and the count; gives the time they are due at if that is later.
    fn due_news(
        &mut self,
        said: &Said,
        every: Duration,
        now: Instant,
        due: &mut Vec<ToTracker>,
    ) -> Option<Instant> {
        let report = said.report.as_ref().filter(|report| self.report.as_ref() != Some(*report));
        let counted = self.uploaded != said.uploaded;
        if report.is_none() && !counted {
            return None;
        }
        let at = self.told.map_or(now, |told| told + every);
        if at > now && !report.is_some_and(|report| self.is_turn(report)) {
            return Some(at);
        }
        due.extend(report.map(|report| ToTracker::Report(Box::new(report.clone()))));
        due.extend(counted.then_some(ToTracker::Uploaded { bytes: said.uploaded }));
        self.report.clone_from(&said.report);
        self.uploaded = said.uploaded;
        self.told = Some(now);
        None
    }

    /// The wish for addresses; gives the time it is due at if that is later.
    fn due_wants(
        &mut self,
        said: &Said,
        now: Instant,
        due: &mut Vec<ToTracker>,
    ) -> Option<Instant> {
        if self.wants == said.wants {
            return None;
        }
        let at = self.asked.map_or(now, |asked| asked + ASK_EVERY);
        if at > now {
            return Some(at);
        }
        due.push(ToTracker::WantPeers);
        self.wants = said.wants;
        self.asked = Some(now);
        None
    }

    /// A new phase or outcome is news that can't wait.
    fn is_turn(&self, report: &HostReport) -> bool {
        self.report
            .as_ref()
            .is_none_or(|before| before.phase != report.phase || before.outcome != report.outcome)
    }
}

/// How often an agent that has nothing to say shows that it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// More addresses can't be asked for more often.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use murder_protocol::{HostOutcome, Phase};

    use super::*;

    const EVERY: Duration = Duration::from_millis(250);

    fn report(phase: Phase, bytes: u64) -> HostReport {
        HostReport {
            host: "a".to_owned(),
            phase,
            bytes,
            total: 100,
            uploaded: 0,
            downloaded: 0,
            elapsed_ms: 0,
            outcome: None,
        }
    }

    fn says(report: HostReport) -> Said {
        Said { report: Some(report), ..Said::default() }
    }

    #[test]
    fn numbers_wait_for_the_trackers_interval() {
        let (mut sent, begin) = (Sent::new(), Instant::now());
        let first = report(Phase::Downloading, 1);
        let (due, _) = sent.due(&says(first.clone()), EVERY, begin);
        assert_eq!(due, [ToTracker::Report(Box::new(first))]);
        let second = report(Phase::Downloading, 2);
        let (due, next) = sent.due(&says(second.clone()), EVERY, begin + EVERY / 2);
        assert_eq!((due, next), (Vec::new(), begin + EVERY));
        let (due, _) = sent.due(&says(second.clone()), EVERY, next);
        assert_eq!(due, [ToTracker::Report(Box::new(second))]);
    }

    #[test]
    fn a_count_goes_at_once_if_the_tracker_asks_for_it_even_if_it_is_the_same() {
        let (mut sent, begin) = (Sent::new(), Instant::now());
        let mut said = Said { uploaded: 5, ..Said::default() };
        assert_eq!(sent.due(&said, EVERY, begin).0, [ToTracker::Uploaded { bytes: 5 }]);
        said.counts += 1;
        assert_eq!(sent.due(&said, EVERY, begin).0, [ToTracker::Counted { bytes: 5 }]);
        assert_eq!(sent.due(&said, EVERY, begin).0, []);
    }

    #[test]
    fn a_new_phase_and_an_outcome_go_at_once() {
        let (mut sent, begin) = (Sent::new(), Instant::now());
        sent.due(&says(report(Phase::Downloading, 100)), EVERY, begin);
        let (due, _) = sent.due(&says(report(Phase::Extracting, 100)), EVERY, begin);
        assert_eq!(due.len(), 1);
        let last = HostReport { outcome: Some(HostOutcome::Ok), ..report(Phase::Extracting, 100) };
        let (due, _) = sent.due(&says(last), EVERY, begin);
        assert_eq!(due.len(), 1);
    }

    #[test]
    fn wishes_for_addresses_are_bounded_and_none_is_forgotten() {
        let (mut sent, begin) = (Sent::new(), Instant::now());
        let wants = |wants| Said { wants, ..Said::default() };
        assert_eq!(sent.due(&wants(1), EVERY, begin).0, [ToTracker::WantPeers]);
        let (due, next) = sent.due(&wants(5), EVERY, begin);
        assert_eq!((due, next), (Vec::new(), begin + ASK_EVERY));
        assert_eq!(sent.due(&wants(5), EVERY, next).0, [ToTracker::WantPeers]);
        assert_eq!(sent.due(&wants(5), EVERY, next + ASK_EVERY).0, []);
    }

    #[test]
    fn an_agent_with_nothing_to_say_shows_that_it_lives() {
        let mut sent = Sent::new();
        let (due, next) = sent.due(&Said::default(), EVERY, Instant::now());
        assert_eq!(due, []);
        let (due, after) = sent.due(&Said::default(), EVERY, next);
        assert_eq!((due, after), (vec![ToTracker::Alive], next + ALIVE_EVERY));
    }

    #[test]
    fn a_new_connection_is_told_everything_again() {
        let said = Said { uploaded: 7, ..says(report(Phase::Done, 100)) };
        let mut before = Sent::new();
        before.due(&said, EVERY, Instant::now());
        let (due, _) = Sent::new().due(&said, EVERY, Instant::now());
        assert_eq!(due.len(), 2);
    }
}
