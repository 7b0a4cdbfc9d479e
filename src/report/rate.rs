//! How fast a number grows.

use std::collections::VecDeque;
use std::time::Duration;

/// Bytes a second over the last [`WINDOW`].
#[derive(Debug, Default)]
pub(super) struct Rate {
    samples: VecDeque<(Duration, u64)>,
}

impl Rate {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The number is so high at this time.
    pub(super) fn sample(&mut self, value: u64, now: Duration) {
        match self.samples.back_mut() {
            Some((at, last)) if now.saturating_sub(*at) < SPACING => *last = value,
            _ => self.samples.push_back((now, value)),
        }
        // One sample older than the window stays, to measure from.
        while self.samples.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) > WINDOW) {
            self.samples.pop_front();
        }
    }

    pub(super) fn per_second(&self, now: Duration) -> f64 {
        let (Some((first, from)), Some((_, to))) = (self.samples.front(), self.samples.back())
        else {
            return 0.0;
        };
        let span = now.saturating_sub(*first).as_secs_f64();
        if span < SPACING.as_secs_f64() { 0.0 } else { to.saturating_sub(*from) as f64 / span }
    }
}

/// Long enough to be steady, short enough to show a stall.
const WINDOW: Duration = Duration::from_secs(5);

/// Reports come in many a second; this many of them are kept.
const SPACING: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::new();
        assert_eq!(rate.per_second(Duration::from_secs(1)), 0.0);
        for second in 0..20 {
            rate.sample(second * 100, Duration::from_secs(second));
        }
        let now = rate.per_second(Duration::from_secs(19));
        assert!((now - 100.0).abs() < 1.0, "{now}");
        let stalled = rate.per_second(Duration::from_secs(60));
        assert!(stalled < 20.0, "{stalled}");
    }

    #[test]
    fn memory_is_bounded_however_many_samples_come() {
        let mut rate = Rate::new();
        for millisecond in 0..100_000 {
            rate.sample(millisecond, Duration::from_millis(millisecond));
        }
        assert!(rate.samples.len() < 30);
    }
}
