//! The members of one torrent as a list without gaps: who they are, and who was told of whom.
//!
//! A hundred thousand of them announce themselves ten thousand times a second, so nothing here
//! goes through all of them but [`Members::expire`], which does so seldom.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use super::index::Index;
use crate::Time;
use crate::wire::PeerId;

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: PeerId,
    pub(super) addr: SocketAddr,
    pub(super) share: Share,
    pub(super) expires: Time,
    /// Those who were told of it or whom it was told of.
    neighbours: Vec<Place>,
}

/// How much of the torrent a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// It still wants something.
    Partial,
    /// It has everything.
    Full,
}

/// Where a member is in the list, until another one is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZeroU32);

/// All of them.
#[derive(Debug)]
pub(super) struct Members {
    all: Vec<Member>,
    by_id: Index,
    by_addr: Index,
    full: usize,
    /// Nobody expires before.
    earliest: Option<Time>,
}

impl Place {
    /// The place of this number, counted from 0. Four thousand million members have no room.
    pub(super) fn new(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("a tracker has less than 2^32 members"))
    }

    /// Its number.
    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Member {
    /// How many others it may be connected to.
    pub(super) fn degree(&self) -> usize {
        self.neighbours.len()
    }

    /// The others, those it was told of first before those who came later.
    pub(super) fn neighbours(&self) -> &[Place] {
        &self.neighbours
    }

    fn meet(&mut self, other: Place) {
        if self.neighbours.len() == self.neighbours.capacity() {
            self.neighbours.reserve_exact(ROOM);
        }
        self.neighbours.push(other);
    }

    fn part(&mut self, other: Place) {
        self.neighbours.retain(|place| *place != other);
    }
}

impl Members {
    /// Nobody. The salt keeps members from choosing names that slow the tracker down.
    pub(super) fn new(salt: u64) -> Self {
        let (by_id, by_addr) = (Index::new(salt), Index::new(salt.rotate_left(32)));
        Self { all: Vec::with_capacity(AT_ONCE), by_id, by_addr, full: 0, earliest: None }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many of them have everything.
    pub(super) fn full(&self) -> usize {
        self.full
    }

    /// The member at a place.
    pub(super) fn get(&self, place: Place) -> &Member {
        &self.all[place.index()]
    }

    /// Where a member is.
    pub(super) fn find(&self, id: &PeerId) -> Option<Place> {
        self.by_id.find(&id.0, |place| self.get(place).id == *id)
    }

    /// Who listens at an address.
    pub(super) fn at(&self, addr: &SocketAddr) -> Option<Place> {
        self.by_addr.find(&key(addr), |place| self.get(place).addr == *addr)
    }

    /// Takes in a member that is not there.
    pub(super) fn insert(&mut self, id: PeerId, addr: SocketAddr, share: Share) -> Place {
        let place = Place::new(self.all.len());
        self.by_id.insert(&id.0, place, |place| self.all[place.index()].id.0);
        self.by_addr.insert(&key(&addr), place, |place| key(&self.all[place.index()].addr));
        self.full += usize::from(share == Share::Full);
        if self.all.len() == self.all.capacity() {
            self.all.reserve_exact(self.all.len() / 4 + ROOM);
        }
        let neighbours = Vec::new();
        self.all.push(Member { id, addr, share, expires: Time::ZERO, neighbours });
        place
    }

    /// The member listens somewhere else now.
    pub(super) fn moves(&mut self, place: Place, addr: SocketAddr) {
        let before = key(&self.get(place).addr);
        self.by_addr.remove(&before, place, |place| key(&self.all[place.index()].addr));
        self.all[place.index()].addr = addr;
        self.by_addr.insert(&key(&addr), place, |place| key(&self.all[place.index()].addr));
    }

    /// The member has more, or less, than before.
    pub(super) fn has(&mut self, place: Place, share: Share) {
        let member = &mut self.all[place.index()];
        self.full -= usize::from(member.share == Share::Full);
        self.full += usize::from(share == Share::Full);
        member.share = share;
    }

    /// The member is heard again before `expires`.
    pub(super) fn lasts(&mut self, place: Place, expires: Time) {
        self.all[place.index()].expires = expires;
        self.earliest = Some(self.earliest.map_or(expires, |earliest| earliest.min(expires)));
    }

    /// Two members know each other from now on.
    pub(super) fn pair(&mut self, one: Place, other: Place) {
        self.all[one.index()].meet(other);
        self.all[other.index()].meet(one);
    }

    /// Two members part.
    pub(super) fn unpair(&mut self, one: Place, other: Place) {
        self.all[one.index()].part(other);
        self.all[other.index()].part(one);
    }

    /// Takes a member out. The last of the list gets its place.
    pub(super) fn remove(&mut self, place: Place) {
        for other in std::mem::take(&mut self.all[place.index()].neighbours) {
            self.all[other.index()].part(place);
        }
        let Member { id, addr, share, .. } = self.all[place.index()];
        self.by_id.remove(&id.0, place, |place| self.all[place.index()].id.0);
        self.by_addr.remove(&key(&addr), place, |place| key(&self.all[place.index()].addr));
        self.full -= usize::from(share == Share::Full);
        self.all.swap_remove(place.index());
        self.renumber(Place::new(self.all.len()), place);
        if self.all.len() < self.all.capacity() / 4 {
            self.all.shrink_to((self.all.len() * 2).max(AT_ONCE));
        }
    }

    /// Takes out who has not been heard of in time, and names them.
    pub(super) fn expire(&mut self, now: Time) -> Vec<PeerId> {
        let mut gone = Vec::new();
        if self.earliest.is_none_or(|earliest| now < earliest) {
            return gone;
        }
        let mut index = 0;
        while index < self.all.len() {
            let Member { id, expires, .. } = self.all[index];
            if expires <= now {
                gone.push(id);
                self.remove(Place::new(index));
            } else {
                index += 1;
            }
        }
        self.earliest = self.all.iter().map(|member| member.expires).min();
        gone
    }

    /// Nobody expires before this time.
    pub(super) fn earliest(&self) -> Option<Time> {
        self.earliest.filter(|_| !self.all.is_empty())
    }

    /// Places of members by chance, none twice among few members and hardly one among many: all
    /// of up to [`ALL`] members, and of more at most [`MANY`].
    pub(super) fn by_chance(&self, chance: &mut fastrand::Rng) -> impl Iterator<Item = Place> {
        let count = self.all.len();
        let mut few: Vec<usize> = if count <= ALL { (0..count).collect() } else { Vec::new() };
        (0..if count <= ALL { count } else { MANY }).map(move |step| {
            Place::new(if few.is_empty() {
                chance.usize(..count)
            } else {
                few.swap(step, chance.usize(step..count));
                few[step]
            })
        })
    }

    /// The member that was at `from` is at `to`.
    fn renumber(&mut self, from: Place, to: Place) {
        let Some(moved) = self.all.get(to.index()).filter(|_| from != to) else { return };
        self.by_id.moved(&moved.id.0, from, to);
        self.by_addr.moved(&key(&moved.addr), from, to);
        for at in 0..moved.neighbours.len() {
            let other = self.all[to.index()].neighbours[at];
            let others = &mut self.all[other.index()].neighbours;
            if let Some(place) = others.iter_mut().find(|place| **place == from) {
                *place = to;
            }
        }
    }
}

/// An address as bytes.
fn key(addr: &SocketAddr) -> [u8; 18] {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut key = [0; 18];
    key[..16].copy_from_slice(&ip.octets());
    key[16..].copy_from_slice(&addr.port().to_be_bytes());
    key
}

/// Lists grow by so much and not to twice their length: most members have some 30 neighbours.
const ROOM: usize = 8;
/// There is room for so many members from the beginning. An allocator maps that much apart, so room
/// that nobody has taken is no memory yet, and a list that moves leaves no hole among what is small.
const AT_ONCE: usize = 2048;
/// So many members are gone through in whole, in an order by chance.
pub(super) const ALL: usize = 256;
/// So many of more are looked at. Even if only one in thirty can be given away, more are found
/// than anybody is told of.
pub(super) const MANY: usize = 512;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn id(number: u32) -> PeerId {
        let mut id = [0; 20];
        id[..4].copy_from_slice(&number.to_be_bytes());
        PeerId(id)
    }

    fn addr(number: u32) -> SocketAddr {
        SocketAddr::from((std::net::Ipv4Addr::from_bits(number), 6881))
    }

    fn of(numbers: std::ops::Range<u32>) -> Members {
        let mut members = Members::new(5);
        for number in numbers {
            let place = members.insert(id(number), addr(number), Share::Partial);
            members.lasts(place, Time::from_micros(u64::from(number)));
        }
        members
    }

    /// The pairs by name, each from both of its ends.
    fn pairs(members: &Members) -> BTreeSet<(PeerId, PeerId)> {
        let all = members.all.iter();
        all.flat_map(|one| one.neighbours.iter().map(|other| (one.id, members.get(*other).id)))
            .collect()
    }

    #[test]
    fn members_that_come_go_and_move_are_found_with_the_neighbours_that_they_had() {
        let mut chance = fastrand::Rng::with_seed(8);
        let mut members = of(0..100);
        let mut expected = BTreeSet::new();
        for _ in 0..2000 {
            let (one, other) = (chance.u32(..100), chance.u32(..100));
            match (members.find(&id(one)), members.find(&id(other))) {
                (Some(a), Some(b)) if a != b && !members.get(a).neighbours().contains(&b) => {
                    members.pair(a, b);
                    expected.extend([(id(one), id(other)), (id(other), id(one))]);
                }
                (Some(a), Some(b)) if a != b => {
                    members.unpair(a, b);
                    members.moves(a, addr(one + 1000));
                    expected.remove(&(id(one), id(other)));
                    expected.remove(&(id(other), id(one)));
                }
                (Some(a), _) => {
                    members.remove(a);
                    expected.retain(|(from, to)| *from != id(one) && *to != id(one));
                }
                (None, _) => {
                    let place = members.insert(id(one), addr(one), Share::Full);
                    assert_eq!(members.at(&addr(one)), Some(place));
                }
            }
            assert!(pairs(&members) == expected);
            let full = members.all.iter().filter(|member| member.share == Share::Full).count();
            assert_eq!(members.full(), full);
        }
    }

    #[test]
    fn only_who_was_not_heard_of_is_taken_out() {
        let mut members = of(1..11);
        let place = members.find(&id(2)).unwrap();
        members.lasts(place, Time::from_micros(50));
        let mut gone = members.expire(Time::from_micros(4));
        gone.sort_unstable();
        assert_eq!(gone, [id(1), id(3), id(4)]);
        assert_eq!(members.earliest(), Some(Time::from_micros(5)));
        assert_eq!(members.expire(Time::from_micros(60)).len(), 7);
        assert_eq!(members.earliest(), None);
    }

    #[test]
    fn few_are_met_once_each_and_of_many_a_part() {
        let mut chance = fastrand::Rng::with_seed(8);
        let met: Vec<_> = of(0..256).by_chance(&mut chance).map(Place::index).collect();
        assert_eq!(met.iter().collect::<BTreeSet<_>>().len(), 256);
        assert!(met[..20] != (0..20).collect::<Vec<_>>());
        assert_eq!(of(0..10_000).by_chance(&mut chance).count(), MANY);
        assert_eq!(of(0..0).by_chance(&mut chance).count(), 0);
    }

    #[test]
    fn a_member_takes_88_bytes_beside_its_neighbours() {
        assert_eq!(size_of::<Member>(), 88);
        assert_eq!(size_of::<Option<Place>>(), 4);
    }
}
