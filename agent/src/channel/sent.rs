//! When an agent that waits sent which of its messages, by its own clock.
//!
//! An order to switch names the last message that the tracker has heard. So the agent knows how
//! old the order can be at the most, however long it was on its way, and without trusting any
//! clock but its own: one that comes late must not switch a host that others have given up.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The messages of the last while.
#[derive(Debug, Default)]
pub(super) struct Sent(VecDeque<(u64, Instant)>);

impl Sent {
    /// The next message is about to be sent.
    pub(super) fn note(&mut self, number: u64, now: Instant) {
        while self.0.front().is_some_and(|(_, sent)| now > *sent + VALID) {
            self.0.pop_front();
        }
        self.0.push_back((number, now));
    }

    /// Until when an order holds whose giver had heard this message last; none if that is over, or
    /// no such message was sent.
    pub(super) fn holds_until(&self, heard: u64) -> Option<Instant> {
        self.0.iter().find(|(number, _)| *number == heard).map(|(_, sent)| *sent + VALID)
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
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
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
}
