//! A file that has its final name once it is whole.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::pack::PackError;

/// A file beside its final path, which is removed unless it is published.
#[derive(Debug)]
pub(super) struct NewFile {
    pub(super) file: File,
    path: PathBuf,
    published: PathBuf,
    is_published: bool,
}

impl NewFile {
    /// Creates `PATH.new`, or empties the one that a crash has left.
    pub(super) fn create(published: &Path) -> Result<Self, PackError> {
        let mut path = published.as_os_str().to_owned();
        path.push(".new");
        let path = PathBuf::from(path);
        let opened =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|source| PackError::Write { path: path.clone(), source })?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(PackError::Busy(path));
        }
        let new = Self { file, path, published: published.to_owned(), is_published: false };
        new.file.set_len(0).map_err(|error| new.failed(error))?;
        Ok(new)
    }

    pub(super) fn failed(&self, source: io::Error) -> PackError {
        PackError::Write { path: self.path.clone(), source }
    }

    pub(super) fn publish(mut self) -> Result<(), PackError> {
        let folder = self.published.parent().unwrap_or(Path::new("/"));
        std::fs::rename(&self.path, &self.published)
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|error| self.failed(error))?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
