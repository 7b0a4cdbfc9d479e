//! The tracker's host, and how far an agent is with it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use murder_swarm::Time;
use murder_swarm::tracker::{Announce, Config, Event, Store, Want};
use murder_swarm::wire::InfoHash;

use crate::host::Host;

/// A tracker that can be down.
pub(crate) struct Tracker {
    store: Option<Store>,
    seed: u64,
    starts: u64,
}

/// How far an agent is with the tracker.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    /// A word of the agent is under way, or will be.
    pub(crate) asking: Asking,
    /// What the agent says next.
    pub(crate) word: Word,
    /// When it last asked.
    pub(crate) asked_at: Option<Time>,
    /// Answers that are under way.
    pub(crate) answers: VecDeque<Vec<SocketAddr>>,
}

/// Whether an agent waits for the tracker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asking {
    #[default]
    No,
    Yes,
    /// It does, and will then ask for more.
    Again,
}

/// What an agent tells the tracker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Word {
    /// That it is there.
    #[default]
    Hello,
    /// That it lacks peers.
    WantPeers,
    /// That it has everything.
    Complete,
}

impl Tracker {
    pub(crate) fn new(seed: u64) -> Self {
        let mut tracker = Self { store: None, seed, starts: 0 };
        tracker.start();
        tracker
    }

    pub(crate) fn start(&mut self) {
        let mut store = Store::new(Config::default(), self.seed ^ self.starts);
        store.register(TORRENT);
        self.starts += 1;
        self.store = Some(store);
    }

    pub(crate) fn stop(&mut self) {
        self.store = None;
    }

    /// A word of a host, and whom it hears of; nothing if the tracker is down.
    pub(crate) fn announce(&mut self, now: Time, host: &Host) -> Option<Vec<SocketAddr>> {
        let pieces = &host.store.verified;
        let (event, want) = match host.contact.word {
            Word::Hello => (Event::Started, Want::FIRST),
            Word::WantPeers => (Event::Regular, Want::MORE),
            Word::Complete => (Event::Completed, Want::NOBODY),
        };
        let announce = Announce {
            info_hash: TORRENT,
            peer_id: host.peer_id(),
            addr: host.addr(),
            event,
            left: u64::from(!pieces.is_full()),
            want,
        };
        let answer = self.store.as_mut()?.announce(now, &announce).ok()?;
        Some(answer.peers.into_iter().map(|peer| peer.addr).collect())
    }

    /// The standing connection of a host is there.
    pub(crate) fn touch(&mut self, now: Time, host: &Host) {
        if let Some(store) = &mut self.store {
            store.touch(now, &TORRENT, &host.peer_id());
        }
    }

    /// The standing connection of a host was closed.
    pub(crate) fn leave(&mut self, host: &Host) {
        if let Some(store) = &mut self.store {
            store.leave(&TORRENT, &host.peer_id());
        }
    }

    pub(crate) fn expire(&mut self, now: Time) {
        if let Some(store) = &mut self.store {
            store.expire(now);
        }
    }
}

const TORRENT: InfoHash = InfoHash([0x6d; 20]);
