//! The tree as it grows in a fresh private folder, whatever thread adds to it and in whatever order.
//!
//! Only folders that were made here are ever walked through, every file is created anew, and
//! nothing outlives a failure: the caller removes the folder. So no entry can reach anything
//! outside, whatever its name, its link or the other entries are.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tar::EntryType;

use super::attributes::Attributes;
use super::content::Content;
use super::refusal::{Refusal, UnpackError};

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
    /// How the archive was read.
    pub reading: Reading,
}

/// How an archive was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// By the index, as the pieces arrived.
    ByIndex,
    /// From its beginning to its end.
    InOrder,
}

/// An entry, as the archive has it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: EntryType,
    pub(super) path: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
    pub(super) attributes: Attributes,
    /// Rises from entry to entry of the archive.
    pub(super) order: u64,
}

impl Entry {
    pub(super) fn refused(&self, why: Refusal) -> UnpackError {
        self.shown().refused(why)
    }

    fn shown(&self) -> Shown {
        Shown(String::from_utf8_lossy(&self.path).into_owned())
    }
}

/// The tree that is being made in a staging folder.
#[derive(Debug)]
pub(super) struct NewTree<'a> {
    staging: &'a Path,
    limits: Limits,
    bytes: AtomicU64,
    entries: AtomicU64,
    /// Bytes that came out of the archive's members.
    inflated: AtomicU64,
    folders: Mutex<Folders>,
    links: Mutex<Vec<HardLink>>,
}

#[derive(Debug)]
struct Folders {
    /// Where in `all` the folders are. They are relative to the staging folder, which is the empty
    /// path.
    known: HashMap<Vec<u8>, usize>,
    /// Parents before children; the first is the staging folder.
    all: Vec<Folder>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// What it gets at the end, and which entry says so: the last one counts.
    attributes: Option<(u64, Attributes)>,
}

/// Made at the end, when all files are there.
#[derive(Debug)]
struct HardLink {
    order: u64,
    path: PathBuf,
    target: Vec<u8>,
    shown: Shown,
}

impl<'a> NewTree<'a> {
    pub(super) fn new(staging: &'a Path, limits: Limits) -> Self {
        let known = HashMap::from([(Vec::new(), 0)]);
        Self {
            staging,
            limits,
            bytes: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            inflated: AtomicU64::new(0),
            folders: Mutex::new(Folders {
                known,
                all: vec![Folder { path: staging.to_owned(), attributes: None }],
            }),
            links: Mutex::new(Vec::new()),
        }
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Stops a bomb: fails once more came out of the archive than an honest one of the promised
    /// tree has.
    pub(super) fn inflated(&self, bytes: usize) -> Result<(), UnpackError> {
        add(&self.inflated, bytes as u64, most_bytes(&self.limits)).ok_or_else(|| self.exceeded())
    }

    /// Adds an entry. A file that is not empty gets its content next.
    pub(super) fn add(&self, entry: Entry) -> Result<Option<Content>, UnpackError> {
        let shown = entry.shown();
        add(&self.entries, 1, self.limits.entries).ok_or_else(|| self.exceeded())?;
        let path = relative(&entry.path).map_err(|why| shown.refused(why))?;
        if entry.kind == EntryType::Directory {
            let mut folders = self.folders();
            let index = self.make_dirs(&mut folders, &path, &shown)?;
            let attributes = &mut folders.all[index].attributes;
            if attributes.is_none_or(|(order, _)| order < entry.order) {
                *attributes = Some((entry.order, entry.attributes));
            }
            return Ok(None);
        }
        let Some(parent) = parent_of(&path) else { return Err(shown.refused(Refusal::NoName)) };
        self.make_dirs(&mut self.folders(), parent, &shown)?;
        let full = self.full(&path);
        match entry.kind {
            EntryType::Regular | EntryType::Continuous => return self.file(&entry, full, &shown),
            EntryType::Symlink => std::os::unix::fs::symlink(OsStr::from_bytes(&entry.link), &full)
                .and_then(|()| entry.attributes.apply_to_link(&full))
                .map_err(|error| shown.not_created(full, error))?,
            EntryType::Link => {
                let target = relative(&entry.link);
                let target = target.map_err(|_| shown.refused(Refusal::LinkOutside))?;
                let link = HardLink { order: entry.order, path: full, target, shown };
                self.links.lock().unwrap_or_else(PoisonError::into_inner).push(link);
            }
            EntryType::Char | EntryType::Block => return Err(shown.refused(Refusal::Device)),
            EntryType::Fifo => return Err(shown.refused(Refusal::Pipe)),
            _ => return Err(shown.refused(Refusal::Kind)),
        }
        Ok(None)
    }

    fn file(
        &self,
        entry: &Entry,
        full: PathBuf,
        shown: &Shown,
    ) -> Result<Option<Content>, UnpackError> {
        add(&self.bytes, entry.size, self.limits.tree_bytes).ok_or_else(|| self.exceeded())?;
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&full);
        match opened {
            Ok(file) => Content::begin(file, full, entry.size, entry.attributes),
            Err(error) => Err(shown.not_created(full, error)),
        }
    }

    /// Makes hard links, checks that nothing is missing, and gives folders their access rights and
    /// times, which is last so that read-only ones can be filled.
    pub(super) fn finish(self, reading: Reading) -> Result<Unpacked, UnpackError> {
        let mut links = self.links.into_inner().unwrap_or_else(PoisonError::into_inner);
        let folders = self.folders.into_inner().unwrap_or_else(PoisonError::into_inner);
        links.sort_unstable_by_key(|link| link.order);
        links.iter().try_for_each(|link| link.make(self.staging, &folders))?;
        let (bytes, entries) = (self.bytes.into_inner(), self.entries.into_inner());
        let done = Unpacked { bytes, entries, reading };
        done.check(&self.limits)?;
        // The staging folder keeps its own if no entry is about it.
        let unnamed = Some((0, Attributes::of_unnamed_dir()));
        for (index, Folder { path, attributes }) in folders.all.into_iter().enumerate().rev() {
            let attributes = if index == 0 { attributes } else { attributes.or(unnamed) };
            let Some((_, attributes)) = attributes else { continue };
            attributes.apply(&path).map_err(|source| UnpackError::Write { path, source })?;
        }
        Ok(done)
    }

    /// Makes the folder and those above it, unless they were made before, and says where in `all`
    /// it is.
    fn make_dirs(
        &self,
        folders: &mut Folders,
        path: &[u8],
        shown: &Shown,
    ) -> Result<usize, UnpackError> {
        if let Some(index) = folders.known.get(path) {
            return Ok(*index);
        }
        if let Some(parent) = parent_of(path) {
            self.make_dirs(folders, parent, shown)?;
        }
        let full = self.full(path);
        if let Err(error) = DirBuilder::new().mode(0o700).create(&full) {
            return Err(match error.kind() {
                io::ErrorKind::AlreadyExists => shown.refused(Refusal::ThroughOther),
                _ => UnpackError::Write { path: full, source: error },
            });
        }
        let index = folders.all.len();
        folders.all.push(Folder { path: full, attributes: None });
        folders.known.insert(path.to_vec(), index);
        Ok(index)
    }

    fn folders(&self) -> std::sync::MutexGuard<'_, Folders> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self, path: &[u8]) -> PathBuf {
        full(self.staging, path)
    }

    pub(super) fn exceeded(&self) -> UnpackError {
        let Limits { tree_bytes: bytes, entries, .. } = self.limits;
        UnpackError::TooMuch { bytes, entries }
    }
}

impl Unpacked {
    fn check(&self, limits: &Limits) -> Result<(), UnpackError> {
        let Self { bytes, entries, .. } = *self;
        if bytes != limits.tree_bytes {
            return Err(UnpackError::Short { bytes, promised: limits.tree_bytes });
        }
        if entries != limits.entries {
            return Err(UnpackError::Fewer { entries, promised: limits.entries });
        }
        Ok(())
    }
}

impl HardLink {
    fn make(&self, staging: &Path, folders: &Folders) -> Result<(), UnpackError> {
        let Self { path, target, shown, .. } = self;
        let known = parent_of(target).is_some_and(|parent| folders.known.contains_key(parent));
        if !known || folders.known.contains_key(target) {
            return Err(shown.refused(Refusal::LinkToNothing));
        }
        match std::fs::hard_link(full(staging, target), path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(shown.refused(Refusal::LinkToNothing))
            }
            result => result.map_err(|error| shown.not_created(path.clone(), error)),
        }
    }
}

/// The entry's name as the archive has it, for messages.
#[derive(Debug)]
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

/// Adds to a sum that must not become more than `most`.
fn add(sum: &AtomicU64, more: u64, most: u64) -> Option<()> {
    let fits = |sum: u64| sum.checked_add(more).filter(|sum| *sum <= most);
    sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok().map(drop)
}

fn most_bytes(limits: &Limits) -> u64 {
    limits.entries.saturating_mul(MOST_PER_ENTRY).saturating_add(limits.tree_bytes) + TRAILER
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

fn full(staging: &Path, path: &[u8]) -> PathBuf {
    if path.is_empty() { staging.to_owned() } else { staging.join(OsStr::from_bytes(path)) }
}

/// Header, padding, PAX record and two long names of 4 KiB with theirs, rounded up.
pub(super) const MOST_PER_ENTRY: u64 = 16 << 10;
/// Zeros at the end, which GNU tar rounds up to 10 KiB.
const TRAILER: u64 = 64 << 10;
