//! An archive on its way from the machine that packs it to the seeder.
//!
//! [`Pack`] writes its events and its reply as any verb, and after the line of each
//! [`PackEvent::Bytes`] that many bytes of the archive as they are. [`TorrentReceive`] takes just
//! that on its stdin, after its request's line.

use serde::{Deserialize, Serialize};

use crate::verbs::Compression;
use crate::{Bytes, Format, Tag};

/// Packs a path of this machine and leaves nothing on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pack {
    /// The directory, or with `path_is_file` the file; absolute.
    pub path: String,
    /// `path` is one file.
    pub path_is_file: bool,
    /// Glob patterns of what is left out, beside `.git*`.
    pub exclude: Vec<String>,
    /// How the archive is compressed.
    pub compression: Compression,
}

/// What [`Pack`] says before its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackEvent {
    /// The tree was walked.
    Begins {
        /// Bytes of its files.
        tree_bytes: u64,
        /// Bytes of each piece but the last.
        piece_length: u32,
    },
    /// Bytes of the archive follow this line.
    Bytes {
        /// How many.
        length: u32,
        /// So many of the tree's bytes were read.
        read: u64,
    },
}

/// The end of a stream that is whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PackReply {
    /// Files, directories and links in the archive.
    pub entries: u64,
    /// Bytes of the archive.
    pub archive_bytes: u64,
    /// SHA-1 of each of its pieces, one after the other.
    pub pieces: Bytes,
    /// Where its members are.
    pub index: Bytes,
}

/// Takes in an archive, and makes its torrent beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TorrentReceive {
    /// The distribution's name.
    pub tag: Tag,
    /// It holds one file.
    pub path_is_file: bool,
    /// What the archive is.
    pub format: Format,
    /// Where archive and torrent go; without it the agent's own spool.
    pub temp_path: Option<String>,
}
