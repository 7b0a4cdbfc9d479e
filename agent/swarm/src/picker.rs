//! Which block to ask a peer for.
//!
//! What a peer began it finishes. Then come the pieces that it suggests (BEP 6), those that others
//! began, and the rarest one.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::partial::{Arrival, Partial};
use crate::rarity::Rarity;
use crate::suspects::Suspects;
use crate::{Block, Lengths, PieceIndex, PieceSet};

/// The pieces that are not here yet.
pub(crate) struct Picker<Id> {
    lengths: Lengths,
    /// Copies among the peers that do not have every piece. Listed are the pieces to begin.
    rarity: Rarity,
    begun: BTreeMap<PieceIndex, Begun<Id>>,
    /// Rises whenever something can be asked for that could not be before.
    epoch: u64,
}

struct Begun<Id> {
    partial: Partial,
    senders: Vec<IpAddr>,
    /// The only peer that may add to it.
    only: Option<Id>,
    /// Somebody was asked for a part that another may still send.
    contested: bool,
}

/// A peer that is to be asked for something.
pub(crate) struct Source<'a, Id> {
    /// The peer.
    pub(crate) id: Id,
    /// Where it is.
    pub(crate) address: IpAddr,
    /// What it has.
    pub(crate) have: &'a PieceSet,
    /// The only pieces that it would send now, if it does not send every one.
    pub(crate) allowed: Option<&'a [PieceIndex]>,
    /// The longest block that it sends.
    pub(crate) block: u32,
    /// What it was asked for last.
    pub(crate) working: Option<PieceIndex>,
}

/// Where to look for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// In every piece.
    Any,
    /// In the piece that it works at and those that it suggests: it knows best.
    Suggested,
    /// In the piece that it works at.
    Working,
}

/// What became of a block that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is of no use.
    Useless,
    /// It was missing.
    Kept {
        /// Others may have been asked for it.
        contested: bool,
        /// It was the last one of its piece.
        whole: bool,
    },
}

impl<Id: Copy + Ord> Picker<Id> {
    /// Everything but `have` is to be fetched.
    pub(crate) fn new(lengths: Lengths, have: &PieceSet, chance: &mut fastrand::Rng) -> Self {
        let mut rarity = Rarity::new(&lengths, chance);
        have.iter().for_each(|piece| rarity.unlist(piece));
        Self { lengths, rarity, begun: BTreeMap::new(), epoch: 0 }
    }

    /// Copies of the pieces among the peers that do not have all of them.
    pub(crate) fn rarity(&mut self) -> &mut Rarity {
        &mut self.rarity
    }

    /// Rises whenever something can be asked for that could not be before.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the piece is missing and nobody was asked for it.
    pub(crate) fn is_fresh(&self, piece: PieceIndex) -> bool {
        self.rarity.is_listed(piece)
    }

    /// Whether some piece can only be had from peers that have all of them.
    pub(crate) fn needs_seeds(&self) -> bool {
        self.rarity.listed().first().is_some_and(|piece| self.rarity.copies(*piece) == 0)
    }

    /// Whether everything that is missing was asked for.
    pub(crate) fn is_endgame(&self) -> bool {
        self.rarity.listed().is_empty()
            && self.begun.values().all(|begun| !begun.partial.has_free())
    }

    /// Takes the next block for a peer.
    pub(crate) fn pick(
        &mut self,
        source: &Source<'_, Id>,
        suggested: &mut VecDeque<PieceIndex>,
        choice: Choice,
        suspects: &Suspects,
    ) -> Option<Block> {
        if let Some(working) = source.working
            && self.may_add(source, working, suspects)
        {
            return self.take(source, working);
        }
        if choice == Choice::Working {
            return None;
        }
        if let Some(piece) = self.next_suggested(source, suggested) {
            return self.begin(source, piece, suspects);
        }
        if choice == Choice::Suggested {
            return None;
        }
        if let Some(piece) = self.next_begun(source, suspects) {
            return self.take(source, piece);
        }
        let piece = self.next_fresh(source)?;
        self.begin(source, piece, suspects)
    }

    /// Whether [`Picker::pick`] would find something.
    pub(crate) fn can_pick(&self, source: &Source<'_, Id>, suspects: &Suspects) -> bool {
        self.next_begun(source, suspects).is_some() || self.next_fresh(source).is_some()
    }

    /// Takes a block, or its beginning, that another peer was asked for.
    pub(crate) fn pick_again(
        &mut self,
        source: &Source<'_, Id>,
        block: Block,
        suspects: &Suspects,
    ) -> Option<Block> {
        let begun = self.begun.get_mut(&block.piece)?;
        if !may_send(source, block.piece) || !is_open(begun, source, suspects) {
            return None;
        }
        begun.contested = true;
        begun.partial.take_again(block, source.block)
    }

    /// The peer will not send the block, at least not in time.
    pub(crate) fn give_back(&mut self, id: Id, block: Block) {
        let Some(begun) = self.begun.get_mut(&block.piece) else { return };
        if begun.only.is_some_and(|only| only != id) {
            return;
        }
        begun.partial.give_back(block);
        begun.contested = true;
        self.epoch += 1;
    }

    /// The peer is gone, or too slow to be waited for: pieces that it had for itself begin anew.
    pub(crate) fn release(&mut self, id: Id) -> Vec<PieceIndex> {
        let alone = |begun: &Begun<Id>| begun.only == Some(id) && !begun.partial.is_whole();
        let pieces: Vec<_> =
            self.begun.iter().filter(|(_, begun)| alone(begun)).map(|(piece, _)| *piece).collect();
        for piece in &pieces {
            self.begun.remove(piece);
            self.rarity.list(*piece);
            self.epoch += 1;
        }
        pieces
    }

    /// A block has come.
    pub(crate) fn put(&mut self, id: Id, address: IpAddr, block: Block) -> Put {
        let Some(begun) = self.begun.get_mut(&block.piece) else { return Put::Useless };
        if begun.only.is_some_and(|only| only != id) {
            return Put::Useless;
        }
        let arrival = begun.partial.put(block);
        if arrival == Arrival::Known {
            return Put::Useless;
        }
        if !begun.senders.contains(&address) {
            begun.senders.push(address);
        }
        Put::Kept { contested: begun.contested, whole: arrival == Arrival::Last }
    }

    /// Whether any byte of the block is still missing.
    pub(crate) fn lacks(&self, block: Block) -> bool {
        self.begun.get(&block.piece).is_some_and(|begun| begun.partial.lacks(block))
    }

    /// The piece was checked and is done with. Returns who sent it, if it was waiting for that.
    pub(crate) fn finish(&mut self, piece: PieceIndex) -> Option<Vec<IpAddr>> {
        let whole = self.begun.get(&piece).is_some_and(|begun| begun.partial.is_whole());
        whole.then(|| self.begun.remove(&piece).map(|begun| begun.senders)).flatten()
    }

    /// The piece is missing again.
    pub(crate) fn restart(&mut self, piece: PieceIndex) {
        self.rarity.list(piece);
        self.epoch += 1;
    }

    fn begin(
        &mut self,
        source: &Source<'_, Id>,
        piece: PieceIndex,
        suspects: &Suspects,
    ) -> Option<Block> {
        self.rarity.unlist(piece);
        let begun = Begun {
            partial: Partial::new(&self.lengths, piece),
            senders: Vec::new(),
            only: suspects.works_alone(source.address, piece).then_some(source.id),
            contested: false,
        };
        self.begun.insert(piece, begun);
        self.take(source, piece)
    }

    fn take(&mut self, source: &Source<'_, Id>, piece: PieceIndex) -> Option<Block> {
        self.begun.get_mut(&piece)?.partial.take_free(source.block)
    }

    fn next_suggested(
        &self,
        source: &Source<'_, Id>,
        suggested: &mut VecDeque<PieceIndex>,
    ) -> Option<PieceIndex> {
        while let Some(piece) = suggested.pop_front() {
            if self.is_fresh(piece) && may_send(source, piece) {
                return Some(piece);
            }
        }
        None
    }

    fn next_begun(&self, source: &Source<'_, Id>, suspects: &Suspects) -> Option<PieceIndex> {
        let pieces = self.begun.keys().copied();
        pieces
            .filter(|piece| self.may_add(source, *piece, suspects))
            .min_by_key(|piece| self.rarity.copies(*piece))
    }

    fn next_fresh(&self, source: &Source<'_, Id>) -> Option<PieceIndex> {
        self.rarity.listed().iter().copied().find(|piece| may_send(source, *piece))
    }

    fn may_add(&self, source: &Source<'_, Id>, piece: PieceIndex, suspects: &Suspects) -> bool {
        may_send(source, piece)
            && self
                .begun
                .get(&piece)
                .is_some_and(|begun| begun.partial.has_free() && is_open(begun, source, suspects))
    }
}

fn may_send<Id>(source: &Source<'_, Id>, piece: PieceIndex) -> bool {
    source.have.contains(piece) && source.allowed.is_none_or(|allowed| allowed.contains(&piece))
}

fn is_open<Id: Copy + Ord>(
    begun: &Begun<Id>,
    source: &Source<'_, Id>,
    suspects: &Suspects,
) -> bool {
    match begun.only {
        Some(only) => only == source.id,
        None => !suspects.is_suspect(source.address),
    }
}
