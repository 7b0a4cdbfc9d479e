//! Pieces and blocks: the arithmetic, and sets of pieces.
//!
//! An index can only be had from the [`Lengths`] that checked it, so the rest of the crate never
//! asks whether a piece exists.

/// A piece of one torrent, known to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceIndex(u32);

impl PieceIndex {
    /// The index as it stands on the wire.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A range of bytes in a piece (BEP 3: "index, begin, length").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The piece.
    pub piece: PieceIndex,
    /// Offset in the piece, in bytes.
    pub begin: u32,
    /// Bytes.
    pub len: u32,
}

/// How long a torrent, its pieces and its last piece are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    total: u64,
    piece: u32,
    count: u32,
}

impl Lengths {
    /// Checks the two numbers of an info dictionary.
    pub fn new(total: u64, piece: u32) -> Result<Self, LengthsError> {
        if piece == 0 {
            return Err(LengthsError::NoPieceLength);
        }
        if total == 0 {
            return Err(LengthsError::Empty);
        }
        let count = total.div_ceil(u64::from(piece));
        let count = u32::try_from(count).map_err(|_| LengthsError::TooMany(count))?;
        Ok(Self { total, piece, count })
    }

    /// Bytes of the whole torrent.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Bytes of each piece but the last.
    pub const fn piece_length(&self) -> u32 {
        self.piece
    }

    /// Number of pieces.
    pub const fn pieces(&self) -> u32 {
        self.count
    }

    /// The piece with this index, if there is one.
    pub fn piece(&self, index: u32) -> Option<PieceIndex> {
        (index < self.count).then_some(PieceIndex(index))
    }

    /// All pieces in order.
    pub fn iter(&self) -> impl Iterator<Item = PieceIndex> + use<> {
        (0..self.count).map(PieceIndex)
    }

    /// Bytes of a piece.
    pub fn size(&self, piece: PieceIndex) -> u32 {
        let rest = self.total - self.offset(piece);
        u32::try_from(rest).map_or(self.piece, |rest| rest.min(self.piece))
    }

    /// Where a piece begins in the torrent.
    pub const fn offset(&self, piece: PieceIndex) -> u64 {
        piece.0 as u64 * self.piece as u64
    }

    /// The block, if it lies within its piece and is not empty.
    pub fn block(&self, index: u32, begin: u32, len: u32) -> Option<Block> {
        let piece = self.piece(index)?;
        let end = begin.checked_add(len)?;
        (len > 0 && end <= self.size(piece)).then_some(Block { piece, begin, len })
    }
}

/// The length of a piece for a torrent of so many bytes.
///
/// The piece is the unit in which a swarm's cascade moves: until everybody has something to pass
/// on, a swarm waits for a few of them. But each is told to every neighbour. What both cost together
/// is least with a length that grows with the root of the size, as the swarm's README shows. Below
/// 64 KiB a piece is hardly more than a block.
pub const fn piece_length(total: u64) -> u32 {
    let mut length = SHORTEST;
    // To the next power of two, up or down: twice the length is chosen from 1.41 times as long on.
    while length < LONGEST && (length as u64 * length as u64) * 2 < total.saturating_mul(ROOT_OF) {
        length *= 2;
    }
    length
}

const SHORTEST: u32 = 64 << 10;
const LONGEST: u32 = 4 << 20;
/// The length is the root of so many times the size.
const ROOT_OF: u64 = 85;

/// Why two numbers are not those of a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LengthsError {
    /// The piece length is 0.
    #[error("the piece length is 0")]
    NoPieceLength,
    /// There is nothing in it.
    #[error("the torrent has no bytes")]
    Empty,
    /// The wire has 32 bits for an index.
    #[error("{0} pieces are more than the protocol can count")]
    TooMany(u64),
}

/// A set of pieces, in the form of BEP 3's bitfield: the high bit of the first byte is piece 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceSet {
    bits: Vec<u8>,
    pieces: u32,
    len: u32,
}

impl PieceSet {
    /// No piece of a torrent with so many.
    pub fn empty(lengths: &Lengths) -> Self {
        let pieces = lengths.pieces();
        Self { bits: vec![0; pieces.div_ceil(8) as usize], pieces, len: 0 }
    }

    /// Every piece.
    pub fn full(lengths: &Lengths) -> Self {
        let mut set = Self::empty(lengths);
        lengths.iter().for_each(|piece| {
            set.insert(piece);
        });
        set
    }

    /// Reads a bitfield. Spare bits must be zero and its length exact (BEP 3).
    pub fn from_bitfield(lengths: &Lengths, bits: &[u8]) -> Option<Self> {
        let mut set = Self::empty(lengths);
        if bits.len() != set.bits.len() {
            return None;
        }
        let spare = bits.len() * 8 - set.pieces as usize;
        if spare > 0 && bits[bits.len() - 1] & ((1 << spare) - 1) != 0 {
            return None;
        }
        set.bits.copy_from_slice(bits);
        set.len = bits.iter().map(|byte| byte.count_ones()).sum();
        Some(set)
    }

    /// The bitfield's bytes.
    pub fn as_bitfield(&self) -> &[u8] {
        &self.bits
    }

    /// Whether the piece is in the set.
    pub fn contains(&self, piece: PieceIndex) -> bool {
        self.bits[(piece.0 / 8) as usize] & (0x80 >> (piece.0 % 8)) != 0
    }

    /// Puts a piece in; says whether it was new.
    pub fn insert(&mut self, piece: PieceIndex) -> bool {
        let new = !self.contains(piece);
        self.bits[(piece.0 / 8) as usize] |= 0x80 >> (piece.0 % 8);
        self.len += u32::from(new);
        new
    }

    /// Takes a piece out; says whether it was there.
    pub fn remove(&mut self, piece: PieceIndex) -> bool {
        let there = self.contains(piece);
        self.bits[(piece.0 / 8) as usize] &= !(0x80 >> (piece.0 % 8));
        self.len -= u32::from(there);
        there
    }

    /// How many pieces are in it.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether no piece is in it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether every piece is in it.
    pub const fn is_full(&self) -> bool {
        self.len == self.pieces
    }

    /// How many pieces it has that another set lacks.
    pub fn count_beyond(&self, other: &Self) -> u32 {
        self.bits.iter().zip(&other.bits).map(|(ours, theirs)| (ours & !theirs).count_ones()).sum()
    }

    /// The pieces in order.
    pub fn iter(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        (0..self.pieces).map(PieceIndex).filter(|piece| self.contains(*piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten_bytes_in_pieces_of_four() -> Lengths {
        Lengths::new(10, 4).unwrap()
    }

    #[test]
    fn the_last_piece_is_what_is_left() {
        let lengths = ten_bytes_in_pieces_of_four();
        let sizes: Vec<_> = lengths.iter().map(|piece| lengths.size(piece)).collect();
        assert_eq!(sizes, [4, 4, 2]);
        assert_eq!(lengths.offset(lengths.piece(2).unwrap()), 8);
    }

    #[test]
    fn a_piece_or_block_outside_the_torrent_can_not_be_had() {
        let lengths = ten_bytes_in_pieces_of_four();
        assert!(lengths.piece(3).is_none());
        assert!(lengths.block(2, 1, 2).is_none());
        assert!(lengths.block(0, u32::MAX, 2).is_none());
        assert!(lengths.block(0, 0, 0).is_none());
        assert!(lengths.block(2, 0, 2).is_some());
    }

    #[test]
    fn a_torrent_has_bytes_and_a_piece_length() {
        assert_eq!(Lengths::new(1, 0), Err(LengthsError::NoPieceLength));
        assert_eq!(Lengths::new(0, 1), Err(LengthsError::Empty));
        assert_eq!(Lengths::new(1 << 33, 1), Err(LengthsError::TooMany(1 << 33)));
    }

    #[test]
    fn a_bitfield_with_a_spare_bit_set_or_of_another_length_is_refused() {
        let lengths = ten_bytes_in_pieces_of_four();
        assert!(PieceSet::from_bitfield(&lengths, &[0b1110_0000]).unwrap().is_full());
        assert!(PieceSet::from_bitfield(&lengths, &[0b1111_0000]).is_none());
        assert!(PieceSet::from_bitfield(&lengths, &[0b1110_0000, 0]).is_none());
        assert!(PieceSet::from_bitfield(&lengths, &[]).is_none());
    }

    #[test]
    fn a_set_counts_its_pieces() {
        let lengths = ten_bytes_in_pieces_of_four();
        let mut set = PieceSet::empty(&lengths);
        let last = lengths.piece(2).unwrap();
        assert!(set.insert(last) && !set.insert(last));
        assert_eq!((set.len(), set.as_bitfield()), (1, [0b0010_0000].as_slice()));
        assert!(set.remove(last) && !set.remove(last) && set.is_empty());
        assert!(PieceSet::full(&lengths).is_full());
    }

    #[test]
    fn what_a_set_has_beyond_another_is_counted() {
        let lengths = ten_bytes_in_pieces_of_four();
        let mut two = PieceSet::full(&lengths);
        two.remove(lengths.piece(1).unwrap());
        assert_eq!(PieceSet::full(&lengths).count_beyond(&two), 1);
        assert_eq!(two.count_beyond(&PieceSet::empty(&lengths)), 2);
        assert_eq!(two.count_beyond(&PieceSet::full(&lengths)), 0);
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
