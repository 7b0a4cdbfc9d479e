//! A torrent with its bytes, for tests.

use std::sync::Arc;

use murder_swarm::Lengths;
use murder_swarm::metainfo::{About, Kind, Metainfo, MetainfoBuilder};
use sha1::{Digest as _, Sha1};

/// A torrent and what it is made from.
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    pub(crate) metainfo: Arc<Metainfo>,
}

impl Sample {
    /// Bytes of which no two pieces are alike.
    pub(crate) fn new(len: usize, piece: u32) -> Self {
        let words = (0..len.div_ceil(8) as u64).flat_map(|n| (n * 0x9E37_79B9).to_le_bytes());
        Self::of(words.take(len).collect(), piece)
    }

    /// These bytes.
    pub(crate) fn of(bytes: Vec<u8>, piece: u32) -> Self {
        let hash = |piece: &[u8]| <[u8; 20]>::from(Sha1::digest(piece));
        let pieces: Vec<_> = bytes.chunks(piece as usize).map(hash).collect();
        let torrent = Metainfo::build(&MetainfoBuilder {
            name: "v1.tgz",
            lengths: Lengths::new(bytes.len() as u64, piece).unwrap(),
            pieces: &pieces,
            about: About { kind: Kind::Tree, tree_bytes: 0, entries: 0 },
            nonce: [7; 16],
            announce: None,
            index: None,
        });
        let metainfo = Arc::new(Metainfo::parse(&torrent.unwrap()).unwrap());
        Self { bytes, metainfo }
    }
}

/// A folder that goes with the test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}
