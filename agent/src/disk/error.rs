//! What can go wrong with an archive on disk.

use std::io;
use std::path::{Path, PathBuf};

use murder_protocol::{Blame, Size};
use murder_swarm::PieceIndex;

use crate::blamed::Blamed;

/// Why the disk did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The file can't be opened or made.
    #[error("can't open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else works on the same partial file.
    #[error("another process is filling {}", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// There is no room for the whole archive.
    #[error("no room for the {} of {}", Size(*bytes), path.display())]
    Room {
        /// The file.
        path: PathBuf,
        /// Bytes of the whole file.
        bytes: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The archive is not as long as its torrent says.
    #[error("{} has {found} bytes, its torrent says {expected}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes that the torrent says.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The archive is not the one that the torrent was made from.
    #[error("{} does not match its torrent: the hash of piece {} differs", path.display(), piece.get())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The first piece that was found to differ.
        piece: PieceIndex,
    },
    /// A read failed.
    #[error("can't read {} at byte {offset}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A write failed.
    #[error("can't write {} at byte {offset}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The finished file can't be synced or given its name.
    #[error("can't finish {}", path.display())]
    Finish {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Blamed for DiskError {
    fn blame(&self) -> Blame {
        match self {
            Self::InUse { .. } | Self::Mismatch { .. } | Self::Length { .. } => Blame::Operator,
            _ => Blame::Host,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Mismatch { .. } | Self::Length { .. } => {
                "run create_torrent again, the archive was changed since".to_owned()
            }
            Self::InUse { .. } => "wait for it, or give each of them a temp_path".to_owned(),
            Self::Open { path, source }
            | Self::Room { path, source, .. }
            | Self::Read { path, source, .. }
            | Self::Write { path, source, .. }
            | Self::Finish { path, source } => hint(source, path),
        })
    }
}

fn hint(source: &io::Error, path: &Path) -> String {
    let folder = path.parent().unwrap_or(path).display();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("free space below {folder}, or set temp_path to a larger file system")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            format!("make {folder} writable, or set temp_path to a folder that is")
        }
        io::ErrorKind::NotFound => format!("see that {folder} exists"),
        _ => format!("look at the disk below {folder}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_names_path_and_bytes_and_says_what_to_do() {
        let error = DiskError::Room {
            path: "/spool/v1.tgz.part".into(),
            bytes: 7,
            source: rustix::io::Errno::NOSPC.into(),
        };
        assert_eq!(
            error.failure().to_string(),
            "no room for the 7 B of /spool/v1.tgz.part: No space left on device (os error 28) \
             (free space below /spool, or set temp_path to a larger file system)"
        );
        assert_eq!(error.failure().blame, Blame::Host);
    }

    #[test]
    fn an_archive_of_another_length_is_the_operators_to_mend() {
        let error = DiskError::Length { path: "/spool/v1.tgz".into(), expected: 8, found: 7 };
        assert_eq!(
            error.failure().to_string(),
            "/spool/v1.tgz has 7 bytes, its torrent says 8 \
             (run create_torrent again, the archive was changed since)"
        );
    }
}
