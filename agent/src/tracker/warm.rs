//! The hosts on which agents wait for orders: what the tracker and each of them know.
//!
//! Pure: time and keys are arguments. It stands in the tracker's file, so that agents find a
//! tracker that was killed and started again to be the one they know.

use std::collections::BTreeMap;
use std::time::Duration;

use murder_protocol::Secret;
use murder_swarm::Time;
use serde::{Deserialize, Serialize};

use super::serial;

/// Hosts by name.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Warm(BTreeMap<String, Place>);

#[derive(Debug, Serialize, Deserialize)]
struct Place {
    key: Secret,
    #[serde(with = "serial::time")]
    until: Time,
}

impl Warm {
    /// Expects an agent on a host for so long at least. A host that is expected already keeps its key, so
    /// that an agent that waits there goes on until another one takes its place.
    pub(super) fn expect(
        &mut self,
        now: Time,
        host: String,
        span: Duration,
        fresh: Secret,
    ) -> Secret {
        let until = now + span;
        let place = self.0.entry(host).or_insert(Place { key: fresh, until });
        place.until = place.until.max(until);
        place.key.clone()
    }

    /// The key of a host on which an agent is expected.
    pub(super) fn key(&self, now: Time, host: &str) -> Option<&Secret> {
        self.0.get(host).filter(|place| now < place.until).map(|place| &place.key)
    }

    /// Expects nobody on a host any more; says whether somebody was expected.
    pub(super) fn forget(&mut self, host: &str) -> bool {
        self.0.remove(host).is_some()
    }

    /// Forgets the hosts whose time is over; says whether there were any.
    pub(super) fn expire(&mut self, now: Time) -> bool {
        let before = self.0.len();
        self.0.retain(|_, place| now < place.until);
        self.0.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn secret(text: &str) -> Secret {
        Secret(text.to_owned())
    }

    #[test]
    fn a_host_is_expected_until_its_time_is_over_or_it_is_forgotten() {
        let mut warm = Warm::default();
        let span = Duration::from_secs(10);
        warm.expect(at(0), "a".to_owned(), span, secret("one"));
        warm.expect(at(5), "b".to_owned(), span, secret("two"));
        assert_eq!(warm.key(at(9), "a"), Some(&secret("one")));
        assert_eq!(warm.key(at(10), "a"), None);
        assert!(warm.expire(at(10)) && !warm.expire(at(10)));
        assert_eq!(warm.key(at(10), "b"), Some(&secret("two")));
        assert!(warm.forget("b") && !warm.forget("b"));
        assert_eq!(warm.key(at(10), "b"), None);
    }

    #[test]
    fn a_host_that_is_expected_again_keeps_its_key_and_gets_more_time() {
        let mut warm = Warm::default();
        let span = Duration::from_secs(10);
        warm.expect(at(0), "a".to_owned(), span, secret("one"));
        assert_eq!(warm.expect(at(9), "a".to_owned(), span, secret("two")), secret("one"));
        assert_eq!(warm.key(at(18), "a"), Some(&secret("one")));
        // One that waits for long is not forgotten because somebody needs it for a moment.
        warm.expect(at(9), "a".to_owned(), Duration::from_secs(1), secret("three"));
        assert_eq!(warm.key(at(18), "a"), Some(&secret("one")));
    }
}
