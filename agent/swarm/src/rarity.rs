//! Pieces in the order of how many copies there are, rarest first.

use crate::{Lengths, PieceIndex};

/// Counts the copies of every piece, and keeps some of the pieces sorted by that count.
///
/// A piece with one copy more or less moves by one swap. Among equals the order is that of a
/// shuffle, so peers with different seeds begin with different pieces.
pub(crate) struct Rarity {
    counts: Vec<u32>,
    listed: Vec<PieceIndex>,
    /// Where each piece stands in `listed`.
    places: Vec<u32>,
    /// Where in `listed` the pieces with at least so many copies begin.
    starts: Vec<u32>,
}

impl Rarity {
    /// All pieces, listed, with no copy.
    pub(crate) fn new(lengths: &Lengths, chance: &mut fastrand::Rng) -> Self {
        let mut listed: Vec<_> = lengths.iter().collect();
        chance.shuffle(&mut listed);
        let mut places = vec![0; listed.len()];
        for (place, piece) in (0..).zip(&listed) {
            places[at(*piece)] = place;
        }
        Self { counts: vec![0; listed.len()], listed, places, starts: vec![0] }
    }

    /// How many copies were counted.
    pub(crate) fn copies(&self, piece: PieceIndex) -> u32 {
        self.counts[at(piece)]
    }

    /// The listed pieces, rarest first.
    pub(crate) fn listed(&self) -> &[PieceIndex] {
        &self.listed
    }

    /// Counts a copy more.
    pub(crate) fn add(&mut self, piece: PieceIndex) {
        let count = self.counts[at(piece)] as usize;
        self.counts[at(piece)] += 1;
        if self.is_listed(piece) {
            self.make_start(count + 1);
            self.starts[count + 1] -= 1;
            self.swap(self.places[at(piece)], self.starts[count + 1]);
        }
    }

    /// Counts a copy less.
    pub(crate) fn subtract(&mut self, piece: PieceIndex) {
        let count = self.counts[at(piece)] as usize;
        debug_assert!(count > 0, "a copy goes that never came");
        self.counts[at(piece)] = count.saturating_sub(1) as u32;
        if count > 0 && self.is_listed(piece) {
            self.swap(self.places[at(piece)], self.starts[count]);
            self.starts[count] += 1;
        }
    }

    /// Takes a piece off the list. Its copies are still counted.
    pub(crate) fn unlist(&mut self, piece: PieceIndex) {
        if !self.is_listed(piece) {
            return;
        }
        // The gap moves behind the last piece with as many copies, again and again.
        for count in self.counts[at(piece)] as usize + 1..self.starts.len() {
            self.starts[count] -= 1;
            self.swap(self.places[at(piece)], self.starts[count]);
        }
        let last = self.listed.len() as u32 - 1;
        self.swap(self.places[at(piece)], last);
        self.listed.pop();
        self.places[at(piece)] = OFF;
    }

    /// Puts a piece back on the list.
    pub(crate) fn list(&mut self, piece: PieceIndex) {
        if self.is_listed(piece) {
            return;
        }
        let count = self.counts[at(piece)] as usize;
        self.make_start(count);
        self.places[at(piece)] = self.listed.len() as u32;
        self.listed.push(piece);
        for higher in (count + 1..self.starts.len()).rev() {
            self.swap(self.places[at(piece)], self.starts[higher]);
            self.starts[higher] += 1;
        }
    }

    /// Whether the piece is on the list.
    pub(crate) fn is_listed(&self, piece: PieceIndex) -> bool {
        self.places[at(piece)] != OFF
    }

    fn make_start(&mut self, count: usize) {
        if self.starts.len() <= count {
            self.starts.resize(count + 1, self.listed.len() as u32);
        }
    }

    fn swap(&mut self, one: u32, other: u32) {
        self.listed.swap(one as usize, other as usize);
        self.places[at(self.listed[one as usize])] = one;
        self.places[at(self.listed[other as usize])] = other;
    }
}

fn at(piece: PieceIndex) -> usize {
    piece.get() as usize
}

const OFF: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rarity: &Rarity, listed: &std::collections::BTreeSet<PieceIndex>) {
        let order = rarity.listed();
        assert!(order.iter().map(|piece| rarity.copies(*piece)).is_sorted());
        assert_eq!(&order.iter().copied().collect::<std::collections::BTreeSet<_>>(), listed);
        assert_eq!(order.len(), listed.len());
    }

    #[test]
    fn pieces_stay_sorted_whatever_comes_and_goes() {
        let lengths = Lengths::new(40, 1).unwrap();
        let mut chance = fastrand::Rng::with_seed(7);
        let mut rarity = Rarity::new(&lengths, &mut chance);
        let mut listed: std::collections::BTreeSet<_> = lengths.iter().collect();
        for _ in 0..20_000 {
            let piece = lengths.piece(chance.u32(..40)).unwrap();
            match chance.u8(..4) {
                0 => rarity.add(piece),
                1 if rarity.copies(piece) > 0 => rarity.subtract(piece),
                2 => {
                    rarity.unlist(piece);
                    listed.remove(&piece);
                }
                _ => {
                    rarity.list(piece);
                    listed.insert(piece);
                }
            }
            check(&rarity, &listed);
        }
    }

    #[test]
    fn peers_with_different_seeds_begin_with_different_pieces() {
        let lengths = Lengths::new(1000, 1).unwrap();
        let first = |seed| {
            let mut chance = fastrand::Rng::with_seed(seed);
            Rarity::new(&lengths, &mut chance).listed()[0]
        };
        let firsts: std::collections::BTreeSet<_> = (0..16).map(first).collect();
        assert!(firsts.len() > 12);
        assert_eq!(first(3), first(3));
    }
}
