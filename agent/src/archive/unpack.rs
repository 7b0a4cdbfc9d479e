//! Unpacks an archive into a fresh private folder, trusting nothing in it.
//!
//! Only folders that this run has made itself are ever walked through, every file is created
//! anew, and nothing outlives a failure: the caller removes the folder. So no entry can reach
//! anything outside, whatever its name, its link or the entries before it are.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::attributes::Attributes;
use super::refusal::{Refusal, UnpackError};
use super::stamp::Mtime;

/// What the torrent promises, and what the operator wants.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the files in the archive.
    pub tree_bytes: u64,
    /// Files, directories and links in it.
    pub entries: u64,
    /// Take over owner and set-id bits; needs root.
    pub keep_owner: bool,
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of files.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
}

/// Unpacks `archive` into the empty folder `staging`, syncs it to disk, and says now and then how
/// many bytes of files it has written.
///
/// Access rights and times of folders are set last, so that read-only ones can be filled.
pub fn unpack(
    archive: &Path,
    staging: &Path,
    limits: Limits,
    progress: &mut dyn FnMut(u64),
) -> Result<Unpacked, UnpackError> {
    let file = File::open(archive)
        .map_err(|source| UnpackError::Open { path: archive.to_owned(), source })?;
    let is_over = Rc::new(Cell::new(false));
    let reader = Bounded {
        inner: MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file)),
        left: most_bytes(&limits),
        is_over: Rc::clone(&is_over),
    };
    let unpacking = Unpacking {
        staging,
        limits,
        progress,
        dirs: HashMap::from([(Vec::new(), 0)]),
        finish: vec![(staging.to_owned(), None)],
        done: Unpacked { bytes: 0, entries: 0 },
        buffer: vec![0; BUFFER],
    };
    let result = unpacking.run(reader);
    if is_over.get() { Err(limits.exceeded()) } else { result }
}

impl Limits {
    fn exceeded(&self) -> UnpackError {
        UnpackError::TooMuch { bytes: self.tree_bytes, entries: self.entries }
    }
}

struct Unpacking<'a> {
    staging: &'a Path,
    limits: Limits,
    progress: &'a mut dyn FnMut(u64),
    /// Where in `finish` the folders are that were made. They are relative to the staging folder,
    /// which is the empty path.
    dirs: HashMap<Vec<u8>, usize>,
    /// What folders get at the end, parents before children.
    finish: Vec<(PathBuf, Option<Attributes>)>,
    done: Unpacked,
    buffer: Vec<u8>,
}

impl Unpacking<'_> {
    fn run(mut self, reader: impl Read) -> Result<Unpacked, UnpackError> {
        let mut archive = Archive::new(reader);
        for entry in archive.entries().map_err(UnpackError::Corrupt)? {
            self.entry(entry.map_err(UnpackError::Corrupt)?)?;
        }
        // What is left are zeros and gzip's checksum.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(UnpackError::Corrupt)?;
        self.check_complete()?;
        while let Some((path, attributes)) = self.finish.pop() {
            let Some(attributes) = attributes else { continue };
            attributes.apply(&path).map_err(|source| UnpackError::Write { path, source })?;
        }
        let staging = File::open(self.staging).map_err(|error| self.failed(error))?;
        rustix::fs::syncfs(&staging).map_err(|error| self.failed(error.into()))?;
        (self.progress)(self.done.bytes);
        Ok(self.done)
    }

    fn check_complete(&self) -> Result<(), UnpackError> {
        let Unpacked { bytes, entries } = self.done;
        if bytes != self.limits.tree_bytes {
            return Err(UnpackError::Short { bytes, promised: self.limits.tree_bytes });
        }
        if entries != self.limits.entries {
            return Err(UnpackError::Fewer { entries, promised: self.limits.entries });
        }
        Ok(())
    }

    fn entry(&mut self, mut entry: Entry<'_, impl Read>) -> Result<(), UnpackError> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let shown = Shown(String::from_utf8_lossy(&entry.path_bytes()).into_owned());
        self.done.entries += 1;
        if self.done.entries > self.limits.entries {
            return Err(self.limits.exceeded());
        }
        let path = relative(&entry.path_bytes()).map_err(|why| shown.refused(why))?;
        let attributes = attributes(&mut entry, self.limits.keep_owner)?;
        if kind == EntryType::Directory {
            return self.directory(path, attributes, &shown);
        }
        let Some(parent) = parent_of(&path) else { return Err(shown.refused(Refusal::NoName)) };
        self.make_dirs(parent, &shown)?;
        let full = self.full(&path);
        match kind {
            EntryType::Regular | EntryType::Continuous => {
                self.file(&mut entry, full, attributes, &shown)
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                std::os::unix::fs::symlink(OsStr::from_bytes(&target), &full)
                    .and_then(|()| attributes.apply_to_link(&full))
                    .map_err(|error| shown.not_created(full, error))
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                self.hard_link(&target, full, &shown)
            }
            EntryType::Char | EntryType::Block => Err(shown.refused(Refusal::Device)),
            EntryType::Fifo => Err(shown.refused(Refusal::Pipe)),
            _ => Err(shown.refused(Refusal::Kind)),
        }
    }

    fn directory(
        &mut self,
        path: Vec<u8>,
        attributes: Attributes,
        shown: &Shown,
    ) -> Result<(), UnpackError> {
        let index = self.make_dirs(&path, shown)?;
        self.finish[index].1 = Some(attributes);
        Ok(())
    }

    fn file(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        full: PathBuf,
        attributes: Attributes,
        shown: &Shown,
    ) -> Result<(), UnpackError> {
        let size = entry.size();
        if size > self.limits.tree_bytes - self.done.bytes {
            return Err(self.limits.exceeded());
        }
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&full);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) => return Err(shown.not_created(full, error)),
        };
        let mut left = size;
        while left > 0 {
            let got = entry.read(&mut self.buffer).map_err(UnpackError::Corrupt)?;
            if got == 0 {
                return Err(UnpackError::Corrupt(io::ErrorKind::UnexpectedEof.into()));
            }
            if let Err(source) = io::Write::write_all(&mut file, &self.buffer[..got]) {
                return Err(UnpackError::Write { path: full, source });
            }
            left -= got as u64;
            self.done.bytes += got as u64;
            (self.progress)(self.done.bytes);
        }
        attributes.apply_to_file(&file).map_err(|source| UnpackError::Write { path: full, source })
    }

    fn hard_link(&self, target: &[u8], full: PathBuf, shown: &Shown) -> Result<(), UnpackError> {
        let target = relative(target).map_err(|_| shown.refused(Refusal::LinkOutside))?;
        let known = parent_of(&target).is_some_and(|parent| self.dirs.contains_key(parent));
        if !known || self.dirs.contains_key(&target) {
            return Err(shown.refused(Refusal::LinkToNothing));
        }
        match std::fs::hard_link(self.full(&target), &full) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(shown.refused(Refusal::LinkToNothing))
            }
            result => result.map_err(|error| shown.not_created(full, error)),
        }
    }

    /// Makes the folder and those above it, unless this run has made them before, and says where
    /// in `finish` it is.
    fn make_dirs(&mut self, path: &[u8], shown: &Shown) -> Result<usize, UnpackError> {
        if let Some(index) = self.dirs.get(path) {
            return Ok(*index);
        }
        if let Some(parent) = parent_of(path) {
            self.make_dirs(parent, shown)?;
        }
        let full = self.full(path);
        if let Err(error) = DirBuilder::new().mode(0o700).create(&full) {
            return Err(match error.kind() {
                io::ErrorKind::AlreadyExists => shown.refused(Refusal::ThroughOther),
                _ => UnpackError::Write { path: full, source: error },
            });
        }
        let index = self.finish.len();
        self.finish.push((full, Some(Attributes::of_unnamed_dir())));
        self.dirs.insert(path.to_vec(), index);
        Ok(index)
    }

    fn full(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() {
            return self.staging.to_owned();
        }
        self.staging.join(OsStr::from_bytes(path))
    }

    fn failed(&self, source: io::Error) -> UnpackError {
        UnpackError::Write { path: self.staging.to_owned(), source }
    }
}

/// The entry's name as the archive has it, for messages.
struct Shown(String);

impl Shown {
    fn refused(&self, why: Refusal) -> UnpackError {
        UnpackError::Refused { entry: self.0.clone(), why }
    }

    fn not_created(&self, path: PathBuf, source: io::Error) -> UnpackError {
        match source.kind() {
            io::ErrorKind::AlreadyExists => self.refused(Refusal::Twice),
            _ => UnpackError::Write { path, source },
        }
    }
}

/// A reader that stops a bomb: it fails once more comes out of it than any honest archive of the
/// promised tree has.
struct Bounded<R> {
    inner: R,
    left: u64,
    is_over: Rc<Cell<bool>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        match self.left.checked_sub(got as u64) {
            Some(left) => {
                self.left = left;
                Ok(got)
            }
            None => {
                self.is_over.set(true);
                Err(io::ErrorKind::FileTooLarge.into())
            }
        }
    }
}

fn most_bytes(limits: &Limits) -> u64 {
    limits.entries.saturating_mul(MOST_PER_ENTRY).saturating_add(limits.tree_bytes) + TRAILER
}

fn attributes(
    entry: &mut Entry<'_, impl Read>,
    keep_owner: bool,
) -> Result<Attributes, UnpackError> {
    let header = entry.header();
    let mode = header.mode().map_err(UnpackError::Corrupt)?;
    let owner = (header.uid(), header.gid());
    let seconds = header.mtime().map_err(UnpackError::Corrupt)?;
    let mut mtime = Mtime { seconds: seconds.cast_signed(), nanos: 0 };
    for record in entry.pax_extensions().map_err(UnpackError::Corrupt)?.into_iter().flatten() {
        let record = record.map_err(UnpackError::Corrupt)?;
        if record.key_bytes() == b"mtime" {
            let value = record.value().ok().and_then(Mtime::from_pax);
            mtime = value.ok_or_else(|| UnpackError::Corrupt(io::ErrorKind::InvalidData.into()))?;
        }
    }
    let owner = match owner {
        (Ok(uid), Ok(gid)) if keep_owner => u32::try_from(uid).ok().zip(u32::try_from(gid).ok()),
        _ => None,
    };
    Ok(Attributes::new(mode, mtime, owner))
}

/// The path within the tree: its names joined by `/`, without `.` and doubled slashes.
fn relative(path: &[u8]) -> Result<Vec<u8>, Refusal> {
    if path.starts_with(b"/") {
        return Err(Refusal::Absolute);
    }
    let names: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".").collect();
    if names.contains(&b"..".as_slice()) {
        return Err(Refusal::Parent);
    }
    Ok(names.join(&b'/'))
}

/// The path without its last name, or nothing for the tree itself.
fn parent_of(path: &[u8]) -> Option<&[u8]> {
    if path.is_empty() {
        return None;
    }
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    Some(&path[..slash])
}

const BUFFER: usize = 256 << 10;
/// Header, padding, PAX record and two long names of 4 KiB with theirs, rounded up.
const MOST_PER_ENTRY: u64 = 16 << 10;
/// Zeros at the end, which GNU tar rounds up to 10 KiB.
const TRAILER: u64 = 64 << 10;
