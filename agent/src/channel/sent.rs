//! When an agent that waits sent which of its messages, by its own clock.
//!
//! An order to switch names the last message that the tracker has heard. So the agent knows how
//! old the order can be at the most, however long it was on its way, and without trusting any
//! clock but its own: one that comes late must not switch a host that others have given up.

use std::collections::VecDeque;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the host was booted, that in which it was suspended included: a clock that stands
/// still meanwhile would take an old order for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uptime(pub Duration);

impl Uptime {
    /// That of this host.
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        Self(Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0)))
    }

    fn and_valid(self) -> Self {
        Self(self.0.saturating_add(VALID))
    }
}

/// The messages of the last while.
#[derive(Debug, Default)]
pub(super) struct Sent(VecDeque<(u64, Uptime)>);

impl Sent {
    /// The next message is about to be sent.
    pub(super) fn note(&mut self, number: u64, now: Uptime) {
        while self.0.front().is_some_and(|(_, sent)| now > sent.and_valid()) {
            self.0.pop_front();
        }
        self.0.push_back((number, now));
    }

    /// Until when an order holds whose giver had heard this message last; none if that is over, or
    /// no such message was sent.
    pub(super) fn holds_until(&self, heard: u64) -> Option<Uptime> {
        self.0.iter().find(|(number, _)| *number == heard).map(|(_, sent)| sent.and_valid())
    }
}

/// How long after a message of its own an agent carries out an order whose giver had heard nothing
/// newer. An agent speaks twice as often.
pub const VALID: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_from_the_last_message_that_its_giver_had_heard() {
        let at = |seconds| Uptime(Duration::from_secs(seconds));
        let mut sent = Sent::default();
        for (number, seconds) in [(1, 0), (2, 5), (3, 10)] {
            sent.note(number, at(seconds));
        }
        assert_eq!(sent.holds_until(3), Some(at(20)));
        assert_eq!(sent.holds_until(1), Some(at(10)));
        assert_eq!(sent.holds_until(4), None, "it was never sent");
        sent.note(4, at(15));
        assert_eq!(sent.holds_until(1), None, "it is long over");
        assert_eq!(sent.holds_until(2), Some(at(15)));
    }

    #[test]
    fn the_clock_goes_on_while_the_host_is_suspended() {
        // Both begin at boot; the one of CLOCK_MONOTONIC stands still meanwhile.
        let awake = clock_gettime(ClockId::Monotonic);
        let all = Uptime::now();
        let seconds = u64::try_from(awake.tv_sec).unwrap();
        assert!(all >= Uptime(Duration::from_secs(seconds)), "{all:?} {awake:?}");
        assert!(Uptime::now() >= all);
    }
}
