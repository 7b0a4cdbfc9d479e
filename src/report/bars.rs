//! What a terminal shows while hosts work: one bar for the fleet, a count per state, the slowest
//! hosts. A frame is lines of text; drawing it is somebody else's job.

use std::time::Duration;

use super::event::Event;
use super::ledger::{Happened, Ledger};
use super::paint::Paint;
use super::plain::left;
use super::reader::{Ending, Line, Reader, Size};
use super::state::{HostState, State, TaskState};
use super::talk::Talk;
use super::units;
use crate::settings::Verbosity;

/// Progress on a terminal.
#[derive(Debug)]
pub struct Bars {
    talk: Talk,
}

impl Bars {
    /// Says beside the bars what this talk says.
    pub fn new(talk: Talk) -> Self {
        Self { talk }
    }
}

impl Reader for Bars {
    fn handle(
        &mut self,
        event: &Event,
        happened: &[Happened],
        _ledger: &Ledger,
        now: Duration,
    ) -> Vec<Line> {
        self.talk.handle(event, happened, now)
    }

    fn tick(&mut self, _ledger: &Ledger, _now: Duration) -> Vec<Line> {
        Vec::new()
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Vec<Line> {
        self.talk.finish(ending)
    }

    fn frame(&self, ledger: &Ledger, now: Duration, size: Size) -> Vec<String> {
        let Some(task) = ledger.task().filter(|task| !task.hosts().is_empty()) else {
            return Vec::new();
        };
        if self.talk.verbosity() == Verbosity::Quiet {
            return Vec::new();
        }
        let paint = self.talk.paint();
        // The last column stays free, or a full line would wrap on some terminals.
        let width = size.columns.saturating_sub(1);
        let mut lines = vec![fleet(task, ledger.archive(), now, width), counts(task, paint)];
        // The line of the cursor, and one of whatever was there before.
        let room = size.rows.saturating_sub(lines.len() + 2);
        lines.extend(hosts(task, room.min(SLOWEST), width));
        lines.truncate(size.rows.saturating_sub(1).max(1));
        lines.iter().map(|line| console::truncate_str(line, width, "").into_owned()).collect()
    }
}

/// "peer [=====>    ]  45%  412.0 MiB of 768.0 MiB  45.1 MiB/s  8s left".
fn fleet(task: &TaskState, archive: Option<u64>, now: Duration, width: usize) -> String {
    let all = task.hosts().len();
    let total = task.total(archive);
    let (part, words) = if total > 0 {
        let rate = task.rate(now);
        let part = task.bytes() as f64 / total as f64;
        let left = match left(total.saturating_sub(task.bytes()), rate) {
            Some(left) => format!("  {} left", units::whole_duration(left)),
            None => String::new(),
        };
        let bytes = units::bytes(task.bytes());
        let words = format!("{bytes} of {}  {}{left}", units::bytes(total), units::rate(rate));
        (part, words)
    } else {
        let since = units::whole_duration(now.saturating_sub(task.started()));
        (
            task.over() as f64 / all as f64,
            format!("{} of {}  {since}", task.over(), units::hosts(all)),
        )
    };
    let part = part.clamp(0.0, 1.0);
    // 100 % is said only of what is complete.
    let percent = (part * 100.0).floor();
    let name = task.name().as_str();
    let room = width.saturating_sub(name.len() + words.chars().count() + 11);
    format!("{name} [{}] {percent:>3}%  {words}", bar(part, room.clamp(5, WIDEST)))
}

fn bar(part: f64, width: usize) -> String {
    let full = (part * width as f64).floor() as usize;
    let head = if full < width { ">" } else { "" };
    let rest = width.saturating_sub(full + head.len());
    format!("{}{head}{}", "=".repeat(full), " ".repeat(rest))
}

/// "  3 connecting  5 downloading  8 done".
fn counts(task: &TaskState, paint: Paint) -> String {
    let mut line = String::new();
    for state in State::ALL.into_iter().filter(|state| task.count(*state) > 0) {
        let text = format!("{} {}", task.count(state), state.as_str());
        let text = match state {
            State::Done => paint.good(&text),
            State::Failed | State::Unreachable => paint.bad(&text),
            _ => text,
        };
        line = line + "  " + &text;
    }
    line
}

fn hosts(task: &TaskState, most: usize, width: usize) -> Vec<String> {
    let slowest = task.slowest(most);
    let name = slowest.iter().map(|host| host.name.chars().count()).max().unwrap_or(0);
    let name = name.min(width / 3);
    slowest.into_iter().map(|host| host_line(host, name)).collect()
}

fn host_line(host: &HostState, width: usize) -> String {
    let short: String = host.name.chars().take(width).collect();
    let what = host.what.unwrap_or(host.state.as_str());
    let mut line = format!("    {short:<width$}  {what:<11}");
    if host.total > 0 {
        let percent = (host.bytes as f64 / host.total as f64 * 100.0).floor();
        line += &format!("  {percent:>3}%  {}", units::bytes(host.bytes));
    }
    line.truncate(line.trim_end().len());
    line
}

/// The slowest few hosts, for a first idea of where to look.
const SLOWEST: usize = 5;

/// A longer bar says nothing more.
const WIDEST: usize = 60;
