//! One piece that is being fetched.

use crate::{Block, Lengths, PieceIndex};

/// Which bytes of a piece are here, which were asked for, and which are still free.
///
/// It counts in cells of 16 KiB, the block that every client serves, so that requests of
/// different lengths to different peers fit together.
#[derive(Clone, Debug)]
pub(crate) struct Partial {
    piece: PieceIndex,
    size: u32,
    cells: Vec<Cell>,
    free: u32,
    missing: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    /// Nobody was asked, or nobody who may still answer in time.
    Free,
    /// So many peers were asked.
    Asked(u8),
    /// It is here.
    Here,
}

/// What became of a block that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was here already.
    Known,
    /// It was missing, and so are others.
    New,
    /// It was the last one.
    Last,
}

impl Partial {
    /// A piece of which nothing is here.
    pub(crate) fn new(lengths: &Lengths, piece: PieceIndex) -> Self {
        let size = lengths.size(piece);
        let cells = size.div_ceil(CELL);
        Self { piece, size, cells: vec![Cell::Free; cells as usize], free: cells, missing: cells }
    }

    /// Whether there is something that nobody was asked for.
    pub(crate) fn has_free(&self) -> bool {
        self.free > 0
    }

    /// Whether every byte is here.
    pub(crate) fn is_whole(&self) -> bool {
        self.missing == 0
    }

    /// Takes the first free bytes, `longest` at the most.
    pub(crate) fn take_free(&mut self, longest: u32) -> Option<Block> {
        let first = self.cells.iter().position(|cell| *cell == Cell::Free)?;
        let most = (longest / CELL).max(1) as usize;
        let taken = self.cells[first..]
            .iter_mut()
            .take(most)
            .take_while(|cell| **cell == Cell::Free)
            .map(|cell| *cell = Cell::Asked(1))
            .count();
        self.free -= taken as u32;
        Some(self.block(first, taken))
    }

    /// Takes bytes of a block that one other peer was asked for and has not sent.
    pub(crate) fn take_again(&mut self, block: Block, longest: u32) -> Option<Block> {
        let most = (longest / CELL).max(1) as usize;
        let range = range(block);
        let first = range.clone().find(|cell| self.cells[*cell] == Cell::Asked(1))?;
        let taken = self.cells[first..range.end]
            .iter_mut()
            .take(most)
            .take_while(|cell| **cell == Cell::Asked(1))
            .map(|cell| *cell = Cell::Asked(2))
            .count();
        Some(self.block(first, taken))
    }

    /// A peer will not answer.
    pub(crate) fn give_back(&mut self, block: Block) {
        for cell in &mut self.cells[range(block)] {
            *cell = match *cell {
                Cell::Asked(1) => {
                    self.free += 1;
                    Cell::Free
                }
                Cell::Asked(peers) => Cell::Asked(peers - 1),
                other => other,
            };
        }
    }

    /// A peer has answered.
    pub(crate) fn put(&mut self, block: Block) -> Arrival {
        let mut new = false;
        for cell in &mut self.cells[range(block)] {
            if *cell != Cell::Here {
                self.free -= u32::from(*cell == Cell::Free);
                self.missing -= 1;
                *cell = Cell::Here;
                new = true;
            }
        }
        match (new, self.missing) {
            (false, _) => Arrival::Known,
            (true, 0) => Arrival::Last,
            (true, _) => Arrival::New,
        }
    }

    /// Whether any byte of the block is not here.
    pub(crate) fn lacks(&self, block: Block) -> bool {
        self.cells[range(block)].iter().any(|cell| *cell != Cell::Here)
    }

    fn block(&self, first: usize, cells: usize) -> Block {
        let begin = first as u32 * CELL;
        let end = ((first + cells) as u32).saturating_mul(CELL).min(self.size);
        Block { piece: self.piece, begin, len: end - begin }
    }
}

fn range(block: Block) -> std::ops::Range<usize> {
    (block.begin / CELL) as usize..(block.begin + block.len).div_ceil(CELL) as usize
}

/// The block length that every client serves. BEP 3: "All current implementations use 2^14
/// (16 kiB)".
pub(crate) const CELL: u32 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn piece_of(size: u32) -> Partial {
        let lengths = Lengths::new(size.into(), size).unwrap();
        Partial::new(&lengths, lengths.piece(0).unwrap())
    }

    fn span(block: Block) -> (u32, u32) {
        (block.begin, block.len)
    }

    #[test]
    fn requests_of_different_lengths_cover_a_piece_once() {
        let mut partial = piece_of(5 * CELL + 100);
        assert_eq!(partial.take_free(CELL).map(span), Some((0, CELL)));
        assert_eq!(partial.take_free(4 * CELL).map(span), Some((CELL, 4 * CELL)));
        assert_eq!(partial.take_free(4 * CELL).map(span), Some((5 * CELL, 100)));
        assert!(partial.take_free(CELL).is_none() && !partial.has_free());
    }

    #[test]
    fn what_was_given_back_is_free_again_but_for_what_came_meanwhile() {
        let mut partial = piece_of(4 * CELL);
        let block = partial.take_free(4 * CELL).unwrap();
        assert_eq!(partial.put(Block { begin: CELL, len: CELL, ..block }), Arrival::New);
        partial.give_back(block);
        assert_eq!(partial.take_free(4 * CELL).map(span), Some((0, CELL)));
        assert_eq!(partial.take_free(4 * CELL).map(span), Some((2 * CELL, 2 * CELL)));
    }

    #[test]
    fn a_block_is_asked_twice_but_never_three_times() {
        let mut partial = piece_of(2 * CELL);
        let first = partial.take_free(2 * CELL).unwrap();
        assert_eq!(partial.take_again(first, CELL).map(span), Some((0, CELL)));
        assert_eq!(partial.take_again(first, 2 * CELL).map(span), Some((CELL, CELL)));
        assert!(partial.take_again(first, 2 * CELL).is_none());
    }

    #[test]
    fn the_last_block_is_said_to_be_the_last_and_a_second_copy_to_be_known() {
        let mut partial = piece_of(CELL + 1);
        let first = partial.take_free(CELL).unwrap();
        let second = partial.take_free(CELL).unwrap();
        assert_eq!(partial.put(second), Arrival::New);
        assert_eq!(partial.put(second), Arrival::Known);
        assert!(partial.lacks(first) && !partial.lacks(second) && !partial.is_whole());
        assert_eq!(partial.put(first), Arrival::Last);
        assert!(partial.is_whole());
    }
}
