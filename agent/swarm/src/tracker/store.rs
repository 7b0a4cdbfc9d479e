//! All torrents of a tracker.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use super::swarm::Swarm;
use super::{Announce, AnnounceError, Answer, ScrapeEntry};
use crate::Time;
use crate::wire::{InfoHash, PeerId};

/// Who is in which swarm.
///
/// Call [`Store::expire`] at [`Store::poll_deadline`], which may change with every other call.
#[derive(Debug)]
pub struct Store {
    swarms: BTreeMap<InfoHash, Swarm>,
    config: Config,
    chance: fastrand::Rng,
}

/// How a tracker paces its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Members announce themselves this often while they are few.
    pub interval: Duration,
    /// The most regular announces a second; more members get a longer interval.
    pub announces_per_second: u32,
}

impl Default for Config {
    /// 30 s up to 3,000 members.
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), announces_per_second: 100 }
    }
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The torrent is tracked from now on.
    New,
    /// It was before; its members stay.
    Before,
}

/// A member that was not heard of for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The member.
    pub peer_id: PeerId,
}

impl Store {
    /// A tracker of nothing.
    pub fn new(config: Config, seed: u64) -> Self {
        Self { swarms: BTreeMap::new(), config, chance: fastrand::Rng::with_seed(seed) }
    }

    /// Tracks a torrent from now on.
    pub fn register(&mut self, info_hash: InfoHash) -> Registered {
        match self.swarms.entry(info_hash) {
            Entry::Occupied(_) => Registered::Before,
            Entry::Vacant(vacant) => {
                vacant.insert(Swarm::new(self.chance.u64(..)));
                Registered::New
            }
        }
    }

    /// Forgets a torrent and its members; says whether it was known.
    pub fn unregister(&mut self, info_hash: &InfoHash) -> bool {
        self.swarms.remove(info_hash).is_some()
    }

    /// The torrents that are tracked.
    pub fn registered(&self) -> impl Iterator<Item = InfoHash> {
        self.swarms.keys().copied()
    }

    /// A member's word: lets it in or out, and tells it of others.
    pub fn announce(&mut self, now: Time, announce: &Announce) -> Result<Answer, AnnounceError> {
        let interval = self.interval();
        let expires = now + patience(interval);
        let swarm = self.swarms.get_mut(&announce.info_hash).ok_or(AnnounceError::NotRegistered)?;
        let peers = swarm.announce(expires, announce, &mut self.chance);
        let tally = swarm.tally();
        Ok(Answer { interval, min_interval: interval.min(MIN_INTERVAL), tally, peers })
    }

    /// Notes that a member is still there without telling it anything; says whether it is known.
    pub fn touch(&mut self, now: Time, info_hash: &InfoHash, peer_id: &PeerId) -> bool {
        let expires = now + patience(self.interval());
        self.swarms.get_mut(info_hash).is_some_and(|swarm| swarm.touch(expires, peer_id))
    }

    /// Forgets a member that is known to be gone; says whether it was there.
    pub fn leave(&mut self, info_hash: &InfoHash, peer_id: &PeerId) -> bool {
        self.swarms.get_mut(info_hash).is_some_and(|swarm| swarm.remove(peer_id))
    }

    /// The numbers of those of the torrents that are tracked (BEP 48).
    pub fn scrape(&self, wanted: &[InfoHash]) -> Vec<ScrapeEntry> {
        let entry = |info_hash: &InfoHash| {
            let tally = self.swarms.get(info_hash)?.tally();
            Some(ScrapeEntry { info_hash: *info_hash, tally })
        };
        wanted.iter().filter_map(entry).collect()
    }

    /// Forgets members that were silent for too long.
    pub fn expire(&mut self, now: Time) -> Vec<Gone> {
        let mut gone = Vec::new();
        for (info_hash, swarm) in &mut self.swarms {
            let expired = swarm.expire(now).into_iter();
            gone.extend(expired.map(|peer_id| Gone { info_hash: *info_hash, peer_id }));
        }
        gone
    }

    /// The earliest time at which a member may have been silent for too long. Those who were heard
    /// since are not looked at before [`Store::expire`] is called, so it may be too early.
    pub fn poll_deadline(&self) -> Option<Time> {
        self.swarms.values().filter_map(Swarm::next_expiry).min()
    }

    /// What regular announces cost stays bounded, however many members there are.
    fn interval(&self) -> Duration {
        let members: usize = self.swarms.values().map(Swarm::len).sum();
        let paced = members as u64 / u64::from(self.config.announces_per_second.max(1));
        Duration::from_secs(paced).clamp(self.config.interval, MAX_INTERVAL)
    }
}

/// A member may miss one announce, and be late with the next.
fn patience(interval: Duration) -> Duration {
    interval * 5 / 2
}

/// Nobody has a reason to call more often; agents with more to say have a standing connection.
const MIN_INTERVAL: Duration = Duration::from_secs(10);
/// What public trackers use; with 100 announces a second that is 180,000 members.
const MAX_INTERVAL: Duration = Duration::from_secs(1800);
