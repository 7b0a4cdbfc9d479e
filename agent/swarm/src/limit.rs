//! How many peers to download from at once.

use std::time::Duration;

use crate::Time;

/// A number that grows while growing pays.
///
/// It begins with what is in balance with the peers' upload slots. Where less comes in than did
/// before, because some sources are slow, one more is tried, and kept if more comes in. Where there
/// is no sign of that it is tried rarely, until it pays for the first time.
#[derive(Debug)]
pub(crate) struct Limit {
    allowed: usize,
    trial: Option<Trial>,
    last: Outcome,
    /// The most that ever came in, in bytes a second.
    best: u64,
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

/// How the last trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Paid,
    InVain,
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
        let pause = PAUSE + wait;
        Self { allowed, trial: None, last: Outcome::InVain, best: 0, since: now, pause }
    }

    /// How many there may be.
    pub(crate) fn allowed(&self) -> usize {
        self.allowed
    }

    /// Takes note of how many bytes a second come in while every place is taken.
    pub(crate) fn observe(&mut self, now: Time, rate: u64, sources: Sources) {
        self.best = self.best.max(rate);
        let lacks = sources == Sources::Uneven && rate < self.best / 4 * 3;
        let hopeful = lacks || self.last == Outcome::Paid;
        let pause = if hopeful { self.pause } else { self.pause * CAUTION };
        match &self.trial {
            Some(trial) if now >= trial.ends => {
                // A further source is worth half its share, or it only takes from the others.
                let share = trial.before / (2 * self.allowed as u64);
                if rate > trial.before + share {
                    self.last = Outcome::Paid;
                    self.pause = PAUSE;
                } else {
                    self.last = Outcome::InVain;
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
/// The pause is so many times as long while there is no sign that a trial would pay: with 4, trials
/// cost a simulated swarm of 64 equal links 2 % of its time.
const CAUTION: u32 = 16;
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
        assert!(run(120, |sources| sources as u64 * 1000).allowed() > 6);
    }

    #[test]
    fn it_is_soon_tried_where_less_comes_in_than_did_before() {
        let fallen = |seconds: u64| {
            let mut limit = Limit::new(Time::ZERO, 2, &mut fastrand::Rng::with_seed(1));
            for tick in 0..seconds * 10 {
                let rate = if tick < 10 { 2000 } else { 600 * limit.allowed() as u64 };
                limit.observe(Time::from_micros(tick * 100_000), rate, Sources::Uneven);
            }
            limit.allowed()
        };
        assert_eq!(fallen(1), 2);
        assert!(fallen(8) > 2);
    }

    #[test]
    fn it_stays_where_two_sources_fill_the_link() {
        assert!(run(60, |_| 2000).allowed() <= 3);
        let at_rest = (0..60).filter(|seconds| run(*seconds, |_| 2000).allowed() == 2).count();
        assert!(at_rest > 48, "{at_rest}");
    }
}
