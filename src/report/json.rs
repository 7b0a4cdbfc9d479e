//! JSON lines on stdout, for programs. Their shapes are an interface.

use std::time::Duration;

use murder_protocol::verbs::OutputStream;
use serde::Serialize;

use super::event::{Event, GoesOn};
use super::ledger::{Happened, Ledger};
use super::reader::{Ending, Line, Reader};
use super::state::{State, TaskState};
use super::summary::Summary;
use crate::fleet::{HostResult, Outcome};
use crate::settings::{Invocation, TaskName, Verbosity};

/// One object a line.
#[derive(Debug)]
pub struct Json {
    verbosity: Verbosity,
    invocation: Invocation,
    last: Option<Duration>,
    changed: bool,
}

impl Json {
    /// `-q` leaves progress out, `-v` adds each host's steps.
    pub fn new(verbosity: Verbosity, invocation: Invocation) -> Self {
        Self { verbosity, invocation, last: None, changed: false }
    }

    fn message(&self, event: &Event) -> Vec<Line> {
        match event {
            Event::Note(text) => vec![line(&Message { event: "note", message: text })],
            Event::Warning(text) => vec![line(&Message { event: "warning", message: text })],
            Event::Step { host, text } if self.verbosity == Verbosity::Verbose => {
                vec![line(&Step { event: "step", host, message: text })]
            }
            Event::Output { hosts, stream, lines } => {
                let stream = match stream {
                    OutputStream::Out => "stdout",
                    OutputStream::Err => "stderr",
                };
                vec![line(&Printed { event: "output", hosts, stream, lines })]
            }
            Event::Data(data) => data.json.iter().cloned().map(Line::Data).collect(),
            Event::Interrupted(goes_on) => vec![line(&self.interrupted(goes_on))],
            _ => Vec::new(),
        }
    }

    fn interrupted(&self, goes_on: &GoesOn) -> Interrupted {
        let command = |task: &str, tag| Some(self.invocation.other(&[task, &format!("tag={tag}")]));
        let (attach, stop) = match goes_on {
            GoesOn::Nothing | GoesOn::Begun => (None, None),
            GoesOn::Switch(tag) => (command("attach", tag), None),
            GoesOn::Peers(tag) => (command("attach", tag), command("stop_peering", tag)),
        };
        Interrupted { event: "interrupted", attach, stop }
    }
}

impl Reader for Json {
    fn handle(
        &mut self,
        event: &Event,
        happened: &[Happened],
        ledger: &Ledger,
        now: Duration,
    ) -> Vec<Line> {
        let mut lines = self.message(event);
        for what in happened {
            match what {
                Happened::Ended(task, result) => lines.push(line(&Host::new(*task, result))),
                Happened::Counts => self.changed = true,
                Happened::Started(..) => (self.last, self.changed) = (Some(now), true),
                Happened::TaskOver(_) | Happened::RunOver(_) => self.changed = false,
            }
        }
        self.changed |= matches!(event, Event::Fleet(_) | Event::Progress { .. });
        lines.extend(self.tick(ledger, now));
        lines
    }

    fn tick(&mut self, ledger: &Ledger, now: Duration) -> Vec<Line> {
        let Some(task) = ledger.task() else { return Vec::new() };
        let due = self.last.is_none_or(|last| now.saturating_sub(last) >= AT_MOST_EVERY);
        if !self.changed || !due || self.verbosity == Verbosity::Quiet {
            return Vec::new();
        }
        self.last = Some(now);
        self.changed = false;
        vec![line(&Progress::new(task, ledger.archive(), now))]
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Vec<Line> {
        vec![line(&Sum::new(ending.summary))]
    }
}

fn line(value: &impl Serialize) -> Line {
    Line::Data(serde_json::to_string(value).expect("every object here has a JSON form"))
}

#[derive(Serialize)]
struct Host<'a> {
    event: &'static str,
    host: &'a str,
    task: &'static str,
    outcome: &'static str,
    error: Option<String>,
    seconds: f64,
}

impl<'a> Host<'a> {
    fn new(task: TaskName, result: &'a HostResult) -> Self {
        let (outcome, error) = match &result.outcome {
            Outcome::Ok(_) => ("ok", None),
            Outcome::Failed(failure) => ("failed", Some(failure.to_string())),
            Outcome::Unreachable(failure) => ("unreachable", Some(failure.to_string())),
            Outcome::Skipped(_) => ("skipped", None),
        };
        let seconds = seconds(result.elapsed);
        Self { event: "host", host: &result.host, task: task.as_str(), outcome, error, seconds }
    }
}

#[derive(Serialize)]
struct Progress {
    event: &'static str,
    task: &'static str,
    seconds: f64,
    hosts: usize,
    connecting: usize,
    starting: usize,
    downloading: usize,
    verifying: usize,
    extracting: usize,
    done: usize,
    skipped: usize,
    failed: usize,
    unreachable: usize,
    bytes: u64,
    total_bytes: u64,
    bytes_per_second: u64,
}

impl Progress {
    fn new(task: &TaskState, archive: Option<u64>, now: Duration) -> Self {
        Self {
            event: "progress",
            task: task.name().as_str(),
            seconds: seconds(now),
            hosts: task.hosts().len(),
            connecting: task.count(State::Connecting),
            starting: task.count(State::Starting),
            downloading: task.count(State::Downloading),
            verifying: task.count(State::Verifying),
            extracting: task.count(State::Extracting),
            done: task.count(State::Done),
            skipped: task.count(State::Skipped),
            failed: task.count(State::Failed),
            unreachable: task.count(State::Unreachable),
            bytes: task.bytes(),
            total_bytes: task.total(archive),
            bytes_per_second: task.rate(now) as u64,
        }
    }
}

#[derive(Serialize)]
struct Sum {
    event: &'static str,
    task: &'static str,
    ok: usize,
    failed: usize,
    unreachable: usize,
    skipped: usize,
    bytes: u64,
    seconds: f64,
    p50_seconds: Option<f64>,
    p95_seconds: Option<f64>,
    max_seconds: Option<f64>,
    last_host: Option<String>,
    archive_bytes: Option<u64>,
    seeder_copies: Option<f64>,
}

impl Sum {
    fn new(summary: &Summary) -> Self {
        let times = summary.times.as_ref();
        Self {
            event: "summary",
            task: summary.task.as_str(),
            ok: summary.ok,
            failed: summary.failed,
            unreachable: summary.unreachable,
            skipped: summary.skipped,
            bytes: summary.bytes,
            seconds: seconds(summary.elapsed),
            p50_seconds: times.map(|times| seconds(times.p50)),
            p95_seconds: times.map(|times| seconds(times.p95)),
            max_seconds: times.map(|times| seconds(times.max)),
            last_host: times.map(|times| times.last.clone()),
            archive_bytes: summary.archive,
            seeder_copies: summary.seeder_copies.map(|copies| (copies * 1e3).round() / 1e3),
        }
    }
}

#[derive(Serialize)]
struct Message<'a> {
    event: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct Step<'a> {
    event: &'static str,
    host: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Printed<'a> {
    event: &'static str,
    hosts: &'a [String],
    stream: &'static str,
    lines: &'a [String],
}

#[derive(Serialize)]
struct Interrupted {
    event: &'static str,
    attach: Option<String>,
    stop: Option<String>,
}

/// Milliseconds are as exact as anybody's clocks are.
fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e3).round() / 1e3
}

const AT_MOST_EVERY: Duration = Duration::from_secs(1);
