//! One torrent's swarm: takes its members' words, and tells them of each other.

use std::net::SocketAddr;

use super::handout;
use super::members::{Members, Place, Share};
use super::{Announce, Event, PeerEntry, Tally, Want};
use crate::Time;
use crate::wire::PeerId;

/// The members of one torrent, and which of them were told of each other.
#[derive(Debug)]
pub(super) struct Swarm {
    members: Members,
    downloaded: u32,
}

impl Swarm {
    /// A swarm of nobody.
    pub(super) fn new(salt: u64) -> Self {
        Self { members: Members::new(salt), downloaded: 0 }
    }

    /// Takes note of a member's word, which holds until `expires`, and says whom it hears of.
    pub(super) fn announce(
        &mut self,
        expires: Time,
        announce: &Announce,
        chance: &mut fastrand::Rng,
    ) -> Vec<PeerEntry> {
        if announce.event == Event::Stopped {
            self.remove(&announce.peer_id);
            return Vec::new();
        }
        let place = self.note(announce);
        self.members.lasts(place, expires);
        let (known, want) = match announce.want {
            Want::UpTo(most) => self.known_first(place, bounded(most)),
            Want::Fresh(most) => (0, self.fresh(place, bounded(most))),
        };
        let mut told = Vec::with_capacity(known + want);
        told.extend(self.members.get(place).neighbours()[..known].iter().map(|at| self.entry(*at)));
        if want > 0 {
            for other in handout::draw(place, &self.members, want, chance) {
                told.push(self.entry(other));
                self.members.pair(place, other);
            }
        }
        told
    }

    /// Notes that a member is still there; says whether it is known.
    pub(super) fn touch(&mut self, expires: Time, id: &PeerId) -> bool {
        self.members.find(id).map(|place| self.members.lasts(place, expires)).is_some()
    }

    /// Forgets a member; says whether it was there.
    pub(super) fn remove(&mut self, id: &PeerId) -> bool {
        self.members.find(id).map(|place| self.members.remove(place)).is_some()
    }

    /// Forgets who has not been heard of in time, and names them.
    pub(super) fn expire(&mut self, now: Time) -> Vec<PeerId> {
        self.members.expire(now)
    }

    /// Nobody is forgotten before this time.
    pub(super) fn next_expiry(&self) -> Option<Time> {
        self.members.earliest()
    }

    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many of each kind there are.
    pub(super) fn tally(&self) -> Tally {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Tally {
            complete: count(self.members.full()),
            incomplete: count(self.members.len() - self.members.full()),
            downloaded: self.downloaded,
        }
    }

    fn note(&mut self, announce: &Announce) -> Place {
        let share = if announce.left == 0 { Share::Full } else { Share::Partial };
        let before = self.members.find(&announce.peer_id);
        let had = before.map(|place| self.members.get(place).share);
        let completed = announce.event == Event::Completed && had != Some(Share::Full);
        self.downloaded += u32::from(completed);
        let Some(place) = before else {
            self.clear(&announce.addr);
            return self.members.insert(announce.peer_id, announce.addr, share);
        };
        let place = match self.members.get(place).addr == announce.addr {
            true => place,
            false => self.moves(place, announce),
        };
        if had != Some(share) {
            self.members.has(place, share);
            self.part_seeds(place);
        }
        place
    }

    fn moves(&mut self, place: Place, announce: &Announce) -> Place {
        self.clear(&announce.addr);
        // Whoever had to go may have been before it in the list.
        let place = self.members.find(&announce.peer_id).unwrap_or(place);
        self.members.moves(place, announce.addr);
        place
    }

    /// Whoever listened where a member listens now has been restarted under a new name.
    fn clear(&mut self, addr: &SocketAddr) {
        if let Some(place) = self.members.at(addr) {
            self.members.remove(place);
        }
    }

    /// Two members that have everything part (BEP 21), so that both have room for others.
    fn part_seeds(&mut self, place: Place) {
        if self.members.get(place).share == Share::Partial {
            return;
        }
        let full = |other: &Place| self.members.get(*other).share == Share::Full;
        let neighbours = self.members.get(place).neighbours().iter();
        let parted: Vec<_> = neighbours.copied().filter(full).collect();
        for other in parted {
            self.members.unpair(place, other);
        }
    }

    /// How many of the neighbours that a member has it is told of again, and how many new ones it
    /// is given.
    fn known_first(&self, place: Place, most: usize) -> (usize, usize) {
        let degree = self.members.get(place).degree();
        let known = degree.min(most);
        (known, lacking(degree).min(most - known))
    }

    /// How many new ones a member is given that asks for more: those that it lacks, or if it should have
    /// enough, as many as at first, since the others are of no use to it.
    fn fresh(&self, place: Place, most: usize) -> usize {
        match lacking(self.members.get(place).degree()) {
            0 => handout::FIRST.min(most),
            lacking => lacking.min(most),
        }
    }

    fn entry(&self, place: Place) -> PeerEntry {
        let member = self.members.get(place);
        PeerEntry { peer_id: member.id, addr: member.addr }
    }
}

/// How many a member with so many neighbours is given at a time, to have enough in the end.
fn lacking(degree: usize) -> usize {
    handout::ENOUGH.saturating_sub(degree).min(handout::FIRST)
}

fn bounded(most: u32) -> usize {
    (most as usize).min(handout::MOST)
}
