//! How many peers to download from at once.

use std::time::Duration;

use crate::Time;

/// A number that grows while growing pays.
///
/// It begins with what is in balance with the peers' upload slots. Where sources are slower than
/// our link, one more is tried now and then, and kept if more comes in.
#[derive(Debug)]
pub(crate) struct Limit {
    allowed: usize,
    trial: Option<Trial>,
    /// When the last trial ended.
    since: Time,
    pause: Duration,
}

/// Whether the sources send at about the same rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sources {
    /// Each has its share of our link, or of a link like ours: one more would take from them.
    Even,
    /// Some are slower.
    Uneven,
}

#[derive(Debug)]
struct Trial {
    ends: Time,
    before: u64,
}

impl Limit {
    /// Begins with so many. The lot spreads the trials of a swarm over time: when everybody tries
    /// at once, nobody learns anything.
    pub(crate) fn new(now: Time, allowed: usize, lot: &mut fastrand::Rng) -> Self {
        let wait = Duration::from_millis(lot.u64(..PAUSE.as_millis() as u64));
        Self { allowed, trial: None, since: now, pause: PAUSE + wait }
    }

    /// How many there may be.
    pub(crate) fn allowed(&self) -> usize {
        self.allowed
    }

    /// Takes note of how many bytes a second come in while every place is taken.
    pub(crate) fn observe(&mut self, now: Time, rate: u64, sources: Sources) {
        let pause = match sources {
            Sources::Even => self.pause * CAUTION,
            Sources::Uneven => self.pause,
        };
        match &self.trial {
            Some(trial) if now >= trial.ends => {
                // A further source is worth half its share, or it only takes from the others.
                let share = trial.before / (2 * self.allowed as u64);
                if rate > trial.before + share {
                    self.pause = PAUSE;
                } else {
                    self.allowed -= 1;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
                self.trial = None;
                self.since = now;
            }
            None if now >= self.since + pause && self.allowed < MOST => {
                self.allowed += 1;
                self.trial = Some(Trial { ends: now + TRIAL, before: rate });
            }
            _ => {}
        }
    }
}

/// How long a trial takes: longer than a rate is measured over.
const TRIAL: Duration = Duration::from_millis(1500);
/// How long after one trial the next begins.
const PAUSE: Duration = Duration::from_secs(2);
/// The pause is so many times as long while there is no sign that a trial would pay: in a swarm of
/// equal links trials cost 3 to 5 % of the time.
const CAUTION: u32 = 4;
/// The same, after many trials that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);
/// As many as there are connections, nearly.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seconds: u64, rate: impl Fn(usize) -> u64) -> Limit {
        let mut limit = Limit::new(Time::ZERO, 2, &mut fastrand::Rng::with_seed(1));
        for tick in 0..seconds * 10 {
            let rate = rate(limit.allowed());
            limit.observe(Time::from_micros(tick * 100_000), rate, Sources::Uneven);
        }
        limit
    }

    #[test]
    fn it_grows_while_each_source_adds_its_share() {
        assert!(run(60, |sources| sources as u64 * 1000).allowed() > 6);
    }

    #[test]
    fn it_stays_where_two_sources_fill_the_link() {
        assert!(run(60, |_| 2000).allowed() <= 3);
        let at_rest = (0..60).filter(|seconds| run(*seconds, |_| 2000).allowed() == 2).count();
        assert!(at_rest > 48, "{at_rest}");
    }
}
