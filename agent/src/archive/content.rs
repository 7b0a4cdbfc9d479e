//! The content of a file on its way from the archive to the disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZero;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::Advice;

use super::attributes::Attributes;
use super::header::BLOCK;
use super::refusal::UnpackError;

/// A file that is open, and where in it the next bytes go.
#[derive(Debug)]
pub(super) struct Content {
    file: File,
    at: u64,
    /// Bytes up to the end of the file.
    left: u64,
    whole: Arc<Whole>,
}

/// A file of which several threads may write parts.
#[derive(Debug)]
pub(super) struct Whole {
    path: PathBuf,
    attributes: Attributes,
    size: u64,
    /// Bytes that are not written yet.
    missing: AtomicU64,
}

impl Content {
    /// The content of a file that was created just now; none if it is empty and so complete.
    pub(super) fn begin(
        file: File,
        path: PathBuf,
        size: u64,
        attributes: Attributes,
    ) -> Result<Option<Self>, UnpackError> {
        let whole = Whole { path, attributes, size, missing: AtomicU64::new(size) };
        if size == 0 {
            whole.complete(&file)?;
            return Ok(None);
        }
        Ok(Some(Self { file, at: 0, left: size, whole: Arc::new(whole) }))
    }

    /// Goes on somewhere in a file; not if that is at its end.
    pub(super) fn go_on(whole: &Arc<Whole>, at: u64) -> Result<Option<Self>, UnpackError> {
        let Some(left) = whole.size.checked_sub(at).filter(|left| *left > 0) else {
            return Ok(None);
        };
        let opened = OpenOptions::new().write(true).open(&whole.path);
        let file = opened.map_err(|error| whole.failed(error))?;
        Ok(Some(Self { file, at, left, whole: Arc::clone(whole) }))
    }

    /// Writes what belongs to the file of some blocks of the archive, and says how many bytes of
    /// them are used with the padding after the file's end.
    pub(super) fn write(&mut self, blocks: &[u8]) -> Result<usize, UnpackError> {
        let bytes = usize::try_from(self.left).unwrap_or(usize::MAX).min(blocks.len());
        let written = self.file.write_all_at(&blocks[..bytes], self.at);
        written.map_err(|error| self.whole.failed(error))?;
        self.at += bytes as u64;
        self.left -= bytes as u64;
        if self.whole.missing.fetch_sub(bytes as u64, Ordering::AcqRel) == bytes as u64 {
            self.whole.complete(&self.file)?;
        }
        start_writing(&self.file, self.at - bytes as u64, bytes as u64);
        Ok(bytes.next_multiple_of(BLOCK).min(blocks.len()))
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.left == 0
    }

    /// Lets the file go in its middle.
    pub(super) fn pause(self) -> (Arc<Whole>, u64) {
        (self.whole, self.at)
    }
}

/// Lets the kernel write a range to disk now, since all of it will have to be there before the tree
/// may appear: 20,000 files of 1 GiB were synced 0.1 s after the last one instead of 1.2 s. It
/// says no more than that the range will not be read soon (posix_fadvise(2)), which makes Linux
/// begin to write; what is not written yet stays in memory.
fn start_writing(file: &File, offset: u64, length: u64) {
    // A file system that takes no advice writes at the end.
    let _ = rustix::fs::fadvise(file, offset, NonZero::new(length), Advice::DontNeed);
}

impl Whole {
    fn complete(&self, file: &File) -> Result<(), UnpackError> {
        self.attributes.apply_to_file(file).map_err(|error| self.failed(error))
    }

    fn failed(&self, source: io::Error) -> UnpackError {
        UnpackError::Write { path: self.path.clone(), source }
    }
}
