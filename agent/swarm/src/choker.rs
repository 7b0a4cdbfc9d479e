//! Whose turn it is to be served.

use crate::Time;

/// A peer that would like to be served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting<Id> {
    /// The peer.
    pub(crate) id: Id,
    /// How soon it can answer when it is let in.
    pub(crate) answers: Answers,
    /// When its last turn ended, if it had one.
    pub(crate) last_turn: Option<Time>,
    /// How many pieces it has.
    pub(crate) pieces: u32,
    /// Decides between equals.
    pub(crate) lot: u32,
}

/// How soon a peer can answer. What it says waits behind the blocks that it is sending on the same
/// connection, and the slot that it is offered is not used meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answers {
    /// It sends us nothing.
    AtOnce,
    /// It serves us.
    BehindBlocks,
}

/// A peer that may ask for blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served<Id> {
    /// The peer.
    pub(crate) id: Id,
    /// Since when.
    pub(crate) since: Time,
    /// How its turn stands.
    pub(crate) turn: Turn,
    /// How fast it takes what it asks for.
    pub(crate) pace: Pace,
}

/// How fast a peer takes what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as its part of our uplink lets it, or nothing else is known.
    Full,
    /// So slowly that somebody else could have most of the slot's part of our uplink.
    Slow,
}

/// How a peer's turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It has not asked for anything yet.
    Offered,
    /// It asks for nothing.
    Unused,
    /// It is being served.
    Running,
    /// It is being served, and has been for long enough.
    Over,
}

/// What is to change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changes<Id> {
    /// These are no longer served.
    pub(crate) choke: Vec<Id>,
    /// These are served.
    pub(crate) unchoke: Vec<Id>,
}

/// Decides who is served in so many slots. Those who can answer at once come first, and among them
/// who has waited longest. Nobody serves us for ever, so everybody's time comes.
///
/// Who takes slowly fills no slot. It is waited for by its own link, or by one on the way that it
/// shares with others, and the uplink would idle meanwhile. At most as many as there are slots are
/// served beside them, so that a link of ours that has become slow does not get ever more of them.
pub(crate) fn decide<Id: Copy + Ord>(
    waiting: &mut [Waiting<Id>],
    served: &[Served<Id>],
    slots: usize,
) -> Changes<Id> {
    let mut changes = Changes { choke: Vec::new(), unchoke: Vec::new() };
    let with = |turn: Turn| served.iter().filter(move |peer| peer.turn == turn);
    let in_use = with(Turn::Running).count() + with(Turn::Over).count();
    let mut over: Vec<_> = with(Turn::Over).collect();
    over.sort_by_key(|peer| (peer.since, peer.id));
    let slow = served.iter().filter(|peer| peer.pace == Pace::Slow).count();
    let slots = slots + slow.min(slots);
    // Somebody came in on a trial and asks: the slot is taken from whoever had it longest.
    let surplus = in_use.saturating_sub(slots);
    changes.choke.extend(over.iter().take(surplus).map(|peer| peer.id));
    if waiting.is_empty() {
        return changes;
    }
    changes.choke.extend(with(Turn::Unused).map(|peer| peer.id));
    let offered = with(Turn::Offered).count();
    let free = slots.saturating_sub(in_use + offered);
    let trial = usize::from(free == 0 && offered == 0 && surplus == 0 && !over.is_empty());
    if free + trial > 0 {
        waiting.sort_by_key(|peer| (peer.answers, peer.last_turn, peer.pieces, peer.lot, peer.id));
        changes.unchoke.extend(waiting.iter().take(free + trial).map(|peer| peer.id));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(id: u32, last_turn: Option<u64>, pieces: u32) -> Waiting<u32> {
        let last_turn = last_turn.map(Time::from_micros);
        Waiting { id, answers: Answers::AtOnce, last_turn, pieces, lot: 0 }
    }

    fn served(id: u32, since: u64, turn: Turn) -> Served<u32> {
        Served { id, since: Time::from_micros(since), turn, pace: Pace::Full }
    }

    #[test]
    fn free_slots_go_to_who_has_waited_longest_and_has_least() {
        let mut crowd = [
            waiting(1, Some(5), 0),
            waiting(2, None, 9),
            waiting(3, None, 2),
            waiting(4, Some(3), 0),
        ];
        let changes = decide(&mut crowd, &[], 3);
        assert_eq!(changes.unchoke, [3, 2, 4]);
    }

    #[test]
    fn who_serves_us_is_let_in_after_those_who_do_not() {
        let busy = Waiting { answers: Answers::BehindBlocks, ..waiting(1, None, 0) };
        assert_eq!(decide(&mut [busy, waiting(2, Some(5), 9)], &[], 1).unchoke, [2]);
        assert_eq!(decide(&mut [busy], &[], 1).unchoke, [1]);
    }

    #[test]
    fn a_turn_goes_on_while_nobody_waits() {
        let changes = decide(&mut [], &[served(1, 0, Turn::Over), served(2, 0, Turn::Unused)], 2);
        assert_eq!(changes, Changes { choke: vec![], unchoke: vec![] });
    }

    #[test]
    fn who_waits_is_let_in_before_the_longest_turn_ends() {
        let now = [served(1, 7, Turn::Over), served(2, 3, Turn::Over)];
        let changes = decide(&mut [waiting(3, None, 0)], &now, 2);
        assert_eq!(changes, Changes { choke: vec![], unchoke: vec![3] });
        let offered = [now[0], now[1], served(3, 9, Turn::Offered)];
        let changes = decide(&mut [waiting(4, None, 0)], &offered, 2);
        assert_eq!(changes, Changes { choke: vec![], unchoke: vec![] });
        let taken = [now[0], now[1], served(3, 9, Turn::Running)];
        let changes = decide(&mut [waiting(4, None, 0)], &taken, 2);
        assert_eq!(changes, Changes { choke: vec![2], unchoke: vec![] });
    }

    #[test]
    fn who_takes_slowly_fills_no_slot_but_at_most_twice_as_many_are_served() {
        let slow = |id| Served { pace: Pace::Slow, ..served(id, 0, Turn::Running) };
        let mut crowd = [waiting(7, None, 0), waiting(8, None, 1), waiting(9, None, 2)];
        let one = [slow(1), served(2, 0, Turn::Running)];
        assert_eq!(decide(&mut crowd, &one, 2).unchoke, [7]);
        assert_eq!(decide(&mut crowd, &[slow(1), slow(2)], 2).unchoke, [7, 8]);
        assert_eq!(decide(&mut crowd, &[slow(1), slow(2), slow(3)], 2).unchoke, [7]);
        assert_eq!(decide(&mut crowd, &[slow(1), slow(2), slow(3), slow(4)], 2).unchoke, []);
    }

    #[test]
    fn a_slot_that_is_not_used_goes_to_somebody_else() {
        let now = [served(1, 0, Turn::Running), served(2, 0, Turn::Unused)];
        let changes = decide(&mut [waiting(3, None, 0)], &now, 2);
        assert_eq!(changes, Changes { choke: vec![2], unchoke: vec![3] });
    }
}
