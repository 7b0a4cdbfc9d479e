//! The members of one torrent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::handout;
use super::{Announce, Event, PeerEntry, Tally, Want};
use crate::Time;
use crate::wire::PeerId;

/// The members of one torrent, and which of them were told of each other.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    members: BTreeMap<PeerId, Member>,
    downloaded: u32,
}

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    addr: SocketAddr,
    pub(super) share: Share,
    expires: Time,
    /// Those who were told of it or whom it was told of.
    neighbours: BTreeSet<PeerId>,
}

/// How much of the torrent a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// It still wants something.
    Partial,
    /// It has everything.
    Full,
}

impl Member {
    /// How many others it may be connected to.
    pub(super) fn degree(&self) -> usize {
        self.neighbours.len()
    }
}

impl Swarm {
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
        let before = self.members.get(&announce.peer_id).map(|member| member.share);
        let completed = announce.event == Event::Completed && before != Some(Share::Full);
        self.downloaded += u32::from(completed);
        self.note(expires, announce);
        let (mut told, want) = match announce.want {
            Want::UpTo(most) => self.known_first(&announce.peer_id, bounded(most)),
            Want::Fresh(most) => (Vec::new(), bounded(most).min(handout::FIRST)),
        };
        told.extend(self.draw(&announce.peer_id, want, chance));
        told.iter().filter_map(|id| self.entry(id)).collect()
    }

    /// Notes that a member is still there; says whether it is known.
    pub(super) fn touch(&mut self, expires: Time, id: &PeerId) -> bool {
        self.members.get_mut(id).map(|member| member.expires = expires).is_some()
    }

    /// Forgets a member; says whether it was there.
    pub(super) fn remove(&mut self, id: &PeerId) -> bool {
        let Some(gone) = self.members.remove(id) else {
            return false;
        };
        for neighbour in &gone.neighbours {
            if let Some(member) = self.members.get_mut(neighbour) {
                member.neighbours.remove(id);
            }
        }
        true
    }

    /// Forgets who has not been heard of in time, and names them.
    pub(super) fn expire(&mut self, now: Time) -> Vec<PeerId> {
        let is_over = |member: &Member| member.expires <= now;
        let members = self.members.iter();
        let gone: Vec<_> = members.filter(|(_, m)| is_over(m)).map(|(id, _)| *id).collect();
        gone.iter().for_each(|id| {
            self.remove(id);
        });
        gone
    }

    /// When the first of the members is forgotten.
    pub(super) fn next_expiry(&self) -> Option<Time> {
        self.members.values().map(|member| member.expires).min()
    }

    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many of each kind there are.
    pub(super) fn tally(&self) -> Tally {
        let complete = self.members.values().filter(|member| member.share == Share::Full).count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Tally {
            complete: count(complete),
            incomplete: count(self.members.len() - complete),
            downloaded: self.downloaded,
        }
    }

    fn note(&mut self, expires: Time, announce: &Announce) {
        let share = if announce.left == 0 { Share::Full } else { Share::Partial };
        let is_new = !self.members.contains_key(&announce.peer_id);
        if is_new {
            self.remove_address(&announce.addr);
        }
        let member = self.members.entry(announce.peer_id).or_insert_with(|| Member {
            addr: announce.addr,
            share,
            expires,
            neighbours: BTreeSet::new(),
        });
        member.addr = announce.addr;
        member.expires = expires;
        if member.share != share {
            member.share = share;
            self.part_seeds(&announce.peer_id);
        }
    }

    /// Whoever listened where a new member listens has been restarted under a new name.
    fn remove_address(&mut self, addr: &SocketAddr) {
        let before = self.members.iter().find(|(_, member)| member.addr == *addr);
        if let Some(id) = before.map(|(id, _)| *id) {
            self.remove(&id);
        }
    }

    /// Two members that have everything part (BEP 21), so that both have room for others.
    fn part_seeds(&mut self, id: &PeerId) {
        let Some(member) = self.members.get(id).filter(|member| member.share == Share::Full) else {
            return;
        };
        for other in member.neighbours.clone() {
            if self.members.get(&other).is_some_and(|other| other.share == Share::Full) {
                self.unpair(id, &other);
            }
        }
    }

    fn unpair(&mut self, one: &PeerId, other: &PeerId) {
        for (one, other) in [(one, other), (other, one)] {
            if let Some(member) = self.members.get_mut(one) {
                member.neighbours.remove(other);
            }
        }
    }

    /// The neighbours that a member has already, and how many new ones it is given.
    fn known_first(&self, id: &PeerId, most: usize) -> (Vec<PeerId>, usize) {
        let Some(member) = self.members.get(id) else {
            return (Vec::new(), 0);
        };
        let known: Vec<_> = member.neighbours.iter().copied().take(most).collect();
        let lacks = handout::ENOUGH.saturating_sub(member.degree());
        let new = lacks.min(handout::FIRST).min(most - known.len());
        (known, new)
    }

    fn draw(&mut self, id: &PeerId, want: usize, chance: &mut fastrand::Rng) -> Vec<PeerId> {
        let Some(member) = self.members.get(id) else {
            return Vec::new();
        };
        let known = |other: &PeerId| member.neighbours.contains(other);
        let drawn = handout::draw(id, member.share, known, self.members.iter(), want, chance);
        for other in &drawn {
            for (one, other) in [(id, other), (other, id)] {
                if let Some(member) = self.members.get_mut(one) {
                    member.neighbours.insert(*other);
                }
            }
        }
        drawn
    }

    fn entry(&self, id: &PeerId) -> Option<PeerEntry> {
        self.members.get(id).map(|member| PeerEntry { peer_id: *id, addr: member.addr })
    }
}

fn bounded(most: u32) -> usize {
    (most as usize).min(handout::MOST)
}
