//! What several of the tracker's tests need.

use murder_protocol::Bytes;
use murder_swarm::Lengths;
use murder_swarm::metainfo::{About, Kind, Metainfo, MetainfoBuilder};

/// A torrent of 100 bytes that differs from those with other numbers.
pub(crate) fn torrent_file(number: u8) -> Bytes {
    let about = About { kind: Kind::Tree, tree_bytes: 90, entries: 3 };
    let builder = MetainfoBuilder {
        name: "v1.tgz",
        lengths: Lengths::new(100, 1 << 14).unwrap(),
        pieces: &[[7; 20]],
        about,
        nonce: [number; 16],
        announce: None,
        index: None,
    };
    Bytes(Metainfo::build(&builder).unwrap())
}
