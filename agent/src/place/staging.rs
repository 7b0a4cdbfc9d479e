//! The private folder beside a destination, and a record of it by which a crashed run's folder is
//! found and removed.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use murder_protocol::Bytes;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::error::PlaceError;
use super::placement::{Placement, Target, nearest};
use super::remove::remove_tree;
use crate::home::Home;

/// A fresh folder that only its owner may enter. Dropped, it is gone with all that is in it.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    /// Folders that were missing above it, the deepest one first.
    parents: Vec<PathBuf>,
    /// Held by flock, so that nobody takes the folder for a left-over.
    _record: File,
    record_path: PathBuf,
}

impl Placement {
    /// Makes the folder, and those above the destination that are missing. What crashed runs have
    /// left is removed first.
    pub fn stage(&self) -> Result<Staging, PlaceError> {
        sweep(self.home());
        let folder = self.folder();
        let chance = chance().map_err(PlaceError::io("get randomness for", folder))?;
        let path = folder.join(format!("{PREFIX}{chance}"));
        let destination = match self.target {
            Target::Tree => Some(path_to_bytes(&self.path)),
            Target::File | Target::FileIn => None,
        };
        let record = Record { staging: path_to_bytes(&path), destination };
        let record_path = self.home().run().join(format!("staging-{chance}.json"));
        let file = record.write(&record_path).map_err(PlaceError::io("write", &record_path))?;
        let mut staging = Staging { path, parents: Vec::new(), _record: file, record_path };
        staging.make_parents(folder)?;
        DirBuilder::new()
            .mode(0o700)
            .create(&staging.path)
            .map_err(PlaceError::io("create", &staging.path))?;
        Ok(staging)
    }
}

impl Staging {
    /// Where to unpack.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where what is replaced goes on file systems that can't exchange.
    pub(super) fn old_path(&self) -> PathBuf {
        old_path(&self.path)
    }

    /// The folders above the destination are in use now, and stay.
    pub(super) fn keep_parents(&mut self) {
        self.parents.clear();
    }

    fn make_parents(&mut self, folder: &Path) -> Result<(), PlaceError> {
        let there = nearest(folder).to_owned();
        let missing: Vec<_> = folder.ancestors().take_while(|path| *path != there).collect();
        for path in missing.into_iter().rev() {
            // With the access rights that the user's umask gives, as mkdir -p would.
            match std::fs::create_dir(path) {
                Ok(()) => self.parents.insert(0, path.to_owned()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(PlaceError::io("create", path)(error)),
            }
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let is_gone = remove_tree(&self.path).is_ok() && remove_tree(&self.old_path()).is_ok();
        for parent in &self.parents {
            // Somebody may have put something in it meanwhile.
            let _ = std::fs::remove_dir(parent);
        }
        if is_gone {
            let _ = std::fs::remove_file(&self.record_path);
        }
    }
}

/// Removes what crashed runs have left beside their destinations, and says what that was.
pub fn sweep(home: &Home) -> Vec<PathBuf> {
    let Ok(entries) = home.run().read_dir() else { return Vec::new() };
    let is_record = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("staging-") && name.ends_with(".json")
    };
    let records = entries.flatten().map(|entry| entry.path()).filter(is_record);
    records.filter_map(|path| Record::read_left_over(&path)?.clean(&path)).collect()
}

/// What `run/staging-*.json` has.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    staging: Bytes,
    /// The final path of a tree.
    destination: Option<Bytes>,
}

impl Record {
    /// Writes the record before there is anything to find, and holds its lock.
    fn write(&self, path: &Path) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        Ok(file)
    }

    /// Reads a record whose writer has ended.
    fn read_left_over(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        flock(&file, FlockOperation::NonBlockingLockShared).ok()?;
        let mut json = Vec::new();
        file.read_to_end(&mut json).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// Finishes what the writer has begun; says what was removed.
    fn clean(&self, record: &Path) -> Option<PathBuf> {
        let staging = bytes_to_path(&self.staging);
        let is_ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(PREFIX);
        if !staging.file_name().is_some_and(is_ours) {
            return None;
        }
        let old = old_path(&staging);
        if let Some(destination) = self.destination.as_ref().map(bytes_to_path)
            && old.symlink_metadata().is_ok()
            && destination.symlink_metadata().is_err()
        {
            // It ended between the two renames that replace an exchange.
            std::fs::rename(&old, destination).ok()?;
        }
        let was_there = staging.symlink_metadata().is_ok() || old.symlink_metadata().is_ok();
        remove_tree(&staging).and_then(|()| remove_tree(&old)).ok()?;
        std::fs::remove_file(record).ok()?;
        was_there.then_some(staging)
    }
}

fn old_path(staging: &Path) -> PathBuf {
    let mut path = staging.as_os_str().to_owned();
    path.push("-old");
    PathBuf::from(path)
}

fn path_to_bytes(path: &Path) -> Bytes {
    Bytes(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec())
}

fn bytes_to_path(bytes: &Bytes) -> PathBuf {
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&bytes.0);
    PathBuf::from(name)
}

fn chance() -> io::Result<String> {
    let number = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{number:016x}"))
}

/// Hidden, and telling to whoever finds it.
const PREFIX: &str = ".murder-staging-";
