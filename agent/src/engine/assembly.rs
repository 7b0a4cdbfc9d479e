//! The blocks of pieces that are not whole yet.

use std::collections::BTreeMap;

use murder_swarm::{Block, Lengths, PieceIndex};

/// Payloads by piece, in the order in which they came. The core says which to keep.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    pieces: BTreeMap<PieceIndex, Vec<(u32, Vec<u8>)>>,
}

impl Assembly {
    /// Keeps a payload.
    pub(super) fn keep(&mut self, block: Block, payload: Vec<u8>) {
        self.pieces.entry(block.piece).or_default().push((block.begin, payload));
    }

    /// Takes out the bytes of a whole piece, as buffers in order. Nothing if there is a gap.
    pub(super) fn take(&mut self, piece: PieceIndex, lengths: &Lengths) -> Option<Vec<Vec<u8>>> {
        let blocks = self.pieces.remove(&piece)?;
        let size = lengths.size(piece) as usize;
        let mut order: Vec<_> =
            blocks.iter().map(|(begin, p)| (*begin as usize, p.len())).collect();
        order.sort_unstable();
        let (mut reach, mut overlap) = (0, false);
        for (begin, len) in order {
            if begin > reach {
                return None;
            }
            overlap |= begin < reach;
            reach = reach.max(begin + len);
        }
        match reach == size {
            false => None,
            true if overlap => Some(vec![overlay(blocks, size)]),
            true => Some(in_order(blocks)),
        }
    }
}

fn in_order(mut blocks: Vec<(u32, Vec<u8>)>) -> Vec<Vec<u8>> {
    blocks.sort_by_key(|(begin, _)| *begin);
    blocks.into_iter().map(|(_, payload)| payload).collect()
}

/// One buffer with each payload laid over those that came before it: clients that serve blocks of
/// different lengths were asked for the same bytes.
fn overlay(blocks: Vec<(u32, Vec<u8>)>, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for (begin, payload) in blocks {
        bytes[begin as usize..][..payload.len()].copy_from_slice(&payload);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(lengths: &Lengths, begin: u32, len: u32) -> Block {
        lengths.block(0, begin, len).unwrap()
    }

    #[test]
    fn a_piece_is_its_blocks_in_order_whatever_order_they_came_in() {
        let lengths = Lengths::new(5, 5).unwrap();
        let piece = lengths.piece(0).unwrap();
        let mut assembly = Assembly::default();
        assembly.keep(block(&lengths, 3, 2), vec![3, 4]);
        assembly.keep(block(&lengths, 0, 3), vec![0, 1, 2]);
        assert_eq!(assembly.take(piece, &lengths), Some(vec![vec![0, 1, 2], vec![3, 4]]));
        assert_eq!(assembly.take(piece, &lengths), None);
    }

    #[test]
    fn a_piece_with_a_gap_is_not_whole() {
        let lengths = Lengths::new(5, 5).unwrap();
        let mut assembly = Assembly::default();
        assembly.keep(block(&lengths, 3, 2), vec![3, 4]);
        assert_eq!(assembly.take(lengths.piece(0).unwrap(), &lengths), None);
    }

    #[test]
    fn of_bytes_that_came_twice_the_later_ones_count() {
        let lengths = Lengths::new(5, 5).unwrap();
        let mut assembly = Assembly::default();
        assembly.keep(block(&lengths, 2, 2), vec![9, 9]);
        assembly.keep(block(&lengths, 0, 3), vec![0, 1, 2]);
        assembly.keep(block(&lengths, 3, 2), vec![3, 4]);
        let piece = lengths.piece(0).unwrap();
        assert_eq!(assembly.take(piece, &lengths), Some(vec![vec![0, 1, 2, 3, 4]]));
    }
}
