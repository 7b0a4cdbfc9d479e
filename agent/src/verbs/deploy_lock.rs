//! `deploy-lock` and `deploy-unlock`: two people do not deploy one application at once.
//!
//! The lock is a file on the tracker's host, so it outlives the tracker, and the workstation that
//! took it. A lock that is older than its holder thought it would be is never taken from them: the
//! operator is told, and decides.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use murder_protocol::verbs::{
    DeployLock, DeployLockReply, DeployUnlock, DeployUnlockReply, HeldLock, LockHolder,
};
use murder_protocol::{Blame, Failure};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Replies;
use crate::blamed::Blamed;
use crate::home::Home;
use crate::status::{unix_now, write_private};

pub(super) fn lock(
    request: DeployLock,
    home: &Home,
    _: &mut Replies<DeployLock>,
) -> Result<DeployLockReply, Failure> {
    take(&home.run(), request, unix_now()).map_err(|error| error.failure())
}

pub(super) fn unlock(
    request: DeployUnlock,
    home: &Home,
    _: &mut Replies<DeployUnlock>,
) -> Result<DeployUnlockReply, Failure> {
    give_back(&home.run(), &request, unix_now()).map_err(|error| error.failure())
}

/// Takes the lock, or takes it anew for its holder, for whom its time begins again while it is
/// still held since it was first taken.
fn take(folder: &Path, request: DeployLock, now: u64) -> Result<DeployLockReply, LockError> {
    let DeployLock { application, mut holder } = request;
    let path = path(folder, &application);
    let _turn = take_turn(folder)?;
    let before = Taken::read(&path)?;
    let taken_unix = match before {
        Some(taken) if taken.holder.chance != holder.chance => {
            return Ok(DeployLockReply::Held(taken.held(now)));
        }
        Some(taken) => taken.taken_unix,
        None => now,
    };
    holder.seconds = holder.seconds.saturating_add(now.saturating_sub(taken_unix));
    let taken = Taken { application, holder, taken_unix };
    let json = serde_json::to_vec(&taken).map_err(io::Error::from);
    let written = json.and_then(|json| write_private(&path, &json));
    written.map_err(|source| LockError::Io { what: "write", path, source })?;
    Ok(DeployLockReply::Taken)
}

/// Removes the lock, unless it is asked for by a word of chance that is not its holder's.
fn give_back(
    folder: &Path,
    request: &DeployUnlock,
    now: u64,
) -> Result<DeployUnlockReply, LockError> {
    let path = path(folder, &request.application);
    let _turn = take_turn(folder)?;
    let taken = match (Taken::read(&path), &request.chance) {
        (Ok(taken), _) => taken,
        // Whoever is to lose it, it is nobody's that can be told.
        (Err(LockError::Garbled { .. }), None) => None,
        (Err(error), _) => return Err(error),
    };
    let is_another = |chance: &String| taken.as_ref().is_some_and(|it| it.holder.chance != *chance);
    if request.chance.as_ref().is_some_and(is_another) {
        return Ok(DeployUnlockReply { released: None });
    }
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(LockError::Io { what: "remove", path, source })
        }
        _ => Ok(DeployUnlockReply { released: taken.map(|taken| taken.held(now)) }),
    }
}

/// What the lock's file has.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    /// For whoever reads the file.
    application: String,
    holder: LockHolder,
    taken_unix: u64,
}

impl Taken {
    fn read(path: &Path) -> Result<Option<Self>, LockError> {
        match std::fs::read(path) {
            Ok(json) => match serde_json::from_slice(&json) {
                Ok(taken) => Ok(Some(taken)),
                Err(source) => Err(LockError::Garbled { path: path.to_owned(), source }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LockError::Io { what: "read", path: path.to_owned(), source }),
        }
    }

    fn held(self, now: u64) -> HeldLock {
        HeldLock { holder: self.holder, held_seconds: now.saturating_sub(self.taken_unix) }
    }
}

/// Why the lock can be neither taken nor given back.
#[derive(Debug, thiserror::Error)]
enum LockError {
    #[error("the lock of deploys {} is unreadable", path.display())]
    Garbled { path: PathBuf, source: serde_json::Error },
    #[error("could not {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

impl Blamed for LockError {
    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Garbled { .. } => Some("run deploy:unlock, if nobody deploys".to_owned()),
            Self::Io { .. } => None,
        }
    }
}

/// An application's name may be any path, so its file has a digest of it.
fn path(folder: &Path, application: &str) -> PathBuf {
    let digest = Sha256::digest(application.as_bytes());
    let word: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    folder.join(format!("deploy-{word}.json"))
}

/// Between looking at a file and replacing it nobody else does.
fn take_turn(folder: &Path) -> Result<File, LockError> {
    let path = folder.join("deploys.lock");
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let locked = opened.and_then(|file| {
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    });
    locked.map_err(|source| LockError::Io { what: "lock", path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn take(&self, who: &str, now: u64) -> Result<DeployLockReply, LockError> {
            let request = DeployLock { application: "/srv/app".to_owned(), holder: holder(who) };
            take(self.0.path(), request, now)
        }

        fn give_back(&self, chance: Option<&str>, now: u64) -> Option<HeldLock> {
            let chance = chance.map(str::to_owned);
            let request = DeployUnlock { application: "/srv/app".to_owned(), chance };
            give_back(self.0.path(), &request, now).unwrap().released
        }
    }

    fn holder(who: &str) -> LockHolder {
        LockHolder {
            who: who.to_owned(),
            what: "deploy of r1".to_owned(),
            chance: format!("chance of {who}"),
            seconds: 600,
        }
    }

    #[test]
    fn the_second_one_is_told_who_has_it_and_for_how_long() {
        let folder = Folder::new();
        assert_eq!(folder.take("ada", 100).unwrap(), DeployLockReply::Taken);
        let held = HeldLock { holder: holder("ada"), held_seconds: 50 };
        assert_eq!(folder.take("bob", 150).unwrap(), DeployLockReply::Held(held.clone()));
        // Bob may not give it back as his own.
        assert_eq!(folder.give_back(Some("chance of bob"), 150), None);
        assert_eq!(folder.give_back(Some("chance of ada"), 150), Some(held));
        assert_eq!(folder.take("bob", 150).unwrap(), DeployLockReply::Taken);
        // A clock that was set back.
        let DeployLockReply::Held(held) = folder.take("ada", 10).unwrap() else { panic!() };
        assert_eq!(held.held_seconds, 0);
    }

    #[test]
    fn its_holder_takes_it_anew_and_is_known_to_have_it_since_the_beginning() {
        let folder = Folder::new();
        folder.take("ada", 100).unwrap();
        assert_eq!(folder.take("ada", 500).unwrap(), DeployLockReply::Taken);
        let DeployLockReply::Held(held) = folder.take("bob", 900).unwrap() else { panic!() };
        assert_eq!((held.held_seconds, held.holder.seconds), (800, 1_000));
    }

    #[test]
    fn a_stale_one_stays_until_somebody_clears_it() {
        let folder = Folder::new();
        folder.take("ada", 100).unwrap();
        assert!(matches!(folder.take("bob", 1_000_000).unwrap(), DeployLockReply::Held(_)));
        let released = folder.give_back(None, 1_000_000).unwrap();
        assert_eq!((released.holder, released.held_seconds), (holder("ada"), 999_900));
        assert_eq!(folder.give_back(None, 1_000_000), None);
        assert_eq!(folder.take("bob", 1_000_000).unwrap(), DeployLockReply::Taken);
    }

    #[test]
    fn two_applications_have_two_locks() {
        let folder = Folder::new();
        folder.take("ada", 100).unwrap();
        let request = DeployLock { application: "/srv/other".to_owned(), holder: holder("bob") };
        assert_eq!(take(folder.0.path(), request, 100).unwrap(), DeployLockReply::Taken);
    }

    #[test]
    fn of_many_who_try_at_once_one_gets_it() {
        let folder = Folder::new();
        let taken = std::thread::scope(|scope| {
            let folder = &folder;
            let threads: Vec<_> = (0..8)
                .map(|number| scope.spawn(move || folder.take(&number.to_string(), 100).unwrap()))
                .collect();
            let replies = threads.into_iter().map(|thread| thread.join().unwrap());
            replies.filter(|reply| *reply == DeployLockReply::Taken).count()
        });
        assert_eq!(taken, 1);
    }

    #[test]
    fn a_file_that_is_unreadable_is_said_to_be_and_cleared_by_whoever_says_so() {
        let folder = Folder::new();
        folder.take("ada", 100).unwrap();
        let path = path(folder.0.path(), "/srv/app");
        std::fs::write(&path, "{").unwrap();
        let refused = folder.take("bob", 100).unwrap_err().failure().to_string();
        assert_eq!(
            refused.replace(path.to_str().unwrap(), "FILE"),
            "the lock of deploys FILE is unreadable: EOF while parsing an object at line 1 column \
             1 (run deploy:unlock, if nobody deploys)"
        );
        assert_eq!(folder.give_back(None, 100), None);
        assert_eq!(folder.take("bob", 100).unwrap(), DeployLockReply::Taken);
    }
}
