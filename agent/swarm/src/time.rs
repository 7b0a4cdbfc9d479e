//! A point in time that the caller chooses.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Microseconds since whatever moment the caller began to count at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment at which the caller began to count.
    pub const ZERO: Self = Self(0);

    /// The time so many microseconds after [`Time::ZERO`].
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since [`Time::ZERO`].
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was, or nothing if it is still to come.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_by_durations_and_never_below_zero() {
        let later = Time::ZERO + Duration::from_millis(3);
        assert_eq!(later.as_micros(), 3000);
        assert_eq!(Time::ZERO - later, Duration::ZERO);
    }
}
