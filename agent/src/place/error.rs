//! Why something can't be put in its place.

use std::io;
use std::path::{Path, PathBuf};

use murder_protocol::{Blame, Size};

use crate::blamed::Blamed;
use crate::home::HomeError;

/// Why something can't be put in its place.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It is not absolute, or `~` means nothing.
    #[error("the destination can't be used")]
    Path(#[source] HomeError),
    /// It has a `..`.
    #[error("the destination {} has .. in it", .0.display())]
    Upwards(PathBuf),
    /// Nobody can mean it.
    #[error("the destination {} is {what}, which is never replaced", path.display())]
    Never {
        /// The destination.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Deleting it would delete more than a tree.
    #[error("the destination {} has {} in it, which is {what}", path.display(), inner.display())]
    Holds {
        /// The destination.
        path: PathBuf,
        /// What must not be deleted.
        inner: PathBuf,
        /// What that is.
        what: &'static str,
    },
    /// It might lead anywhere.
    #[error("the destination {} is a symlink", .0.display())]
    Symlink(PathBuf),
    /// Something is there.
    #[error("the destination {} is there already and not empty", .0.display())]
    NotEmpty(PathBuf),
    /// A file, pipe or socket where a tree is to go.
    #[error("the destination {} is there already and is no directory", .0.display())]
    NotDirectory(PathBuf),
    /// A directory where a file is to go.
    #[error("the destination {} is a directory, which a file never replaces", .0.display())]
    IsDirectory(PathBuf),
    /// Neither file nor directory.
    #[error("the destination {} is no regular file", .0.display())]
    NotFile(PathBuf),
    /// A file is in the way of a folder.
    #[error("{} is no directory, so nothing can be put below it", .0.display())]
    Below(PathBuf),
    /// Too little room.
    #[error("{} has {} free, and {} are needed", path.display(), Size(*free), Size(*needed))]
    Space {
        /// The nearest folder that exists.
        path: PathBuf,
        /// Bytes that the user can still write.
        free: u64,
        /// Bytes of the tree.
        needed: u64,
    },
    /// Too few inodes.
    #[error("{} has room for {free} more files, and {needed} are needed", path.display())]
    Inodes {
        /// The nearest folder that exists.
        path: PathBuf,
        /// Files that can still be made.
        free: u64,
        /// Entries of the tree.
        needed: u64,
    },
    /// Only root can give files away.
    #[error("keep_owner needs root on the host")]
    NotRoot,
    /// The archive should hold one file and holds something else.
    #[error("the archive of a single file has something else in it")]
    NotOneFile,
    /// Permission, disk, and the like.
    #[error("could not {what} {}", path.display())]
    Io {
        /// What was tried: "write to".
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl PlaceError {
    /// For `map_err`: what was tried, and where.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

impl Blamed for PlaceError {
    fn blame(&self) -> Blame {
        match self {
            Self::Io { .. } | Self::Space { .. } | Self::Inodes { .. } => Blame::Host,
            _ => Blame::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Path(error) => return error.hint(),
            Self::Upwards(_) => "write the path without ..",
            Self::Never { .. } | Self::Holds { .. } => "choose a deeper destination_path",
            Self::Symlink(_) => "remove it, or give destination_path what it points to",
            Self::NotEmpty(_) | Self::NotDirectory(_) => {
                "choose another destination_path, or add unsafe_please_delete=1 to replace it"
            }
            Self::IsDirectory(_) | Self::NotFile(_) | Self::Below(_) => {
                "choose another destination_path"
            }
            Self::Space { .. } | Self::Inodes { .. } => "free some, or choose another file system",
            Self::NotRoot => "leave keep_owner out, or log in as root",
            Self::NotOneFile => "create the torrent anew, on a seeder that you trust",
            Self::Io { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_not_root_can_give_nothing_away() {
        assert_eq!(
            PlaceError::NotRoot.failure().to_string(),
            "keep_owner needs root on the host (leave keep_owner out, or log in as root)"
        );
    }
}
