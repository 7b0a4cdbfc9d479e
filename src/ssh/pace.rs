//! How many connections may be on their way at once.
//!
//! sshd hangs up on some of those that come while too many have not logged in yet (MaxStartups,
//! 10:30:100 unless an administrator says otherwise), and a bastion in front of a fleet gets all
//! of them. Nobody tells us its limit, so it is found as TCP finds a path's (RFC 5681): the window
//! begins small, doubles until somebody hangs up, is halved then, and grows by one a window-full.
//! Connections that stand are not counted: there may be as many as `--forks`.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The way in, shared by all connections of a run.
#[derive(Debug)]
pub(super) struct Gate {
    pace: Mutex<Pace>,
    changed: Notify,
}

/// How an attempt to connect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its host said something, be it a refusal.
    Answered,
    /// Its host hung up before it said anything, for the first time.
    HungUp,
    /// It hung up again. It may do so whatever the others do, so it does not count against them.
    HungUpAgain,
}

impl Gate {
    /// At most so many come at once.
    pub(super) fn new(most: usize) -> Self {
        Self { pace: Mutex::new(Pace::new(most)), changed: Notify::new() }
    }

    /// Waits until one more may set out. Its place is free again when it is told how that ended,
    /// given back, or dropped.
    pub(super) async fn enter(&self) -> Place<'_> {
        loop {
            let changed = pin!(self.changed.notified());
            if let Some(round) = self.pace().enter() {
                return Place { gate: self, round, held: Held::Yes };
            }
            changed.await;
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn let_in(&self) {
        for _ in 0..self.pace().room() {
            self.changed.notify_one();
        }
    }
}

/// One connection's place among those that are on their way.
#[derive(Debug)]
pub(super) struct Place<'a> {
    gate: &'a Gate,
    round: Round,
    held: Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Yes,
    GivenBack,
}

impl Place<'_> {
    /// Lets another one in, since this one takes long: a host that is down must not hold up those
    /// that are not.
    pub(super) fn give_back(&mut self) {
        if std::mem::replace(&mut self.held, Held::GivenBack) == Held::Yes {
            self.gate.pace().leave();
            self.gate.let_in();
        }
    }

    /// It is on its way no more.
    pub(super) fn ended(self, end: End) {
        self.gate.pace().ended(self.round, end);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The window, without anybody who waits for it.
#[derive(Debug)]
struct Pace {
    window: f64,
    /// Below it the window doubles, above it grows by one.
    threshold: f64,
    most: f64,
    inside: usize,
    round: Round,
}

/// Which halving of the window an attempt came after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Round(u64);

impl Pace {
    fn new(most: usize) -> Self {
        let most = most.max(1) as f64;
        Self { window: FIRST.min(most), threshold: most, most, inside: 0, round: Round(0) }
    }

    fn enter(&mut self) -> Option<Round> {
        (self.room() > 0).then(|| {
            self.inside += 1;
            self.round
        })
    }

    fn leave(&mut self) {
        self.inside -= 1;
    }

    fn room(&self) -> usize {
        (self.window as usize).saturating_sub(self.inside)
    }

    fn ended(&mut self, began: Round, end: End) {
        match end {
            End::Answered => {
                let step = if self.window < self.threshold { 1.0 } else { 1.0 / self.window };
                self.window = (self.window + step).min(self.most);
            }
            // What set out before the last halving says nothing about the window since.
            End::HungUp if began == self.round => {
                self.threshold = (self.window / 2.0).max(1.0);
                self.window = self.threshold;
                self.round = Round(self.round.0 + 1);
            }
            End::HungUp | End::HungUpAgain => {}
        }
    }
}

/// As many as sshd's default lets in without rolling dice.
const FIRST: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(pace: &mut Pace) -> Vec<Round> {
        std::iter::from_fn(|| pace.enter()).collect()
    }

    fn all_end(pace: &mut Pace, rounds: Vec<Round>, end: End) {
        for round in rounds {
            pace.ended(round, end);
            pace.leave();
        }
    }

    #[test]
    fn the_window_doubles_while_hosts_answer_and_never_passes_its_limit() {
        let mut pace = Pace::new(64);
        let mut seen = Vec::new();
        for _ in 0..5 {
            let rounds = inside(&mut pace);
            seen.push(rounds.len());
            all_end(&mut pace, rounds, End::Answered);
        }
        assert_eq!(seen, [10, 20, 40, 64, 64]);
    }

    #[test]
    fn hosts_that_hang_up_together_halve_it_once_and_then_it_grows_by_one() {
        let mut pace = Pace::new(16);
        let rounds = inside(&mut pace);
        all_end(&mut pace, rounds, End::HungUp);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let rounds = inside(&mut pace);
            seen.push(rounds.len());
            all_end(&mut pace, rounds, End::Answered);
        }
        assert_eq!(seen, [5, 5, 6]);
    }

    #[test]
    fn one_host_that_always_hangs_up_does_not_hold_up_the_others() {
        let mut pace = Pace::new(8);
        for _ in 0..100 {
            let round = pace.enter().unwrap();
            all_end(&mut pace, vec![round], End::HungUpAgain);
        }
        assert_eq!(inside(&mut pace).len(), 8);
    }

    #[test]
    fn the_window_never_closes() {
        let mut pace = Pace::new(3);
        for _ in 0..10 {
            let rounds = inside(&mut pace);
            assert!(!rounds.is_empty());
            all_end(&mut pace, rounds, End::HungUp);
        }
    }

    /// Time is in the turns of one connection after another; sshd rolls its dice as its manual
    /// says, and each set-up takes a time of its own.
    #[test]
    fn a_thousand_hosts_behind_a_bastion_get_in_and_few_are_hung_up_on() {
        let mut pace = Pace::new(64);
        let mut chance = 1_u64;
        let mut roll = move |below: usize| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (chance >> 33) as usize % below
        };
        let (mut waiting, mut reached, mut hung_up) = (vec![0; 1000], 0, 0);
        // (the turn at whose end it has logged in, tries before, round)
        let mut logging_in: Vec<(usize, usize, Round)> = Vec::new();
        for turn in 0.. {
            if reached == 1000 {
                break;
            }
            while let Some(round) = (!waiting.is_empty()).then(|| pace.enter()).flatten() {
                let tries = waiting.pop().unwrap();
                let begun = logging_in.len();
                // 30 % of those from the eleventh on, rising to all of them at a hundred.
                let percent = if begun < 10 { 0 } else { 30 + 70 * (begun - 10) / 90 };
                if roll(100) < percent {
                    let end = if tries == 0 { End::HungUp } else { End::HungUpAgain };
                    all_end(&mut pace, vec![round], end);
                    waiting.insert(0, tries + 1);
                    hung_up += 1;
                } else {
                    logging_in.push((turn + 5 + roll(5), tries, round));
                }
            }
            let (done, not_yet) = logging_in.into_iter().partition(|(end, ..)| *end <= turn);
            logging_in = not_yet;
            for (_, _, round) in done {
                all_end(&mut pace, vec![round], End::Answered);
                reached += 1;
            }
        }
        assert!(hung_up < 100, "{hung_up}");
    }

    #[tokio::test]
    async fn who_gives_a_place_back_lets_the_next_one_in() {
        let gate = Gate::new(1);
        let mut first = gate.enter().await;
        let second = gate.enter();
        tokio::pin!(second);
        tokio::select! {
            biased;
            _ = &mut second => panic!("there is one place"),
            () = tokio::task::yield_now() => {}
        }
        first.give_back();
        second.await.ended(End::Answered);
        first.ended(End::Answered);
        assert_eq!(gate.pace().inside, 0);
    }
}
