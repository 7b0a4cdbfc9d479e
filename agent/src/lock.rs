//! One process per role and tag: a file lock that dies with its owner and says who that is.
//!
//! Whoever is to be stopped is found by the lock it holds, never by the name of a process. The
//! lock file has the owner's pid and start time, so that a pid that the kernel gave to somebody
//! else since is never signalled.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use murder_protocol::verbs::Role;
use murder_protocol::{Blame, Tag};
use rustix::fs::{FlockOperation, flock};

use crate::blamed::Blamed;
use crate::home::{Home, parse_role_name};
use crate::process::{Ending, Process};

/// The right to be the only one in a role, until it is dropped or the process ends.
#[derive(Debug)]
pub struct RoleLock {
    file: File,
}

/// What came of trying to take a role.
#[derive(Debug)]
pub enum Acquired {
    /// It is ours.
    Held(RoleLock),
    /// Another process has it.
    Busy {
        /// That process.
        pid: u32,
    },
}

impl RoleLock {
    /// Takes the role, unless another process has it.
    pub fn acquire(home: &Home, role: Role, tag: Option<&Tag>) -> Result<Acquired, LockError> {
        let path = home.role_file(role, tag, "lock");
        acquire(&path).map_err(|source| LockError::Take { path, source })
    }
}

impl Drop for RoleLock {
    /// Leaves no pid behind; the kernel releases the lock itself.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

/// The process that has the role now.
pub fn holder(home: &Home, role: Role, tag: Option<&Tag>) -> Option<u32> {
    read_holder(&home.role_file(role, tag, "lock")).map(|owner| owner.pid())
}

/// The roles that are held now, with their processes.
pub fn held(home: &Home) -> Vec<(Role, Option<Tag>, u32)> {
    let Ok(entries) = home.run().read_dir() else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let roles = names.filter_map(|name| parse_role_name(name.strip_suffix(".lock")?));
    let mut held: Vec<_> = roles
        .filter_map(|(role, tag)| holder(home, role, tag.as_ref()).map(|pid| (role, tag, pid)))
        .collect();
    held.sort();
    held
}

/// Stops whoever has the role: asks it to end, and after `grace` ends it. Says which process it
/// was, or nothing if nobody had the role.
pub fn stop(
    home: &Home,
    role: Role,
    tag: Option<&Tag>,
    grace: Duration,
) -> Result<Option<u32>, LockError> {
    let path = home.role_file(role, tag, "lock");
    let Some(owner) = read_holder(&path) else { return Ok(None) };
    let pid = owner.pid();
    match owner.end(grace).map_err(|source| LockError::Signal { pid, source })? {
        Ending::Ended => Ok(Some(pid)),
        Ending::StillThere => Err(LockError::Immortal { pid }),
    }
}

/// How long a role that is asked to end may take for it.
pub const GRACE: Duration = Duration::from_secs(10);

/// Why a role could not be taken or ended.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The lock file can't be used.
    #[error("could not lock {}", path.display())]
    Take {
        /// The lock file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It runs as another user, perhaps.
    #[error("could not stop process {pid}")]
    Signal {
        /// The process.
        pid: u32,
        /// Why not.
        source: io::Error,
    },
    /// It is stuck in the kernel.
    #[error("process {pid} does not end, not even by SIGKILL")]
    Immortal {
        /// The process.
        pid: u32,
    },
}

impl Blamed for LockError {
    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Immortal { .. } => Some("look for a hanging file system on the host".to_owned()),
            Self::Take { .. } | Self::Signal { .. } => None,
        }
    }
}

fn acquire(path: &Path) -> io::Result<Acquired> {
    let deadline = Instant::now() + PROBE;
    loop {
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Somebody may have removed the file between the two calls.
            Ok(()) if !is_at(&file, path) => {}
            Ok(()) => {
                let me = Process::myself()?;
                file.set_len(0)?;
                file.write_all(format!("{} {}\n", me.pid(), me.started()).as_bytes())?;
                return Ok(Acquired::Held(RoleLock { file }));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                // Without an owner's line it is somebody who only looks, or is just beginning.
                if let Some(owner) = read_owner(&mut file).filter(|owner| !owner.has_ended()) {
                    return Ok(Acquired::Busy { pid: owner.pid() });
                }
                if Instant::now() > deadline {
                    return Err(io::Error::from(io::ErrorKind::WouldBlock));
                }
                sleep(POLL);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn read_holder(path: &Path) -> Option<Process> {
    let mut file = File::open(path).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            read_owner(&mut file).filter(|owner| !owner.has_ended())
        }
        _ => None,
    }
}

fn read_owner(file: &mut File) -> Option<Process> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    parse_owner(&text)
}

fn parse_owner(text: &str) -> Option<Process> {
    let (pid, started) = text.trim_end().split_once(' ')?;
    Some(Process::known(pid.parse().ok()?, started.parse().ok()?))
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

const POLL: Duration = Duration::from_millis(10);
/// Longer than anybody needs to look at a lock, or to write its pid into it.
const PROBE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        (dir, home)
    }

    #[test]
    fn a_role_can_be_taken_once_and_again_after_it_was_dropped() {
        let (_dir, home) = home();
        let tag: Tag = "v1".parse().unwrap();
        let take = || RoleLock::acquire(&home, Role::Peer, Some(&tag)).unwrap();
        assert_eq!(holder(&home, Role::Peer, Some(&tag)), None);
        let Acquired::Held(lock) = take() else { panic!("nobody has it") };
        let me = std::process::id();
        assert!(matches!(take(), Acquired::Busy { pid } if pid == me));
        assert_eq!(holder(&home, Role::Peer, Some(&tag)), Some(me));
        assert_eq!(held(&home), [(Role::Peer, Some(tag.clone()), me)]);
        drop(lock);
        assert_eq!(holder(&home, Role::Peer, Some(&tag)), None);
        assert!(matches!(take(), Acquired::Held(_)));
    }

    #[test]
    fn two_tags_do_not_hinder_each_other() {
        let (_dir, home) = home();
        let [one, two]: [Tag; 2] = ["v1".parse().unwrap(), "v2".parse().unwrap()];
        let one = RoleLock::acquire(&home, Role::Seeder, Some(&one)).unwrap();
        let two = RoleLock::acquire(&home, Role::Seeder, Some(&two)).unwrap();
        assert!(matches!((one, two), (Acquired::Held(_), Acquired::Held(_))));
    }

    #[test]
    fn a_pid_without_a_lock_is_nobody() {
        let (_dir, home) = home();
        let path = home.role_file(Role::Tracker, None, "lock");
        std::fs::write(path, format!("{} 1\n", std::process::id())).unwrap();
        assert_eq!(holder(&home, Role::Tracker, None), None);
        assert_eq!(stop(&home, Role::Tracker, None, GRACE).unwrap(), None);
    }
}
