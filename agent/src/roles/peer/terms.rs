//! How long a peer goes on: for a run, without a tracker, and after it is done.

use std::time::Duration;

use murder_protocol::verbs::PeerStart;
use murder_protocol::{Blame, Failure};
use tokio::time::Instant;

/// The three spans of a request, and what they are counted from.
#[derive(Debug)]
pub(super) struct Terms {
    began: Instant,
    timeout: Duration,
    lease: Duration,
    seeding: Duration,
    /// Since when there is no tracker, if there is none, and why.
    lost: Option<(Instant, String)>,
    /// When verified bytes last grew.
    grew: Instant,
    bytes: u64,
    over: Option<Over>,
}

/// The time after the outcome.
#[derive(Debug)]
struct Over {
    at: Instant,
    serves: Serves,
    seen: bool,
    swarm_done: bool,
}

/// What a peer does after its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serves {
    /// It has the whole archive for others.
    Others,
    /// It only tells its outcome.
    Nobody,
    /// It was told to go, and tells its outcome if that goes quickly.
    Leaving,
}

impl Terms {
    /// The spans of a request that came now.
    pub(super) fn new(request: &PeerStart, now: Instant) -> Self {
        Self {
            began: now,
            timeout: Duration::from_secs(request.timeout_seconds),
            lease: Duration::from_secs(request.lease_seconds),
            seeding: Duration::from_secs(request.seed_seconds),
            lost: None,
            grew: now,
            bytes: 0,
            over: None,
        }
    }

    /// How long ago the request came.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now - self.began
    }

    /// There is a tracker.
    pub(super) fn found(&mut self) {
        self.lost = None;
    }

    /// There is no tracker, for this reason.
    pub(super) fn lost(&mut self, since: Instant, why: String) {
        self.lost = Some((since, why));
    }

    /// So many bytes are verified.
    pub(super) fn has(&mut self, bytes: u64, now: Instant) {
        if bytes > self.bytes {
            self.bytes = bytes;
            self.grew = now;
        }
    }

    /// The host has its outcome.
    pub(super) fn ended(&mut self, serves: Serves, now: Instant) {
        self.over = Some(Over { at: now, serves, seen: false, swarm_done: false });
    }

    /// The tracker keeps the outcome.
    pub(super) fn outcome_seen(&mut self) {
        if let Some(over) = &mut self.over {
            over.seen = true;
        }
    }

    /// Nobody needs this peer's pieces. Before its own outcome this means nothing.
    pub(super) fn swarm_done(&mut self) {
        if let Some(over) = &mut self.over {
            over.swarm_done = true;
        }
    }

    /// Why a peer without an outcome has to give up now, if it has to.
    pub(super) fn expired(&self, total: u64, now: Instant) -> Option<Failure> {
        if self.elapsed(now) >= self.timeout {
            let (have, seconds) = (self.bytes, self.timeout.as_secs());
            let message = format!("not done after {seconds} s, with {have} of {total} bytes");
            return Some(Failure::new(Blame::Network, message).hint(AGAIN));
        }
        let (since, why) = self.lost.as_ref()?;
        // One that still gets pieces needs no tracker to go on.
        let quiet = now.saturating_duration_since((*since).max(self.grew));
        (quiet >= self.lease).then(|| {
            let seconds = self.lease.as_secs();
            let message = format!("no tracker and no progress for {seconds} s: {why}");
            Failure::new(Blame::Network, message).hint(AGAIN)
        })
    }

    /// Whether a peer with an outcome may go now.
    pub(super) fn may_go(&self, now: Instant) -> bool {
        let Some(over) = &self.over else { return false };
        let since = now.saturating_duration_since(over.at);
        // What nobody could be told in all that time stands in the status file.
        match over.serves {
            Serves::Others if over.swarm_done => true,
            Serves::Others if over.seen => since >= self.seeding,
            Serves::Others => since >= self.seeding.max(self.lease),
            Serves::Nobody => over.seen || since >= self.lease,
            Serves::Leaving => over.seen || since >= FAREWELL,
        }
    }
}

const AGAIN: &str = "run peer again, what is there already is not fetched twice";

/// How long one that was told to go tries to tell its outcome: well within the time that
/// `stop_peering` gives it.
const FAREWELL: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(now: Instant) -> Terms {
        Terms {
            began: now,
            timeout: Duration::from_secs(100),
            lease: Duration::from_secs(30),
            seeding: Duration::from_secs(50),
            lost: None,
            grew: now,
            bytes: 0,
            over: None,
        }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_peer_gives_up_at_its_timeout_and_says_how_far_it_came() {
        let start = Instant::now();
        let mut terms = terms(start);
        terms.has(7, after(start, 99));
        assert_eq!(terms.expired(10, after(start, 99)), None);
        assert_eq!(
            terms.expired(10, after(start, 100)).unwrap().to_string(),
            "not done after 100 s, with 7 of 10 bytes \
             (run peer again, what is there already is not fetched twice)"
        );
    }

    #[test]
    fn a_peer_without_a_tracker_goes_on_while_pieces_come() {
        let start = Instant::now();
        let mut terms = terms(start);
        terms.lost(start, "refused".to_owned());
        terms.has(1, after(start, 29));
        assert_eq!(terms.expired(10, after(start, 58)), None);
        assert_eq!(
            terms.expired(10, after(start, 59)).unwrap().message,
            "no tracker and no progress for 30 s: refused"
        );
        terms.found();
        assert_eq!(terms.expired(10, after(start, 59)), None);
    }

    #[test]
    fn a_finished_peer_serves_until_the_swarm_is_done() {
        let start = Instant::now();
        let mut terms = terms(start);
        terms.swarm_done();
        terms.ended(Serves::Others, start);
        terms.outcome_seen();
        assert!(!terms.may_go(after(start, 49)));
        terms.swarm_done();
        assert!(terms.may_go(after(start, 1)));
    }

    #[test]
    fn a_finished_peer_serves_no_longer_than_it_may_but_tells_its_outcome_first() {
        let start = Instant::now();
        let mut terms = terms(start);
        terms.seeding = Duration::from_secs(10);
        terms.ended(Serves::Others, start);
        assert!(!terms.may_go(after(start, 29)), "the tracker has not seen the outcome");
        assert!(terms.may_go(after(start, 30)), "it may be that there is no tracker");
        terms.outcome_seen();
        assert!(!terms.may_go(after(start, 9)) && terms.may_go(after(start, 10)));
    }

    #[test]
    fn a_failed_peer_goes_when_that_is_known() {
        let start = Instant::now();
        let mut terms = terms(start);
        terms.ended(Serves::Nobody, start);
        assert!(!terms.may_go(after(start, 29)));
        terms.outcome_seen();
        assert!(terms.may_go(after(start, 1)));
    }

    #[test]
    fn one_that_was_told_to_go_does_not_wait_long() {
        let start = Instant::now();
        let mut terms = terms(start);
        terms.ended(Serves::Leaving, start);
        assert!(!terms.may_go(after(start, 1)) && terms.may_go(after(start, 3)));
    }
}
