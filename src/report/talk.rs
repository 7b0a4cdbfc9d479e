//! What is said to people besides progress: notes, steps, the answers of tasks, the end.

use std::fmt::Write as _;
use std::time::Duration;

use super::ending;
use super::event::{Event, GoesOn};
use super::ledger::Happened;
use super::paint::Paint;
use super::reader::{Ending, Line};
use super::units;
use crate::fleet::{HostResult, Outcome};
use crate::inventory;
use crate::settings::{Invocation, Verbosity};

/// Turns events into sentences.
#[derive(Clone, Debug)]
pub struct Talk {
    paint: Paint,
    verbosity: Verbosity,
    invocation: Invocation,
    width: usize,
}

impl Talk {
    /// For a terminal or file of this width.
    pub fn new(paint: Paint, verbosity: Verbosity, invocation: Invocation, width: usize) -> Self {
        Self { paint, verbosity, invocation, width }
    }

    /// How much is said.
    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Colours or not.
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// What an event is worth saying.
    pub fn handle(&self, event: &Event, happened: &[Happened], now: Duration) -> Vec<Line> {
        let mut lines: Vec<_> = happened.iter().filter_map(|what| self.happened(what)).collect();
        match event {
            Event::Note(text) if self.verbosity >= Verbosity::Normal => {
                lines.push(Line::Talk(text.clone()));
            }
            Event::Warning(text) => {
                lines.push(Line::Talk(format!("{} {text}", self.paint.warn("warning:"))));
            }
            Event::Step { host, text } if self.verbosity == Verbosity::Verbose => {
                let at = units::duration(now);
                lines.push(Line::Talk(format!("{at:>8}  {}: {text}", self.paint.strong(host))));
            }
            Event::Output { hosts, lines: printed, .. } if self.verbosity >= Verbosity::Normal => {
                let host = inventory::fold(hosts.iter().map(String::as_str), MOST_NAMES);
                let host = self.paint.strong(&host);
                let text: Vec<_> =
                    printed.iter().map(|line| format!("  {host} | {}", harmless(line))).collect();
                lines.push(Line::Talk(text.join("\n")));
            }
            Event::Data(data) if !data.text.is_empty() => {
                lines.push(Line::Data(data.text.trim_end_matches('\n').to_owned()));
            }
            Event::Interrupted(goes_on) => lines.push(Line::Talk(self.interrupted(goes_on))),
            _ => {}
        }
        lines
    }

    /// The end of the run.
    pub fn finish(&self, ending: &Ending<'_>) -> Vec<Line> {
        let text = ending::text(ending, self.paint, self.verbosity, self.width);
        if text.is_empty() { Vec::new() } else { vec![Line::Talk(text)] }
    }

    fn happened(&self, happened: &Happened) -> Option<Line> {
        match happened {
            Happened::Ended(_, result) if self.verbosity == Verbosity::Verbose => {
                Some(Line::Talk(self.ended(result)))
            }
            Happened::TaskOver(summary) if self.verbosity >= Verbosity::Normal => {
                Some(Line::Talk(ending::headline(summary, self.paint)))
            }
            _ => None,
        }
    }

    fn ended(&self, result: &HostResult) -> String {
        let word = match &result.outcome {
            Outcome::Ok(_) => self.paint.good("ok"),
            Outcome::Failed(_) => self.paint.bad("failed"),
            Outcome::Unreachable(_) => self.paint.bad("unreachable"),
            Outcome::Skipped(_) => self.paint.dim("skipped"),
        };
        let took = units::duration(result.elapsed);
        let mut text = format!("{took:>8}  {}: {word}", self.paint.strong(&result.host));
        let _ = match &result.outcome {
            Outcome::Ok(detail) | Outcome::Skipped(detail) if detail.is_empty() => Ok(()),
            Outcome::Ok(detail) | Outcome::Skipped(detail) => write!(text, ", {detail}"),
            Outcome::Failed(failure) | Outcome::Unreachable(failure) => write!(text, ", {failure}"),
        };
        text
    }

    fn interrupted(&self, goes_on: &GoesOn) -> String {
        let word = self.paint.warn("interrupted:");
        let tag = |tag| format!("tag={tag}");
        match goes_on {
            GoesOn::Nothing => format!("{word} murder stopped, and nothing that it did goes on"),
            GoesOn::Begun => format!(
                "{word} murder stopped; a host may end what it had begun\n  \
                 see what runs there:  {}",
                self.invocation.other(&["status"]),
            ),
            GoesOn::Peers(name) => format!(
                "{word} murder stopped following; the hosts go on by themselves\n  \
                 follow them again:  {}\n  stop them:          {}",
                self.invocation.other(&["attach", &tag(name)]),
                self.invocation.other(&["stop_peering", &tag(name)]),
            ),
            GoesOn::Switch(release) => format!(
                "{word} murder stopped following; hosts that were told to switch do so\n  \
                 follow them again:  {}",
                self.invocation.other(&["attach", &tag(release)]),
            ),
        }
    }
}

/// What a command printed, without what would upset a terminal.
fn harmless(line: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    line.chars().map(shown).collect()
}

/// Hosts that are named before the rest is only counted.
const MOST_NAMES: usize = 3;
