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
//! Of many members only some hundred are looked at, by chance, which comes to the same and takes
//! the same time in a swarm of a thousand and of a hundred thousand.
//!
//! A pair counts for both of its members, until one of them leaves or both have everything.

use super::members::{Members, Place, Share};

/// Draws at most `want` members whom the asker was not told of before.
pub(super) fn draw(
    asker: Place,
    members: &Members,
    want: usize,
    chance: &mut fastrand::Rng,
) -> Vec<Place> {
    let me = members.get(asker);
    let (mut open, mut crowded): (Vec<Place>, Vec<Place>) = Default::default();
    for place in members.by_chance(chance) {
        let member = members.get(place);
        let useful = me.share == Share::Partial || member.share == Share::Partial;
        if place == asker || !useful || me.neighbours().contains(&place) {
            continue;
        }
        let drawn = if member.degree() < LIMIT { &mut open } else { &mut crowded };
        // Of many members one may come twice.
        if !drawn.contains(&place) {
            drawn.push(place);
        }
        if open.len() == 2 * want {
            break;
        }
    }
    open.sort_by_key(|place| members.get(*place).degree());
    open.truncate(want);
    if open.len() < want.min(LEAST) {
        crowded.sort_by_key(|place| members.get(*place).degree());
        crowded.truncate(want.min(LEAST) - open.len());
        open.append(&mut crowded);
    }
    open
}

/// How many a new member is told of. As each is told of as many on average by those who come
/// later, members end at twice as many: with twenty neighbours a simulated swarm of 1,000 takes 2 %
/// longer. Who still lacks some after a while asks for them: if everybody asked at once, all would be
/// at the limit, and new members could only be told of the latest.
pub(super) const FIRST: usize = 15;
/// Once a member has so many, it hears only of those it knows, unless it asks for fresh ones.
pub(super) const ENOUGH: usize = 30;
/// Nobody with so many is given away while others are left. It has to be well above twice
/// [`FIRST`], or only the latest members would be left to draw from: with 24 for 8, and members
/// that come within a second, a simulated swarm of 1,000 took 1.7 times as long.
const LIMIT: usize = 54;
/// How many are given even where everybody is at the limit, so that nobody is ever locked out.
const LEAST: usize = 4;
/// The most members in one answer, whatever was asked for.
pub(super) const MOST: usize = 50;
