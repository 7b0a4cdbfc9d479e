//! What a seeder gives to whom, so that each piece leaves it once before any leaves it twice.
//!
//! It counts, for every piece, the copies among its peers and the copies on their way, and has a
//! peer fetch the piece with the fewest: it is suggested (BEP 6). A client that asks for something
//! else is served all the same, and what it asked for counts.

use crate::rarity::Rarity;
use crate::{Lengths, PieceIndex, PieceSet};

/// The copies that the seeder's peers have or are about to have.
pub(crate) struct Giver {
    spread: Rarity,
}

impl Giver {
    /// Nobody has anything.
    pub(crate) fn new(lengths: &Lengths, chance: &mut fastrand::Rng) -> Self {
        Self { spread: Rarity::new(lengths, chance) }
    }

    /// Takes the piece with the fewest copies among those that a peer lacks.
    pub(crate) fn give(
        &mut self,
        have: &PieceSet,
        given: impl Fn(PieceIndex) -> bool,
    ) -> Option<PieceIndex> {
        let lacks = |piece: &PieceIndex| !have.contains(*piece) && !given(*piece);
        let piece = self.spread.listed().iter().copied().find(lacks)?;
        self.spread.add(piece);
        Some(piece)
    }

    /// A copy is there, or on its way.
    pub(crate) fn add(&mut self, piece: PieceIndex) {
        self.spread.add(piece);
    }

    /// A copy is gone, or will not come.
    pub(crate) fn subtract(&mut self, piece: PieceIndex) {
        self.spread.subtract(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_given_once_before_any_is_given_twice() {
        let lengths = Lengths::new(50, 1).unwrap();
        let mut giver = Giver::new(&lengths, &mut fastrand::Rng::with_seed(1));
        let nothing = PieceSet::empty(&lengths);
        for _ in 0..3 {
            let round: std::collections::BTreeSet<_> =
                (0..50).filter_map(|_| giver.give(&nothing, |_| false)).collect();
            assert_eq!(round.len(), 50);
        }
    }

    #[test]
    fn a_copy_that_was_lost_is_given_again_first() {
        let lengths = Lengths::new(50, 1).unwrap();
        let mut giver = Giver::new(&lengths, &mut fastrand::Rng::with_seed(1));
        let nothing = PieceSet::empty(&lengths);
        lengths.iter().for_each(|piece| giver.add(piece));
        giver.subtract(lengths.piece(31).unwrap());
        assert_eq!(giver.give(&nothing, |_| false), lengths.piece(31));
    }

    #[test]
    fn a_peer_is_not_given_what_it_has() {
        let lengths = Lengths::new(2, 1).unwrap();
        let mut giver = Giver::new(&lengths, &mut fastrand::Rng::with_seed(1));
        let mut have = PieceSet::empty(&lengths);
        have.insert(lengths.piece(0).unwrap());
        assert_eq!(giver.give(&have, |_| false), lengths.piece(1));
        assert_eq!(giver.give(&have, |piece| piece.get() == 1), None);
    }
}
