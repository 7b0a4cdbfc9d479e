//! What the readers have in common.

use std::time::Duration;

use super::event::Event;
use super::ledger::{Happened, Ledger};
use super::summary::Summary;

/// One way to show a run. A reader is a state machine: events and the time go in, lines come out.
/// It reads no clock and writes to no stream.
///
/// The driver calls [`Reader::handle`] for each event, [`Reader::tick`] now and then, and
/// [`Reader::finish`] once, after the outermost task.
pub trait Reader: Send {
    /// An event, what is new in the ledger because of it, and the ledger after it.
    fn handle(
        &mut self,
        event: &Event,
        happened: &[Happened],
        ledger: &Ledger,
        now: Duration,
    ) -> Vec<Line>;

    /// Time went by.
    fn tick(&mut self, ledger: &Ledger, now: Duration) -> Vec<Line>;

    /// The run is over.
    fn finish(&mut self, ending: &Ending<'_>) -> Vec<Line>;

    /// The lines that stand below everything else for the moment. None for most readers.
    fn frame(&self, _ledger: &Ledger, _now: Duration, _size: Size) -> Vec<String> {
        Vec::new()
    }
}

/// Of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: usize,
    /// Characters in each.
    pub columns: usize,
}

/// How a run ended, and how to go on.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// The numbers.
    pub summary: &'a Summary,
    /// The command that tries the hosts that failed again.
    pub retry: Option<&'a str>,
}

/// A line, without its line feed, or a text of several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// For stdout: data.
    Data(String),
    /// For stderr: talk.
    Talk(String),
}
