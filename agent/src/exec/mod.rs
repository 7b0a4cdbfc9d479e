//! A command of the operator: started, listened to, and ended in time.
//!
//! One thread notes the command's end, one ends it where its time is over or nobody listens any
//! more ([`watch`]), and this one passes on what it prints.

mod error;
mod lines;
mod start;
mod watch;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use murder_protocol::Failure;
use murder_protocol::verbs::{Exec, ExecEnd, ExecEvent, ExecReply, OutputStream};
use rustix::event::{PollFd, PollFlags, poll};

use crate::blamed::Blamed as _;
use error::ExecError;
use lines::Lines;
use watch::{Verdict, Watched, timespec};

/// Runs the command to its end, and tells what it prints meanwhile. An error of `tell` means that
/// nobody listens any more.
pub(crate) fn run(
    request: &Exec,
    tell: impl FnMut(ExecEvent) -> io::Result<()>,
) -> Result<ExecReply, Failure> {
    attempt(request, tell).map_err(|error| error.failure())
}

fn attempt(
    request: &Exec,
    mut tell: impl FnMut(ExecEvent) -> io::Result<()>,
) -> Result<ExecReply, ExecError> {
    let began = Instant::now();
    let mut child = start::start(request)?;
    let user = request.become_user.as_deref();
    let patience = Duration::from_secs(request.timeout_seconds);
    let watched = Watched::begin(&child, user, patience)?;
    let mut heard = Heard::default();
    listen(&mut child, &watched, |event| {
        heard.note(&event);
        tell(event)
    })?;
    let seconds = request.timeout_seconds;
    let verdict = watched.verdict();
    if verdict == Verdict::StillThere {
        return Err(ExecError::StillThere { seconds });
    }
    let status = child.wait().map_err(ExecError::Read)?;
    if let Some((user, said)) = user.zip(heard.refusal(status)) {
        return Err(ExecError::Become { user: user.to_owned(), said: said.to_owned() });
    }
    let end = match (verdict, status.signal()) {
        (Verdict::TimedOut, _) => ExecEnd::TimedOut,
        (_, Some(signal)) => ExecEnd::Signal(signal),
        (_, None) => ExecEnd::Status(status.code().unwrap_or_default()),
    };
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(ExecReply { end, elapsed_ms })
}

/// Passes on what the command prints until it has ended and nothing more comes. What it leaves
/// running may hold its pipes open, and is not waited for.
fn listen(
    child: &mut Child,
    watched: &Watched,
    mut tell: impl FnMut(ExecEvent) -> io::Result<()>,
) -> Result<(), ExecError> {
    let mut streams = [
        Stream::new(OutputStream::Out, child.stdout.take().map(OwnedFd::from)),
        Stream::new(OutputStream::Err, child.stderr.take().map(OwnedFd::from)),
    ];
    let mut buffer = vec![0; READ];
    let mut until = None;
    // If nobody listens any more the command is about to be ended, and until then it must not
    // wait for a reader.
    let mut pass_on = |stream, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = tell(ExecEvent { stream, lines });
        }
    };
    while streams.iter().any(|stream| stream.source.is_some())
        && until.is_none_or(|until| Instant::now() < until)
    {
        let woken = wait_for(&streams, watched, until.is_some())?;
        if until.is_some() && woken.readable == [false; 2] {
            break;
        }
        for (stream, _) in streams.iter_mut().zip(woken.readable).filter(|(_, readable)| *readable)
        {
            let lines = stream.read(&mut buffer).map_err(ExecError::Read)?;
            pass_on(stream.name, lines);
        }
        if woken.is_over && until.is_none() {
            until = Some(Instant::now() + LAST_WORDS);
        }
    }
    for stream in &mut streams {
        let lines = stream.lines.end();
        pass_on(stream.name, lines);
    }
    if until.is_none() {
        // It has closed both, and goes on.
        let mut over = [PollFd::new(&watched.over, PollFlags::empty())];
        while poll(&mut over, None) == Err(rustix::io::Errno::INTR) {}
    }
    Ok(())
}

/// What there is to do.
struct Woken {
    readable: [bool; 2],
    is_over: bool,
}

fn wait_for(streams: &[Stream; 2], watched: &Watched, was_over: bool) -> Result<Woken, ExecError> {
    let mut fds = Vec::with_capacity(3);
    if !was_over {
        fds.push(PollFd::new(&watched.over, PollFlags::empty()));
    }
    let open = || streams.iter().filter_map(|stream| stream.source.as_ref());
    fds.extend(open().map(|source| PollFd::new(source, PollFlags::IN)));
    let patience = was_over.then(|| timespec(SILENCE));
    match poll(&mut fds, patience.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(ExecError::Read(error.into())),
    }
    let mut woken = fds.iter().map(|fd| !fd.revents().is_empty());
    let is_over = was_over || woken.next().unwrap_or_default();
    let readable =
        streams.each_ref().map(|it| it.source.is_some() && woken.next().unwrap_or_default());
    Ok(Woken { readable, is_over })
}

/// One of the two pipes, until its other end is closed.
struct Stream {
    name: OutputStream,
    source: Option<File>,
    lines: Lines,
}

impl Stream {
    fn new(name: OutputStream, source: Option<OwnedFd>) -> Self {
        Self { name, source: source.map(File::from), lines: Lines::default() }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Vec<String>> {
        let read = self.source.as_mut().map_or(Ok(0), |source| source.read(buffer))?;
        if read == 0 {
            self.source = None;
        }
        Ok(self.lines.push(&buffer[..read]))
    }
}

/// What tells a sudo that refuses from a command that fails: sudo ends with 1 and says so itself.
#[derive(Debug, Default)]
struct Heard {
    first: Option<String>,
    is_command: bool,
}

impl Heard {
    fn note(&mut self, event: &ExecEvent) {
        let is_sudo =
            |line: &String| line.starts_with("sudo: ") || line.starts_with("Sorry, user ");
        self.is_command |= event.stream == OutputStream::Out || !event.lines.iter().all(is_sudo);
        self.first = self.first.take().or_else(|| event.lines.first().cloned());
    }

    fn refusal(&self, status: ExitStatus) -> Option<&str> {
        self.first.as_deref().filter(|_| !self.is_command && status.code() == Some(1))
    }
}

/// Beyond what a pipe holds.
const READ: usize = 64 << 10;
/// How long what was written before the command's end may take to be read.
const SILENCE: Duration = Duration::from_millis(200);
/// How long something that the command left running is listened to.
const LAST_WORDS: Duration = Duration::from_secs(5);
