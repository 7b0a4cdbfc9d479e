//! Who is told of whom: the swarm becomes a random graph in which nobody has many more neighbours
//! than others.
//!
//! A tracker that answers with random subsets makes those who came first known to everybody: with
//! 1,000 members of 10 each, member 1 would have 10 + 10 ln(1000), some 80, and member 1,000 only
//! 10. Answering with whoever has the fewest neighbours is no better: those are always the latest
//! members, so that the swarm becomes a chain of cliques, which pieces cross slowly. So members are
//! drawn by chance from all who are below a limit, twice as many as needed, and of these the ones
//! with the fewest neighbours are taken.
//!
//! A pair counts for both of its members, until one of them leaves or both have everything.

use super::swarm::{Member, Share};
use crate::wire::PeerId;

/// Draws at most `want` members whom the asker was not told of before.
pub(super) fn draw<'a>(
    asker: &PeerId,
    share: Share,
    known: impl Fn(&PeerId) -> bool,
    members: impl Iterator<Item = (&'a PeerId, &'a Member)>,
    want: usize,
    chance: &mut fastrand::Rng,
) -> Vec<PeerId> {
    let useful = |member: &Member| share == Share::Partial || member.share == Share::Partial;
    let (mut open, mut crowded): (Vec<_>, Vec<_>) = members
        .filter(|(id, member)| *id != asker && !known(id) && useful(member))
        .map(|(id, member)| Candidate { degree: member.degree(), id: *id })
        .partition(|candidate| candidate.degree < LIMIT);
    chance.shuffle(&mut open);
    open.truncate(2 * want);
    open.sort_by_key(|candidate| candidate.degree);
    open.truncate(want);
    if open.len() < want.min(LEAST) {
        chance.shuffle(&mut crowded);
        crowded.sort_by_key(|candidate| candidate.degree);
        crowded.truncate(want.min(LEAST) - open.len());
        open.append(&mut crowded);
    }
    open.into_iter().map(|candidate| candidate.id).collect()
}

struct Candidate {
    degree: usize,
    id: PeerId,
}

/// How many a new member is told of. As each is told of as many on average by those who come
/// later, members end at twice as many, and the degree of 16 to 24 is what swarms of 64 to 1,000
/// need to come within some per cent of the least possible time. It is no less than the number of
/// connections with which a torrent is content: if everybody asked for more at once, all would be
/// at the limit, and new members could only be told of the latest.
pub(super) const FIRST: usize = 10;
/// Once a member has so many, it hears only of those it knows, unless it asks for fresh ones.
pub(super) const ENOUGH: usize = 20;
/// Nobody with so many is given away while others are left. It has to be well above twice
/// [`FIRST`], or only the latest members would be left to draw from: with 24, and members that
/// come within a second, a simulated swarm of 1,000 took 1.7 times as long.
const LIMIT: usize = 36;
/// How many are given even where everybody is at the limit, so that nobody is ever locked out.
const LEAST: usize = 4;
/// The most members in one answer, whatever was asked for.
pub(super) const MOST: usize = 50;
