//! The one thread that prints: it takes events, asks the desk what to say, and says it.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console::Term;

use super::bars::Bars;
use super::desk::Desk;
use super::event::{Event, Reporter};
use super::failed::FailedHosts;
use super::json::Json;
use super::paint::Paint;
use super::plain::Plain;
use super::reader::{Line, Reader};
use super::screen::Screen;
use super::summary::Summary;
use super::talk::Talk;
use crate::settings::{Format, Invocation, Output};

/// A report that is being written.
#[derive(Debug)]
pub struct Report {
    reporter: Reporter,
    thread: JoinHandle<Option<Summary>>,
}

impl Report {
    /// Begins to read events, as the settings and the streams want it.
    pub fn start(output: Output, invocation: &Invocation) -> Self {
        let (reporter, events) = Reporter::channel();
        let stderr = Stream::of_stderr(output);
        let mut readers: Vec<Box<dyn Reader>> = Vec::new();
        if output.format == Format::Json {
            readers.push(Box::new(Json::new(output.verbosity, invocation.clone())));
        }
        // With --json people are told too, but not where it would mix with the data.
        if output.format == Format::Human || (stderr.terminal && !io::stdout().is_terminal()) {
            let talk = Talk::new(stderr.paint, output.verbosity, invocation.clone(), stderr.width);
            readers.push(match stderr.terminal {
                true => Box::new(Bars::new(talk)),
                false => Box::new(Plain::new(talk)),
            });
        }
        let failed = FailedHosts::of_environment(|name| std::env::var_os(name));
        let desk = Desk::new(readers, invocation.clone(), failed);
        let screen = stderr.terminal.then(|| Screen::new(Term::stderr()));
        let thread = std::thread::spawn(move || run(desk, screen, &events));
        Self { reporter, thread }
    }

    /// Where events go.
    pub fn reporter(&self) -> Reporter {
        self.reporter.clone()
    }

    /// Says everything that was reported so far, and gives the numbers of the run if a task
    /// came to its end.
    pub fn finish(self) -> Option<Summary> {
        self.reporter.emit(Event::Closed);
        match self.thread.join() {
            Ok(summary) => summary,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

struct Stream {
    terminal: bool,
    paint: Paint,
    width: usize,
}

impl Stream {
    fn of_stderr(output: Output) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let term = std::env::var_os("TERM");
        let no_color = std::env::var_os("NO_COLOR");
        let paint = Paint::decide(output.color, is_terminal, no_color.as_deref(), term.as_deref());
        let terminal = is_terminal && term.is_none_or(|term| term != "dumb");
        let width = if terminal { Term::stderr().size().1.into() } else { LOG_WIDTH };
        Self { terminal, paint, width }
    }
}

fn run(
    mut desk: Desk,
    mut screen: Option<Screen<Term>>,
    events: &Receiver<Event>,
) -> Option<Summary> {
    let start = Instant::now();
    let mut lines = Vec::new();
    loop {
        let event = events.recv_timeout(TICK);
        let now = start.elapsed();
        match event {
            Ok(Event::Closed) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(event) => lines.extend(desk.handle(&event, now)),
            Err(RecvTimeoutError::Timeout) => lines.extend(desk.tick(now)),
        }
        match &mut screen {
            None => write(&std::mem::take(&mut lines)),
            Some(screen) if screen.due(now) => {
                let frame = desk.frame(now, screen.size());
                let written = std::mem::take(&mut lines);
                screen.draw(frame, now, (!written.is_empty()).then_some(|| write(&written)));
            }
            // They wait for the next frame.
            Some(_) => {}
        }
    }
    if let Some(screen) = &mut screen {
        screen.clear();
    }
    write(&lines);
    desk.into_summary()
}

/// Whoever reads a stream may have left, as `head` does: there is nobody to tell then, and the
/// work goes on.
fn write(lines: &[Line]) {
    let (mut stdout, mut stderr) = (io::stdout().lock(), io::stderr().lock());
    for line in lines {
        let _ = match line {
            Line::Data(text) => writeln!(stdout, "{text}"),
            Line::Talk(text) => writeln!(stderr, "{text}"),
        };
    }
    let _ = stdout.flush();
}

/// How often time goes by for readers to whom nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// Where a log's lines of many host names are wrapped.
const LOG_WIDTH: usize = 100;
