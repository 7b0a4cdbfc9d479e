//! What a member says to the tracker, and what it hears.

use std::net::SocketAddr;
use std::time::Duration;

use super::Tally;
use crate::wire::{InfoHash, PeerId};

/// A member's word, however it came: over HTTP or over an agent's standing connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The member.
    pub peer_id: PeerId,
    /// Where others can reach it.
    pub addr: SocketAddr,
    /// Why it calls.
    pub event: Event,
    /// Bytes that it still lacks; 0 makes it a seed.
    pub left: u64,
    /// Whom it wants to hear of.
    pub want: Want,
}

/// Why a member announces itself (BEP 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// To say that it is still there.
    Regular,
    /// It begins.
    Started,
    /// It has just got the last piece.
    Completed,
    /// It leaves.
    Stopped,
}

/// Whom a member wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// At most so many peers, known ones included (`numwant` of BEP 3).
    UpTo(u32),
    /// At most so many that it was not given before, since those are too few or no use.
    Fresh(u32),
}

/// What our agents want. The store decides how many it really gives.
impl Want {
    /// At the beginning.
    pub const FIRST: Self = Self::UpTo(50);
    /// When peers are too few.
    pub const MORE: Self = Self::Fresh(16);
    /// Nobody: it only tells how far it is.
    pub const NOBODY: Self = Self::UpTo(0);
}

/// What a member hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When to announce again.
    pub interval: Duration,
    /// When to announce again at the earliest.
    pub min_interval: Duration,
    /// How many are in the swarm.
    pub tally: Tally,
    /// Members to connect to.
    pub peers: Vec<PeerEntry>,
}

/// One member as another one is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerEntry {
    /// Its name.
    pub peer_id: PeerId,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// Why a member is not let in. The text is what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnounceError {
    /// Only torrents that were registered are tracked.
    #[error("the torrent is not registered with this tracker")]
    NotRegistered,
}
