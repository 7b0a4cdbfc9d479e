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
    /// When the last line of counts was written.
    last: Option<Duration>,
    changed: bool,
}

impl Plain {
    /// Begins with nothing written.
    pub fn new(talk: Talk) -> Self {
        Self { talk, last: None, changed: false }
    }

    fn due(&self, now: Duration) -> bool {
        let since = self.last.map(|last| now.saturating_sub(last));
        match since {
            None => self.changed,
            Some(since) if self.changed => since >= AT_MOST_EVERY,
            // A long download changes no counts, and yet somebody wants to know.
            Some(since) => since >= AT_LEAST_EVERY,
        }
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
        self.changed |= happened.contains(&Happened::Counts);
        if happened.iter().any(|what| matches!(what, Happened::Started(..) | Happened::TaskOver(_)))
        {
            // Each task begins with a line of its own, and its summary is the last word on it.
            self.last = Some(now.saturating_sub(AT_MOST_EVERY - SETTLE));
            self.changed = matches!(happened[0], Happened::Started(..));
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
        self.last = Some(now);
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
