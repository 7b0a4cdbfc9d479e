//! One archive file: the finished one that is served, or the partial one that is being filled.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use murder_swarm::{Lengths, PieceIndex};
use rustix::fs::{Advice, FallocateFlags, FlockOperation};
use rustix::io::Errno;

use super::DiskError;

/// An open archive. Reads and writes go to explicit offsets, so threads share it freely.
#[derive(Debug)]
pub struct Archive {
    file: File,
    path: PathBuf,
    lengths: Lengths,
}

/// What a partial file was when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was made just now, and holds nothing.
    Nothing,
    /// It was there; what it holds has to be verified.
    Something,
}

impl Archive {
    /// Opens a finished archive to serve it. Its length is checked, its content is not.
    pub fn open(path: &Path, lengths: Lengths) -> Result<Self, DiskError> {
        let open = |source| DiskError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(open)?;
        let found = file.metadata().map_err(open)?.len();
        if found != lengths.total() {
            let expected = lengths.total();
            return Err(DiskError::Length { path: path.to_owned(), expected, found });
        }
        Ok(Self { file, path: path.to_owned(), lengths })
    }

    /// Opens or makes a partial file, and reserves its whole length, so that a full disk shows
    /// now and not in the middle. A file of another length is cut or grown.
    pub fn open_partial(path: &Path, lengths: Lengths) -> Result<(Self, Found), DiskError> {
        let open = |source| DiskError::Open { path: path.to_owned(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(open)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(DiskError::InUse { path: path.to_owned() }),
            locked => locked.map_err(|errno| open(errno.into()))?,
        }
        let before = file.metadata().map_err(open)?.len();
        if before > lengths.total() {
            file.set_len(lengths.total()).map_err(open)?;
        }
        reserve(&file, lengths.total()).map_err(|source| {
            // An empty file of ours would look like data to keep.
            if before == 0 {
                let _ = std::fs::remove_file(path);
            }
            DiskError::Room { path: path.to_owned(), bytes: lengths.total(), source }
        })?;
        let found = if before == 0 { Found::Nothing } else { Found::Something };
        Ok((Self { file, path: path.to_owned(), lengths }, found))
    }

    /// The open file, for `sendfile`.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lengths of its torrent.
    pub const fn lengths(&self) -> Lengths {
        self.lengths
    }

    /// Writes bytes from `offset` on.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let write = |source| DiskError::Write { path: self.path.clone(), offset, source };
        self.file.write_all_at(bytes, offset).map_err(write)
    }

    /// Reads bytes from `offset` on until the buffer is full.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let read = |source| DiskError::Read { path: self.path.clone(), offset, source };
        self.file.read_exact_at(buffer, offset).map_err(read)
    }

    /// Tells the kernel that a range will be read soon, so that `sendfile` finds it in memory.
    pub fn will_need(&self, offset: u64, len: u64) {
        let len = std::num::NonZeroU64::new(len);
        // Advice is only advice: a file system that takes none reads when it has to.
        let _ = rustix::fs::fadvise(&self.file, offset, len, Advice::WillNeed);
    }

    /// Lets the kernel write a piece to disk that was filled just now. The advice is that nobody
    /// will read it soon, which makes Linux begin to write; pages that are not written yet stay in
    /// memory (posix_fadvise(2)).
    pub fn start_sync(&self, piece: PieceIndex) {
        let len = std::num::NonZeroU64::new(self.lengths.size(piece).into());
        // A file system that takes no advice writes when it has to.
        let _ = rustix::fs::fadvise(&self.file, self.lengths.offset(piece), len, Advice::DontNeed);
    }

    /// Waits until all that was written is safe on the disk.
    pub fn sync(&self) -> Result<(), DiskError> {
        let path = self.path.clone();
        self.file.sync_all().map_err(|source| DiskError::Finish { path, source })
    }

    /// Gives a partial file that holds every piece, synced, its final name.
    pub fn rename(&self, name: &Path) -> Result<(), DiskError> {
        let finish = |source| DiskError::Finish { path: name.to_owned(), source };
        std::fs::rename(&self.path, name).map_err(finish)?;
        let folder = name.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(finish)
    }
}

/// Reserves blocks where the file system can, else just the length.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let space = rustix::fs::fstatvfs(file)?;
            let there = rustix::fs::fstat(file)?.st_blocks.cast_unsigned() * STAT_BLOCK;
            if space.f_bavail.saturating_mul(space.f_frsize) + there < bytes {
                return Err(Errno::NOSPC.into());
            }
            file.set_len(bytes)
        }
        other => other.map_err(io::Error::from),
    }
}

/// The unit of `st_blocks`, whatever the file system's own is (stat(2)).
const STAT_BLOCK: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn lengths() -> Lengths {
        Lengths::new(10_000, 4096).unwrap()
    }

    #[test]
    fn a_partial_file_is_private_and_has_its_whole_length_at_once() {
        let folder = crate::engine::testing::folder();
        let path = folder.path().join("v1.tgz.part");
        let (_archive, found) = Archive::open_partial(&path, lengths()).unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(found, Found::Nothing);
        assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (10_000, 0o600));
    }

    #[test]
    fn a_partial_file_of_another_torrent_gets_this_ones_length() {
        let folder = crate::engine::testing::folder();
        let path = folder.path().join("v1.tgz.part");
        std::fs::write(&path, [7; 20_000]).unwrap();
        let (_archive, found) = Archive::open_partial(&path, lengths()).unwrap();
        assert_eq!((found, std::fs::metadata(&path).unwrap().len()), (Found::Something, 10_000));
    }

    #[test]
    fn what_was_written_is_read_and_has_its_final_name_when_finished() {
        let folder = crate::engine::testing::folder();
        let (path, name) = (folder.path().join("v1.tgz.part"), folder.path().join("v1.tgz"));
        let (archive, _) = Archive::open_partial(&path, lengths()).unwrap();
        archive.write(4096, &[1; 3000]).unwrap();
        archive.write(7096, &[2; 1096]).unwrap();
        let mut read = [0; 2];
        archive.read(7095, &mut read).unwrap();
        assert_eq!(read, [1, 2]);
        archive.sync().unwrap();
        archive.rename(&name).unwrap();
        let bytes = std::fs::read(&name).unwrap();
        assert_eq!((bytes[4095], bytes[4096], bytes[7096], bytes[8192]), (0, 1, 2, 0));
        assert!(!path.exists());
    }

    #[test]
    fn two_processes_never_fill_the_same_partial_file() {
        let folder = crate::engine::testing::folder();
        let path = folder.path().join("v1.tgz.part");
        let (_held, _) = Archive::open_partial(&path, lengths()).unwrap();
        let error = Archive::open_partial(&path, lengths()).unwrap_err();
        assert_eq!(error.to_string(), format!("another process is filling {}", path.display()));
    }

    #[test]
    fn an_archive_of_another_length_is_refused() {
        let folder = crate::engine::testing::folder();
        let path = folder.path().join("v1.tgz");
        std::fs::write(&path, [7; 9_999]).unwrap();
        let error = Archive::open(&path, lengths()).unwrap_err();
        assert!(matches!(error, DiskError::Length { expected: 10_000, found: 9_999, .. }));
    }
}
