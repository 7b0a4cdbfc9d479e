//! `uninstall`: leaves no process and no file of ours on the host.

use std::io;
use std::path::{Path, PathBuf};

use murder_protocol::verbs::{Uninstall, UninstallReply};
use murder_protocol::{Blame, Failure};

use super::Replies;
use super::stop::stop_all;
use crate::blamed::Blamed as _;
use crate::home::{Home, role_noun};
use crate::lock::{GRACE, LockError, held};
use crate::place::{remove_tree, sweep};
use crate::process::{Ending, others_from};
use crate::spool::{files_of, tags_in};
use crate::temps::{self, Origin};

pub(super) fn run(
    _request: Uninstall,
    home: &Home,
    _replies: &mut Replies<Uninstall>,
) -> Result<UninstallReply, Failure> {
    let roles = held(home).into_iter().map(|(role, tag, _)| (role, tag)).collect();
    let stopped = stop_all(home, roles)?.into_iter().map(|(role, tag)| match tag {
        Some(tag) => format!("{} {tag}", role_noun(role)),
        None => role_noun(role).to_owned(),
    });
    let stopped = stopped.collect();
    end_verbs(home)?;
    sweep(home);
    let removed = home.root().to_string_lossy().into_owned();
    remove_files(home).map_err(|Removal { path, source }| {
        Failure::new(Blame::Host, format!("could not remove {}: {source}", path.display()))
            .hint("give the user that SSH logs in the right to remove it, and try again")
    })?;
    Ok(UninstallReply { stopped, removed })
}

/// Ends whatever else runs from our folder: a watch, or a torrent that is being made.
fn end_verbs(home: &Home) -> Result<(), Failure> {
    for process in others_from(&home.bin()) {
        let pid = process.pid();
        let error = match process.end(GRACE) {
            Ok(Ending::Ended) => continue,
            Ok(Ending::StillThere) => LockError::Immortal { pid },
            Err(source) => LockError::Signal { pid, source },
        };
        return Err(error.failure());
    }
    Ok(())
}

/// What could not be removed.
struct Removal {
    path: PathBuf,
    source: io::Error,
}

/// Removes what is ours by name. A folder that has something else in it stays with that.
fn remove_files(home: &Home) -> Result<(), Removal> {
    for (folder, origin) in temps::list(home) {
        for path in tags_in(home, &folder).iter().flat_map(|tag| files_of(&folder, tag)) {
            remove(&path)?;
        }
        if origin == Origin::Made {
            remove_if_empty(&folder)?;
        }
    }
    for folder in [home.spool(), home.log(), home.run()] {
        remove(&folder)?;
    }
    for path in executables(home) {
        remove(&path)?;
    }
    remove_if_empty(&home.bin())?;
    // Last, because without it the folder would not be known as ours in a second attempt.
    remove(&home.marker())?;
    remove_if_empty(home.root())
}

/// Agents, and what an interrupted distribute_files has left: `murder-agent-HASH`, `.new.PID`,
/// `.link.PID`.
fn executables(home: &Home) -> Vec<PathBuf> {
    let Ok(entries) = home.bin().read_dir() else { return Vec::new() };
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        ["murder-agent", ".new.", ".link."].iter().any(|start| name.starts_with(start))
    };
    entries.flatten().map(|entry| entry.path()).filter(is_ours).collect()
}

fn remove(path: &Path) -> Result<(), Removal> {
    remove_tree(path).map_err(|source| Removal { path: path.to_owned(), source })
}

fn remove_if_empty(path: &Path) -> Result<(), Removal> {
    match std::fs::remove_dir(path) {
        Err(source) => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty => Ok(()),
            _ => Err(Removal { path: path.to_owned(), source }),
        },
        Ok(()) => Ok(()),
    }
}
