//! A process of this host, and how to end it.

use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A process, told apart from later ones with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pid: u32,
    /// Clock ticks from boot to the process's start.
    started: u64,
}

/// What came of ending a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is gone.
    Ended,
    /// Not even SIGKILL ended it in time: it is stuck in the kernel.
    StillThere,
}

impl Process {
    /// The running one.
    pub fn myself() -> io::Result<Self> {
        Self::of_pid(std::process::id()).ok_or_else(|| io::Error::other("/proc is not mounted"))
    }

    /// The process that has the pid now.
    pub fn of_pid(pid: u32) -> Option<Self> {
        start_time(pid).map(|started| Self { pid, started })
    }

    /// One that somebody has written down.
    pub const fn known(pid: u32, started: u64) -> Self {
        Self { pid, started }
    }

    /// Its number.
    pub const fn pid(self) -> u32 {
        self.pid
    }

    /// When it began, in clock ticks after the host did.
    pub const fn started(self) -> u64 {
        self.started
    }

    /// Whether it is gone, or a zombie.
    pub fn has_ended(self) -> bool {
        start_time(self.pid) != Some(self.started)
    }

    /// Asks it to end, and after `grace` ends it.
    pub fn end(self, grace: Duration) -> io::Result<Ending> {
        for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, AFTER_KILL)] {
            self.signal(signal)?;
            if wait_until(patience, || self.has_ended()) {
                return Ok(Ending::Ended);
            }
        }
        Ok(Ending::StillThere)
    }

    fn signal(self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match pid.filter(|_| !self.has_ended()) {
            Some(pid) => match kill_process(pid, signal) {
                Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
                Err(error) => Err(error.into()),
            },
            None => Ok(()),
        }
    }
}

/// The other processes whose executable is in the folder, and which see the same files as this
/// one: those of a container with a folder of the same name are somebody else's.
pub fn others_from(folder: &Path) -> Vec<Process> {
    let me = std::process::id();
    let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let mine = namespace(me);
    let is_from = |pid: &u32| {
        let executable = std::fs::read_link(format!("/proc/{pid}/exe"));
        *pid != me
            && executable.is_ok_and(|path| path.parent() == Some(folder))
            && namespace(*pid) == mine
    };
    pids().filter(is_from).filter_map(Process::of_pid).collect()
}

/// Whether a process of this group has not ended.
pub fn group_lives(group: Pid) -> bool {
    let group = u64::from(group.as_raw_nonzero().get().unsigned_abs());
    pids().any(|pid| field(pid, 5) == Some(group))
}

/// The processes of this host that this one can see.
fn pids() -> impl Iterator<Item = u32> {
    let entries = Path::new("/proc").read_dir().into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn start_time(pid: u32) -> Option<u64> {
    field(pid, 22)
}

/// A field of `/proc/PID/stat` by its number in proc(5), or nothing if the process has ended. A
/// zombie has.
fn field(pid: u32, number: usize) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, a parenthesis too.
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 2;
    let mut fields = std::str::from_utf8(&stat[after_name..]).ok()?.split(' ');
    let state = fields.next()?;
    let value = fields.nth(number - 4)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(value)
}

fn wait_until(patience: Duration, condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        sleep(POLL);
    }
}

const AFTER_KILL: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_told_apart_from_one_that_had_its_pid_before() {
        let me = Process::myself().unwrap();
        assert!(!me.has_ended());
        let before = Process::known(me.pid(), me.started() + 1);
        assert!(before.has_ended());
        assert_eq!(before.end(Duration::ZERO).unwrap(), Ending::Ended);
    }

    #[test]
    fn one_that_ignores_sigterm_is_killed() {
        let script = "trap '' TERM; echo ready; while :; do sleep 1; done";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut line).unwrap();
        let process = Process::of_pid(child.id()).unwrap();
        assert_eq!(process.end(Duration::from_millis(50)).unwrap(), Ending::Ended);
        assert!(!child.wait().unwrap().success());
    }
}
