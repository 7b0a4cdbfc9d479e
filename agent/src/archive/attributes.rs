//! Access rights, owner and time of what is unpacked.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid};

use super::stamp::Mtime;

/// What an entry of an archive says beside its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    mode: Mode,
    mtime: Option<Mtime>,
    owner: Option<(Uid, Gid)>,
}

impl Attributes {
    /// Without an owner to take over, set-id bits are not taken over either: they would give the
    /// rights of whoever unpacks.
    pub(super) fn new(mode: u32, mtime: Mtime, owner: Option<(u32, u32)>) -> Self {
        let mask = if owner.is_some() { 0o7777 } else { 0o1777 };
        let owner = owner.map(|(uid, gid)| (Uid::from_raw(uid), Gid::from_raw(gid)));
        Self { mode: Mode::from_raw_mode(mode & mask), mtime: Some(mtime), owner }
    }

    /// Those of a folder that the archive does not name, though it has entries below it.
    pub(super) fn of_unnamed_dir() -> Self {
        Self { mode: Mode::from_raw_mode(0o755), mtime: None, owner: None }
    }

    pub(super) fn apply_to_file(&self, file: &File) -> io::Result<()> {
        let file = file.as_fd();
        if let Some((uid, gid)) = self.owner {
            rustix::fs::fchown(file, Some(uid), Some(gid))?;
        }
        // After the owner, whose change takes set-id bits away.
        rustix::fs::fchmod(file, self.mode)?;
        Ok(rustix::fs::futimens(file, &self.times())?)
    }

    /// Applies them to a folder.
    pub(super) fn apply(&self, path: &Path) -> io::Result<()> {
        self.apply_to_file(&File::open(path)?)
    }

    pub(super) fn apply_to_link(&self, path: &Path) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner {
            rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(rustix::fs::utimensat(CWD, path, &self.times(), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn times(&self) -> Timestamps {
        let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let mtime = self
            .mtime
            .map_or(omit, |mtime| Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanos.into() });
        Timestamps { last_access: omit, last_modification: mtime }
    }
}
