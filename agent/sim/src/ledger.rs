//! What one end of a connection may do, by what it has said and heard.

use std::collections::BTreeSet;

use murder_swarm::wire::{Message, Span};
use murder_swarm::{Lengths, PieceSet};

use crate::{HostId, Wrong};

/// The rules of BEP 3 and BEP 6 for one end.
#[derive(Debug)]
pub(crate) struct Ledger {
    lengths: Lengths,
    /// What the other side is known to have.
    theirs: PieceSet,
    /// Requests of ours that are not answered.
    asked: Spans,
    /// Requests of theirs that are not answered.
    owed: Spans,
    /// Pieces that may be asked for while choked (BEP 6).
    allowed: BTreeSet<u32>,
    choked_by_them: Choke,
    choking_them: Choke,
    they_want: Interest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choke {
    Choked,
    Unchoked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interest {
    None,
    Some,
}

impl Ledger {
    pub(crate) fn new(lengths: &Lengths) -> Self {
        Self {
            lengths: *lengths,
            theirs: PieceSet::empty(lengths),
            asked: Spans::default(),
            owed: Spans::default(),
            allowed: BTreeSet::new(),
            choked_by_them: Choke::Choked,
            choking_them: Choke::Choked,
            they_want: Interest::None,
        }
    }

    /// Whether the other side is being served.
    pub(crate) fn serves(&self) -> bool {
        (self.choking_them, self.they_want) == (Choke::Unchoked, Interest::Some)
    }

    /// Checks a message before it is sent to `to`.
    pub(crate) fn say(
        &mut self,
        message: &Message,
        to: HostId,
        have: &PieceSet,
    ) -> Result<(), Wrong> {
        match message {
            Message::Choke => self.choking_them = Choke::Choked,
            Message::Unchoke => self.choking_them = Choke::Unchoked,
            Message::Request(span) => self.ask(*span, to, have)?,
            Message::Cancel(span) => {
                self.asked.remove(span);
            }
            Message::RejectRequest(span) if !self.owed.remove(span) => {
                return Err(Wrong::UnaskedReject(*span, to));
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks a block before it is sent to `to`.
    pub(crate) fn send(&mut self, span: Span, to: HostId, have: &PieceSet) -> Result<(), Wrong> {
        if !self.owed.remove(&span) {
            return Err(Wrong::UnaskedBlock(span, to));
        }
        match self.lengths.piece(span.index) {
            Some(piece) if have.contains(piece) => Ok(()),
            _ => Err(Wrong::MissingBlock(span)),
        }
    }

    /// Notes a message of the other side when it is heard.
    pub(crate) fn hear(&mut self, message: &Message) {
        match message {
            Message::Choke => self.choked_by_them = Choke::Choked,
            Message::Unchoke => self.choked_by_them = Choke::Unchoked,
            Message::Interested => self.they_want = Interest::Some,
            Message::NotInterested => self.they_want = Interest::None,
            Message::Have(index) => {
                self.lengths.piece(*index).map(|piece| self.theirs.insert(piece));
            }
            Message::HaveAll => self.theirs = PieceSet::full(&self.lengths),
            Message::Bitfield(bits) => {
                if let Some(theirs) = PieceSet::from_bitfield(&self.lengths, bits) {
                    self.theirs = theirs;
                }
            }
            Message::Request(span) => {
                self.owed.insert(*span);
            }
            Message::RejectRequest(span) => {
                self.asked.remove(span);
            }
            Message::AllowedFast(index) => {
                self.allowed.insert(*index);
            }
            _ => {}
        }
    }

    /// Notes a block of the other side when it is here.
    pub(crate) fn receive(&mut self, span: &Span) {
        self.asked.remove(span);
    }

    fn ask(&mut self, span: Span, to: HostId, have: &PieceSet) -> Result<(), Wrong> {
        let in_vain = || Wrong::AskedInVain(span, to);
        let piece = self.lengths.piece(span.index).ok_or_else(in_vain)?;
        if !self.theirs.contains(piece)
            || self.lengths.block(span.index, span.begin, span.len).is_none()
        {
            return Err(in_vain());
        }
        if self.choked_by_them == Choke::Choked && !self.allowed.contains(&span.index) {
            return Err(Wrong::AskedWhileChoked(span, to));
        }
        if have.contains(piece) {
            return Err(Wrong::AskedForNothing(span));
        }
        match self.asked.insert(span) {
            true => Ok(()),
            false => Err(Wrong::AskedTwice(span, to)),
        }
    }
}

/// A set of the few blocks that are asked for at any time.
#[derive(Debug, Default)]
struct Spans(Vec<Span>);

impl Spans {
    fn insert(&mut self, span: Span) -> bool {
        let new = !self.0.contains(&span);
        if new {
            self.0.push(span);
        }
        new
    }

    fn remove(&mut self, span: &Span) -> bool {
        let place = self.0.iter().position(|other| other == span);
        place.map(|place| self.0.swap_remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: HostId = HostId(1);
    const SPAN: Span = Span { index: 0, begin: 0, len: 4 };

    fn ledger() -> (Ledger, PieceSet) {
        let lengths = Lengths::new(8, 4).unwrap();
        (Ledger::new(&lengths), PieceSet::empty(&lengths))
    }

    #[test]
    fn a_block_is_asked_for_once_where_it_is_and_when_it_may_be() {
        let (mut ledger, mut have) = ledger();
        let ask = Message::Request(SPAN);
        assert_eq!(ledger.say(&ask, PEER, &have), Err(Wrong::AskedInVain(SPAN, PEER)));
        ledger.hear(&Message::HaveAll);
        assert_eq!(ledger.say(&ask, PEER, &have), Err(Wrong::AskedWhileChoked(SPAN, PEER)));
        ledger.hear(&Message::Unchoke);
        assert_eq!(ledger.say(&ask, PEER, &have), Ok(()));
        assert_eq!(ledger.say(&ask, PEER, &have), Err(Wrong::AskedTwice(SPAN, PEER)));
        ledger.receive(&SPAN);
        have.insert(ledger.lengths.piece(0).unwrap());
        assert_eq!(ledger.say(&ask, PEER, &have), Err(Wrong::AskedForNothing(SPAN)));
    }

    #[test]
    fn a_request_is_answered_once() {
        let (mut ledger, _) = ledger();
        let have = PieceSet::full(&ledger.lengths);
        let reject = Message::RejectRequest(SPAN);
        assert_eq!(ledger.send(SPAN, PEER, &have), Err(Wrong::UnaskedBlock(SPAN, PEER)));
        ledger.hear(&Message::Request(SPAN));
        assert_eq!(ledger.send(SPAN, PEER, &have), Ok(()));
        assert_eq!(ledger.say(&reject, PEER, &have), Err(Wrong::UnaskedReject(SPAN, PEER)));
    }

    #[test]
    fn a_block_that_is_not_there_is_not_sent() {
        let (mut ledger, have) = ledger();
        ledger.hear(&Message::Request(SPAN));
        assert_eq!(ledger.send(SPAN, PEER, &have), Err(Wrong::MissingBlock(SPAN)));
    }
}
