//! One host: its agent's torrent, its links, and what its disk holds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use murder_swarm::torrent::{ConnId, Torrent};
use murder_swarm::wire::PeerId;
use murder_swarm::{Block, Lengths, PieceIndex, PieceSet, Time};

use crate::agenda::Life;
use crate::connection::{EndId, Quality};
use crate::tracker::Contact;
use crate::{HostId, Wrong};

/// One host and its agent.
pub(crate) struct Host {
    pub(crate) id: HostId,
    pub(crate) state: State,
    /// How often its agent was started.
    pub(crate) lives: u32,
    pub(crate) torrent: Option<Torrent>,
    pub(crate) ends: Ends,
    /// How many of them it serves.
    pub(crate) served: usize,
    /// Ends whose next item is a block, in the order of their turns.
    pub(crate) turns: VecDeque<EndId>,
    pub(crate) sending: Option<EndId>,
    /// The event that will call the torrent.
    pub(crate) alarm: Option<Time>,
    /// How often it was called without time going on.
    pub(crate) spins: u32,
    pub(crate) contact: Contact,
    pub(crate) store: Pieces,
    pub(crate) carried: Carried,
    pub(crate) banned: BTreeSet<HostId>,
    pub(crate) began: Option<Time>,
    pub(crate) completed: Option<Time>,
    /// It is a peer that has not completed and still can.
    pub(crate) can_complete: bool,
    /// Of 1000 blocks, so many are spoiled.
    pub(crate) spoils: u32,
}

/// What became of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its agent does not run; dials are refused.
    Down,
    /// Its agent runs.
    Up,
    /// Nobody hears of it.
    Gone,
}

/// The open connections of a host, by what its torrent calls them, which is in the order of their
/// making.
#[derive(Debug, Default)]
pub(crate) struct Ends(Vec<(ConnId, EndId)>);

impl Ends {
    pub(crate) fn add(&mut self, conn: ConnId, end: EndId) {
        debug_assert!(self.0.last().is_none_or(|(last, _)| *last < conn));
        self.0.push((conn, end));
    }

    pub(crate) fn get(&self, conn: ConnId) -> Option<EndId> {
        self.place(conn).map(|place| self.0[place].1)
    }

    pub(crate) fn remove(&mut self, conn: ConnId) {
        if let Some(place) = self.place(conn) {
            self.0.remove(place);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = EndId> {
        self.0.iter().map(|(_, end)| *end)
    }

    fn place(&self, conn: ConnId) -> Option<usize> {
        self.0.binary_search_by_key(&conn, |(conn, _)| *conn).ok()
    }
}

/// Bytes that the network has carried for one life of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl Host {
    pub(crate) fn new(id: HostId, lengths: Lengths) -> Self {
        Self {
            id,
            state: State::Down,
            lives: 0,
            torrent: None,
            ends: Ends::default(),
            served: 0,
            turns: VecDeque::new(),
            sending: None,
            alarm: None,
            spins: 0,
            contact: Contact::default(),
            store: Pieces::new(lengths),
            carried: Carried::default(),
            banned: BTreeSet::new(),
            began: None,
            completed: None,
            can_complete: id != HostId::SEEDER,
            spoils: 0,
        }
    }

    pub(crate) fn life(&self) -> Life {
        Life { host: self.id, number: self.lives }
    }

    /// The agent's name, another one in each life.
    pub(crate) fn peer_id(&self) -> PeerId {
        let mut chance = [0; 12];
        chance[..4].copy_from_slice(&self.id.0.wrapping_mul(0x9e37_79b1).to_be_bytes());
        chance[4..8].copy_from_slice(&self.id.0.to_be_bytes());
        chance[8..].copy_from_slice(&self.lives.to_be_bytes());
        PeerId::ours(chance)
    }

    pub(crate) fn ip(&self) -> IpAddr {
        Ipv4Addr::from_bits(NETWORK + self.id.0).into()
    }

    /// Where the agent listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), PORT)
    }
}

/// The host that has an address.
pub(crate) fn host_at(addr: SocketAddr, hosts: usize) -> Option<HostId> {
    let IpAddr::V4(ip) = addr.ip() else {
        return None;
    };
    let n = ip.to_bits().checked_sub(NETWORK)?;
    ((n as usize) < hosts && addr.port() == PORT).then_some(HostId(n))
}

/// The pieces of one host, as far as they are in memory or on its disk.
#[derive(Debug)]
pub(crate) struct Pieces {
    lengths: Lengths,
    pub(crate) verified: PieceSet,
    buffers: BTreeMap<PieceIndex, Vec<Kept>>,
    hashing: BTreeMap<PieceIndex, Quality>,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    begin: u32,
    end: u32,
    quality: Quality,
}

impl Kept {
    fn without(&self, new: &Self) -> impl Iterator<Item = Self> + use<> {
        let before = Self { end: self.end.min(new.begin), ..*self };
        let after = Self { begin: self.begin.max(new.end), ..*self };
        [before, after].into_iter().filter(|part| part.begin < part.end)
    }
}

impl Pieces {
    fn new(lengths: Lengths) -> Self {
        let verified = PieceSet::empty(&lengths);
        Self { lengths, verified, buffers: BTreeMap::new(), hashing: BTreeMap::new() }
    }

    /// What an agent loses with its life.
    pub(crate) fn forget_memory(&mut self) {
        self.buffers.clear();
        self.hashing.clear();
    }

    /// Puts a block into its piece's buffer.
    pub(crate) fn keep(&mut self, block: Block, quality: Quality) {
        let kept = self.buffers.entry(block.piece).or_default();
        let new = Kept { begin: block.begin, end: block.begin + block.len, quality };
        // The later bytes count: of what was there, only what lies before and after them is left.
        if kept.iter().any(|old| old.begin < new.end && new.begin < old.end) {
            *kept = kept.iter().flat_map(|old| old.without(&new)).collect();
        }
        kept.push(new);
    }

    /// Takes a piece's buffer to be hashed.
    pub(crate) fn hash(&mut self, piece: PieceIndex) -> Result<(), Wrong> {
        if self.verified.contains(piece) || self.hashing.contains_key(&piece) {
            return Err(Wrong::CheckedTwice(piece));
        }
        let mut kept = self.buffers.remove(&piece).unwrap_or_default();
        kept.sort_by_key(|part| part.begin);
        let size = self.lengths.size(piece);
        let is_whole = kept.iter().try_fold(0, |end, part| (part.begin == end).then_some(part.end));
        if is_whole != Some(size) {
            let kept = kept.iter().map(|part| part.end - part.begin).sum();
            return Err(Wrong::PieceWithHoles { piece, kept, size });
        }
        let right = kept.iter().all(|part| part.quality == Quality::Right);
        let quality = if right { Quality::Right } else { Quality::Spoiled };
        self.hashing.insert(piece, quality);
        Ok(())
    }

    /// What the hash says.
    pub(crate) fn hashed(&mut self, piece: PieceIndex) -> Option<Quality> {
        let quality = self.hashing.remove(&piece)?;
        if quality == Quality::Right {
            self.verified.insert(piece);
        }
        Some(quality)
    }
}

/// 10.0.0.1 is host 0.
const NETWORK: u32 = 0x0a00_0001;
/// The first of BEP 3's.
const PORT: u16 = 6881;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_with_a_hole_is_not_hashed() {
        let lengths = Lengths::new(12, 12).unwrap();
        let mut pieces = Pieces::new(lengths);
        let piece = lengths.piece(0).unwrap();
        pieces.keep(lengths.block(0, 0, 4).unwrap(), Quality::Right);
        pieces.keep(lengths.block(0, 8, 4).unwrap(), Quality::Right);
        assert_eq!(pieces.hash(piece), Err(Wrong::PieceWithHoles { piece, kept: 8, size: 12 }));
    }

    #[test]
    fn one_spoiled_block_spoils_its_piece() {
        let lengths = Lengths::new(8, 8).unwrap();
        let mut pieces = Pieces::new(lengths);
        let piece = lengths.piece(0).unwrap();
        pieces.keep(lengths.block(0, 0, 4).unwrap(), Quality::Spoiled);
        pieces.keep(lengths.block(0, 4, 4).unwrap(), Quality::Right);
        assert_eq!(pieces.hash(piece), Ok(()));
        assert_eq!(pieces.hash(piece), Err(Wrong::CheckedTwice(piece)));
        assert_eq!(pieces.hashed(piece), Some(Quality::Spoiled));
        assert!(pieces.verified.is_empty());
    }

    #[test]
    fn later_bytes_replace_those_that_were_there() {
        let lengths = Lengths::new(12, 12).unwrap();
        let mut pieces = Pieces::new(lengths);
        let piece = lengths.piece(0).unwrap();
        pieces.keep(lengths.block(0, 0, 12).unwrap(), Quality::Right);
        pieces.keep(lengths.block(0, 4, 4).unwrap(), Quality::Spoiled);
        pieces.keep(lengths.block(0, 3, 6).unwrap(), Quality::Right);
        assert_eq!(pieces.hash(piece), Ok(()));
        assert_eq!(pieces.hashed(piece), Some(Quality::Right));
    }

    #[test]
    fn a_host_is_found_at_its_address() {
        let lengths = Lengths::new(8, 8).unwrap();
        let host = Host::new(HostId(700), lengths);
        assert_eq!(host.addr().to_string(), "10.0.2.189:6881");
        assert_eq!(host_at(host.addr(), 701), Some(HostId(700)));
        assert_eq!(host_at(host.addr(), 700), None);
    }
}
