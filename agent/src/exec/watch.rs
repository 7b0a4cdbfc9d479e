//! Ends a command that takes too long, or that nobody listens to any more.

use std::io::{PipeReader, PipeWriter, pipe};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::error::ExecError;
use crate::process::group_lives;

/// A command that is watched.
#[derive(Debug)]
pub(super) struct Watched {
    /// Closed when the watch is over.
    pub(super) over: PipeReader,
    watch: JoinHandle<Verdict>,
}

/// How a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The command ended by itself.
    Ended,
    /// It took too long and was ended.
    TimedOut,
    /// Nobody listened any more, and it was ended.
    Unheard,
    /// It should have ended, and not even SIGKILL did it.
    StillThere,
}

impl Watched {
    /// Begins to watch a command that leads a process group. Until it is waited for it keeps its
    /// number, so that no signal goes to somebody else.
    pub(super) fn begin(
        child: &Child,
        user: Option<&str>,
        patience: Duration,
    ) -> Result<Self, ExecError> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a child has a number");
        let (ended, tell_ended) = pipe().map_err(ExecError::Pipe)?;
        let (over, tell_over) = pipe().map_err(ExecError::Pipe)?;
        thread::spawn(move || wait(pid, tell_ended));
        let deadline = Instant::now() + patience.min(LONGEST);
        let watch = Watch { pid, user: user.map(str::to_owned), ended };
        let watch = thread::spawn(move || watch.watch(deadline, tell_over));
        Ok(Self { over, watch })
    }

    /// How it ended, once it is over.
    pub(super) fn verdict(self) -> Verdict {
        self.watch.join().unwrap_or(Verdict::StillThere)
    }
}

struct Watch {
    pid: Pid,
    /// As whom the command runs, if as another user.
    user: Option<String>,
    ended: PipeReader,
}

impl Watch {
    /// Until the end `tell_over` stays open.
    fn watch(self, deadline: Instant, tell_over: PipeWriter) -> Verdict {
        let verdict = match self.wait_until(deadline, Listeners::Matter) {
            Woken::Ended => return Verdict::Ended,
            Woken::Deadline => Verdict::TimedOut,
            Woken::Unheard => Verdict::Unheard,
        };
        let gone =
            [(Signal::TERM, GRACE), (Signal::KILL, AFTER_KILL)].iter().any(|(signal, grace)| {
                self.signal(*signal);
                self.is_gone_by(Instant::now() + *grace)
            });
        drop(tell_over);
        if gone { verdict } else { Verdict::StillThere }
    }

    /// Whether the command, and what it has started, ends in time.
    fn is_gone_by(&self, deadline: Instant) -> bool {
        if self.wait_until(deadline, Listeners::DoNot) != Woken::Ended {
            return false;
        }
        while group_lives(self.pid) {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    fn wait_until(&self, deadline: Instant, listeners: Listeners) -> Woken {
        let stdout = rustix::stdio::stdout();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Nothing is asked of them but whether their other end is closed.
            let ended = PollFd::new(&self.ended, PollFlags::empty());
            let heard = PollFd::new(&stdout, PollFlags::empty());
            let mut both = [ended, heard];
            let fds = match listeners {
                Listeners::Matter => &mut both[..],
                Listeners::DoNot => &mut both[..1],
            };
            // One that can't be asked for is as one that was interrupted.
            let _ = poll(fds, Some(&timespec(left)));
            if !both[0].revents().is_empty() {
                return Woken::Ended;
            }
            if !both[1].revents().is_empty() {
                return Woken::Unheard;
            }
            if left.is_zero() {
                return Woken::Deadline;
            }
        }
    }

    /// Sends the signal to the command and to all that it has started.
    ///
    /// What runs as another user is not this one's to end, but for sudo itself, which passes
    /// SIGTERM on to its command and to nothing else. So the other user ends it all, if sudoers
    /// allow more than the command.
    fn signal(&self, signal: Signal) {
        if let Some(user) = &self.user {
            let group = format!("-{}", self.pid.as_raw_nonzero());
            let name = if signal == Signal::KILL { "KILL" } else { "TERM" };
            let _ = Command::new("sudo")
                .args(["-n", "-u", user, "--", "sh", "-c", KILL, name, &group])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
        // Who is gone needs none.
        let _ = kill_process_group(self.pid, signal);
    }
}

/// Whether it matters that somebody listens.
#[derive(Clone, Copy, Debug)]
enum Listeners {
    Matter,
    DoNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    Ended,
    Unheard,
    Deadline,
}

/// Returns when the command has ended, which `_tell` says, and leaves it to be waited for.
fn wait(pid: Pid, _tell: PipeWriter) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == Errno::INTR) {}
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// Shells know how to kill; the program of that name is not on every host.
const KILL: &str = "kill -s \"$0\" -- \"$1\"";
/// How long a command that is asked to end may take for it.
const GRACE: Duration = Duration::from_secs(10);
const AFTER_KILL: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);
/// A year, so that no deadline is beyond what a clock can say.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
