//! Lines for a log: one on each change of counts, at most every few seconds.

use std::time::Duration;

use super::event::Event;
use super::ledger::{Happened, Ledger};
use super::reader::{Ending, Line, Reader};
use super::state::{State, TaskState};
use super::talk::Talk;
use super::units;
use crate::settings::Verbosity;

/// Lines for a log.
#[derive(Debug)]
pub struct Plain {
    talk: Talk,
    /// When the next line of counts may be written.
    not_before: Duration,
    /// Counts changed since the last one.
    changed: bool,
}

impl Plain {
    /// Begins with nothing written.
    pub fn new(talk: Talk) -> Self {
        Self { talk, not_before: Duration::ZERO, changed: false }
    }

    fn due(&self, now: Duration) -> bool {
        // A long download changes no counts, and yet somebody wants to know.
        let late = self.not_before + (AT_LEAST_EVERY - AT_MOST_EVERY);
        now >= if self.changed { self.not_before } else { late }
    }
}

impl Reader for Plain {
    fn handle(
        &mut self,
        event: &Event,
        happened: &[Happened],
        ledger: &Ledger,
        now: Duration,
    ) -> Vec<Line> {
        let mut lines = self.talk.handle(event, happened, now);
        for what in happened {
            match what {
                Happened::Started(..) => {
                    (self.changed, self.not_before) = (true, now + SETTLE);
                }
                Happened::Counts => self.changed = true,
                // Its summary is the last word on a task.
                Happened::TaskOver(_) | Happened::RunOver(_) => self.changed = false,
                Happened::Ended(..) => {}
            }
        }
        lines.extend(self.tick(ledger, now));
        lines
    }

    fn tick(&mut self, ledger: &Ledger, now: Duration) -> Vec<Line> {
        let Some(task) = ledger.task() else { return Vec::new() };
        if self.talk.verbosity() == Verbosity::Quiet || task.hosts().is_empty() || !self.due(now) {
            return Vec::new();
        }
        if task.over() == task.hosts().len() {
            return Vec::new();
        }
        self.not_before = now + AT_MOST_EVERY;
        self.changed = false;
        vec![Line::Talk(counts(task, ledger.archive(), now))]
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Vec<Line> {
        self.talk.finish(ending)
    }
}

/// "  12s  peer: 3 connecting, 13 downloading; 412.0 MiB of 768.0 MiB, 45.1 MiB/s, 8s left".
fn counts(task: &TaskState, archive: Option<u64>, now: Duration) -> String {
    let states: Vec<_> = State::ALL
        .into_iter()
        .filter(|state| task.count(*state) > 0)
        .map(|state| format!("{} {}", task.count(state), state.as_str()))
        .collect();
    let at = units::whole_duration(now);
    let mut line = format!("{at:>6}  {}: {}", task.name(), states.join(", "));
    let total = task.total(archive);
    if total > 0 && task.bytes() > 0 {
        let rate = task.rate(now);
        line += &format!(
            "; {} of {}, {}",
            units::bytes(task.bytes()),
            units::bytes(total),
            units::rate(rate)
        );
        if let Some(left) = left(total.saturating_sub(task.bytes()), rate) {
            line += &format!(", {} left", units::whole_duration(left));
        }
    }
    line
}

/// How long so many bytes take at this rate, unless it is anybody's guess.
pub(super) fn left(bytes: u64, rate: f64) -> Option<Duration> {
    let seconds = bytes as f64 / rate;
    (bytes > 0 && seconds < 360_000.0).then(|| Duration::from_secs_f64(seconds))
}

/// A log of an hour stays readable.
const AT_MOST_EVERY: Duration = Duration::from_secs(5);

/// So that a quiet download can be told from a dead one.
const AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// A task that is over within this time needs no line but its summary.
const SETTLE: Duration = Duration::from_secs(1);
