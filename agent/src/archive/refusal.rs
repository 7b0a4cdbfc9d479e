//! Why an archive was not unpacked.

use std::io;
use std::path::PathBuf;

use murder_protocol::Blame;

use crate::blamed::Blamed;

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive can't be read.
    #[error("could not read the archive")]
    Read(#[source] io::Error),
    /// It was stopped before it was done.
    #[error("unpacking was stopped")]
    Stopped,
    /// It is no `.tgz` or `.tar.zst`, or is cut short.
    #[error("the archive is damaged")]
    Corrupt(#[source] io::Error),
    /// An entry that nobody would make by packing a tree.
    #[error("the archive's entry {entry:?} {why}")]
    Refused {
        /// Its name.
        entry: String,
        /// What is wrong with it.
        why: Refusal,
    },
    /// There is more in it than the torrent says.
    #[error(
        "the archive has more in it than the {bytes} bytes in {entries} entries of its torrent"
    )]
    TooMuch {
        /// Bytes of files that were promised.
        bytes: u64,
        /// Entries that were promised.
        entries: u64,
    },
    /// There is less in it than the torrent says.
    #[error("the archive ends after {bytes} of the {promised} bytes of its torrent")]
    Short {
        /// Bytes of files in it.
        bytes: u64,
        /// Bytes that were promised.
        promised: u64,
    },
    /// There are fewer entries in it than the torrent says.
    #[error("the archive has {entries} of the {promised} entries of its torrent")]
    Fewer {
        /// Entries in it.
        entries: u64,
        /// Entries that were promised.
        promised: u64,
    },
    /// The disk is full, or the like.
    #[error("could not write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It begins with a slash.
    #[error("is an absolute path")]
    Absolute,
    /// It has a `..`.
    #[error("leads upwards")]
    Parent,
    /// It is the tree itself, but not a folder.
    #[error("has no name")]
    NoName,
    /// A name above it is a symlink or a file.
    #[error("leads through something that is not a folder of the archive")]
    ThroughOther,
    /// An entry before has the same name.
    #[error("is there twice")]
    Twice,
    /// A hard link to elsewhere.
    #[error("is a hard link that leads out of the tree")]
    LinkOutside,
    /// A hard link to what was not unpacked yet.
    #[error("is a hard link to no file of the archive before it")]
    LinkToNothing,
    /// A block or character device.
    #[error("is a device")]
    Device,
    /// A fifo.
    #[error("is a named pipe")]
    Pipe,
    /// Something that we never pack.
    #[error("is of a kind that is not unpacked")]
    Kind,
}

impl UnpackError {
    /// Whether what was read is wrong, or what is said of it; and not what happened on this host.
    pub(super) const fn is_of_the_archive(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::Write { .. } | Self::Stopped)
    }
}

impl Blamed for UnpackError {
    fn blame(&self) -> Blame {
        match self {
            Self::Read(_) | Self::Write { .. } | Self::Stopped => Blame::Host,
            _ => Blame::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read(_) | Self::Write { .. } | Self::Stopped => None,
            _ => Some("create the torrent anew, on a seeder that you trust".to_owned()),
        }
    }
}
