//! Who sent a piece that did not match its hash.
//!
//! The core never sees the bytes, so of several senders it can't tell which one lied. They become
//! suspects, and a suspect fetches for us alone: nobody else adds to its pieces. The next bad
//! piece is then its own, and a good one clears it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::PieceIndex;

/// Suspects, and the addresses that were found guilty.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    banned: BTreeSet<IpAddr>,
    suspected: BTreeSet<IpAddr>,
    /// Pieces that were bad; fetched from one peer only.
    disputed: BTreeSet<PieceIndex>,
}

/// What a bad piece proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This address sent all of it.
    Guilty(IpAddr),
    /// Several had a part in it.
    Open,
}

impl Suspects {
    /// The piece was wrong, and these addresses sent it.
    pub(crate) fn bad(&mut self, piece: PieceIndex, senders: &[IpAddr]) -> Verdict {
        self.disputed.insert(piece);
        if let [guilty] = *senders {
            self.suspected.remove(&guilty);
            self.banned.insert(guilty);
            return Verdict::Guilty(guilty);
        }
        self.suspected.extend(senders);
        Verdict::Open
    }

    /// The piece was right, and these addresses sent it.
    pub(crate) fn good(&mut self, piece: PieceIndex, senders: &[IpAddr]) {
        self.disputed.remove(&piece);
        if let [innocent] = senders {
            self.suspected.remove(innocent);
        }
    }

    /// Whether the address is not to be talked to.
    pub(crate) fn is_banned(&self, address: IpAddr) -> bool {
        self.banned.contains(&address)
    }

    /// How many addresses are not to be talked to.
    pub(crate) fn banned(&self) -> usize {
        self.banned.len()
    }

    /// Whether a piece from this address must have no other sender.
    pub(crate) fn works_alone(&self, address: IpAddr, piece: PieceIndex) -> bool {
        self.is_suspect(address) || self.disputed.contains(&piece)
    }

    /// Whether the address had a part in a bad piece.
    pub(crate) fn is_suspect(&self, address: IpAddr) -> bool {
        self.suspected.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(index: u32) -> PieceIndex {
        crate::Lengths::new(100, 1).unwrap().piece(index).unwrap()
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn who_alone_sent_a_bad_piece_is_guilty() {
        let mut suspects = Suspects::default();
        assert_eq!(suspects.bad(piece(1), &[address(1)]), Verdict::Guilty(address(1)));
        assert!(suspects.is_banned(address(1)) && !suspects.is_banned(address(2)));
    }

    #[test]
    fn of_two_senders_each_works_alone_until_it_is_cleared_or_convicted() {
        let mut suspects = Suspects::default();
        assert_eq!(suspects.bad(piece(1), &[address(1), address(2)]), Verdict::Open);
        assert!(suspects.works_alone(address(1), piece(7)));
        assert!(suspects.works_alone(address(3), piece(1)));
        assert!(!suspects.works_alone(address(3), piece(7)));
        suspects.good(piece(7), &[address(1)]);
        assert!(!suspects.is_suspect(address(1)));
        assert_eq!(suspects.bad(piece(1), &[address(2)]), Verdict::Guilty(address(2)));
    }
}
