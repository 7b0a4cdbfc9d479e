//! What a tag's archive is: its file's name says it, in the torrent as on disk.

use serde::{Deserialize, Serialize};

use crate::Tag;

/// The format of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A tar archive in gzip members, which may be stored ones.
    Tgz,
    /// A tar archive in frames of zstd.
    TarZst,
}

impl Format {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Tgz, Self::TarZst];

    /// How the archive's name ends.
    pub const fn end(self) -> &'static str {
        match self {
            Self::Tgz => ".tgz",
            Self::TarZst => ".tar.zst",
        }
    }

    /// What the archive of a tag is called.
    pub fn name(self, tag: &Tag) -> String {
        format!("{tag}{}", self.end())
    }

    /// That of an archive by the name that its torrent has for it, which may be anything if another
    /// program has made it.
    pub fn of(name: &str) -> Self {
        if name.ends_with(Self::TarZst.end()) { Self::TarZst } else { Self::Tgz }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Tgz => Self::TarZst,
            Self::TarZst => Self::Tgz,
        }
    }
}
