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
}
