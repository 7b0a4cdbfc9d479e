//! How many bytes a second went by of late.

use std::time::Duration;

use crate::Time;

/// Bytes of the last second, in slots of an eighth.
///
/// Whole numbers only, so that every machine computes the same.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    slots: [u32; SLOTS as usize],
    /// The number of the slot that is being filled, counted from [`Time::ZERO`].
    current: u64,
    /// When the first byte could have come.
    began: Time,
    /// The most that went by within a whole second.
    most: u64,
}

impl Rate {
    /// Nothing yet.
    pub(crate) fn new(now: Time) -> Self {
        Self { slots: [0; SLOTS as usize], current: slot(now), began: now, most: 0 }
    }

    /// Forgets what was, because nothing came for a while and something is about to.
    pub(crate) fn restart(&mut self, now: Time) {
        *self = Self::new(now);
    }

    /// Counts bytes that have just gone by.
    pub(crate) fn add(&mut self, now: Time, bytes: u64) {
        let slot = slot(now).max(self.current);
        let passed = (slot - self.current).min(SLOTS);
        if passed > 0 {
            self.most = self.most.max(self.slots.iter().copied().map(u64::from).sum());
        }
        for gone in 0..passed {
            self.slots[((slot - gone) % SLOTS) as usize] = 0;
        }
        self.current = slot;
        let sum = &mut self.slots[(slot % SLOTS) as usize];
        *sum = sum.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Bytes a second at this time.
    pub(crate) fn per_second(&self, now: Time) -> u64 {
        let slot = slot(now).max(self.current);
        let oldest = (slot + 1).saturating_sub(SLOTS);
        let sum: u64 = (oldest..=self.current)
            .map(|slot| u64::from(self.slots[(slot % SLOTS) as usize]))
            .sum();
        let from = Time::from_micros(oldest * SLOT_MICROS).max(self.began);
        let span = now.since(from).max(SHORTEST).as_micros() as u64;
        sum.saturating_mul(1_000_000) / span
    }

    /// The most bytes that ever went by within a second. It knows nothing of the second that goes on.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }
}

/// What comes in so long at so many bytes a second.
pub(crate) fn bytes_in(span: Duration, per_second: u64) -> u64 {
    let bytes = u128::from(per_second) * span.as_micros() / 1_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// How long so many bytes take at so many a second, or at one if that is none.
pub(crate) fn time_of(bytes: u64, per_second: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000_000) / per_second.max(1))
}

fn slot(time: Time) -> u64 {
    time.as_micros() / SLOT_MICROS
}

const SLOTS: u64 = 8;
const SLOT_MICROS: u64 = 125_000;
/// Over less than this a rate is mostly noise.
const SHORTEST: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Time {
        Time::from_micros(millis * 1000)
    }

    #[test]
    fn a_steady_stream_has_its_rate() {
        let mut rate = Rate::new(ms(0));
        (1..=3000).for_each(|millis| rate.add(ms(millis), 1000));
        let measured = rate.per_second(ms(3000));
        assert!((990_000..=1_010_000).contains(&measured), "{measured}");
    }

    #[test]
    fn a_stream_that_has_just_begun_is_measured_over_its_own_time() {
        let mut rate = Rate::new(ms(5000));
        (5001..=5100).for_each(|millis| rate.add(ms(millis), 1000));
        assert_eq!(rate.per_second(ms(5100)), 1_000_000);
    }

    #[test]
    fn the_most_of_a_second_is_remembered_and_no_burst_is_taken_for_more() {
        let mut rate = Rate::new(ms(5000));
        rate.add(ms(5010), 1000);
        assert_eq!(rate.most(), 0);
        rate.add(ms(5900), 500);
        rate.add(ms(6100), 100);
        assert_eq!(rate.most(), 1500);
        rate.add(ms(60_000), 10);
        assert_eq!(rate.most(), 1500);
    }

    #[test]
    fn what_is_a_second_ago_is_forgotten() {
        let mut rate = Rate::new(ms(0));
        rate.add(ms(10), 1 << 20);
        assert!(rate.per_second(ms(900)) > 0);
        assert_eq!(rate.per_second(ms(1500)), 0);
        rate.add(ms(60_000), 8);
        assert!(rate.per_second(ms(60_000)) < 20);
    }
}
