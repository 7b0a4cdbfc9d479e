//! Hashes the pieces of an archive while it is written (BEP 3).

use std::io::{self, Write};

use sha1::{Digest as _, Sha1};

/// A writer that hashes each piece on its way to `out`.
#[derive(Debug)]
pub(super) struct PieceWriter<W> {
    out: W,
    piece_length: u32,
    hasher: Sha1,
    /// Bytes of the piece so far.
    filled: u32,
    hashes: Vec<[u8; 20]>,
    total: u64,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) total: u64,
    pub(super) hashes: Vec<[u8; 20]>,
}

impl<W: Write> PieceWriter<W> {
    pub(super) fn new(out: W, piece_length: u32) -> Self {
        Self { out, piece_length, hasher: Sha1::new(), filled: 0, hashes: Vec::new(), total: 0 }
    }

    pub(super) fn finish(mut self) -> (W, Pieces) {
        if self.filled > 0 {
            self.end_piece();
        }
        (self.out, Pieces { total: self.total, hashes: self.hashes })
    }

    fn end_piece(&mut self) {
        self.hashes.push(self.hasher.finalize_reset().into());
        self.filled = 0;
    }

    fn hash(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = (self.piece_length - self.filled) as usize;
            let (piece, rest) = bytes.split_at(room.min(bytes.len()));
            self.hasher.update(piece);
            self.filled += u32::try_from(piece.len()).unwrap_or(u32::MAX);
            if self.filled == self.piece_length {
                self.end_piece();
            }
            bytes = rest;
        }
    }
}

impl<W: Write> Write for PieceWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash(&bytes[..written]);
        self.total += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The length of a piece for a tree of so many bytes.
///
/// The piece is the unit in which a swarm's cascade moves: until everybody has something to pass
/// on, a swarm waits for a few of them. But each is told to every neighbour. What both cost together
/// is least with a length that grows with the root of the size, as the swarm's README shows. Below
/// 64 KiB a piece is hardly more than a block.
pub const fn piece_length(tree_bytes: u64) -> u32 {
    let mut length = SHORTEST;
    // To the next power of two, up or down: twice the length is chosen from 1.41 times as long on.
    while length < LONGEST
        && (length as u64 * length as u64) * 2 < tree_bytes.saturating_mul(ROOT_OF)
    {
        length *= 2;
    }
    length
}

const SHORTEST: u32 = 64 << 10;
const LONGEST: u32 = 4 << 20;
/// The length is the root of so many times the size.
const ROOT_OF: u64 = 85;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_hashed_wherever_the_writes_end() {
        let mut writer = PieceWriter::new(Vec::new(), 4);
        for part in [b"a".as_slice(), b"bcdefgh", b"", b"ij"] {
            writer.write_all(part).unwrap();
        }
        let (out, pieces) = writer.finish();
        assert_eq!(out, b"abcdefghij");
        assert_eq!(pieces.total, 10);
        let wanted: Vec<[u8; 20]> =
            [b"abcd".as_slice(), b"efgh", b"ij"].map(|part| Sha1::digest(part).into()).to_vec();
        assert_eq!(pieces.hashes, wanted);
    }

    #[test]
    fn pieces_grow_with_the_root_of_the_size() {
        assert_eq!(piece_length(0), 64 << 10);
        assert_eq!(piece_length(64 << 20), 64 << 10);
        assert_eq!(piece_length(128 << 20), 128 << 10);
        assert_eq!(piece_length(300 << 20), 128 << 10);
        assert_eq!(piece_length(1 << 30), 256 << 10);
        assert_eq!(piece_length(10 << 30), 1 << 20);
        assert_eq!(piece_length(100 << 30), 4 << 20);
        assert_eq!(piece_length(u64::MAX), 4 << 20);
    }
}
