//! What happens next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use murder_swarm::{PieceIndex, Time};

use crate::connection::EndId;
use crate::{HostId, Trouble};

/// Events in the order of their times; those of the same time in the order of their making.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    made: u64,
}

/// One life of a host: what was begun in an earlier one is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) host: HostId,
    pub(crate) number: u32,
}

/// What can happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A host's agent starts.
    Start(HostId),
    /// A torrent wants to be called.
    Timeout(Life),
    /// Something reaches the end of its connection.
    Arrival(EndId),
    /// A block has left its host.
    Departure(HostId, EndId),
    /// A host can receive again.
    Room(HostId),
    /// A dial reaches its target.
    Knock { from: Life, to: HostId },
    /// A dial has got its answer, at its origin.
    Entered { from: Life, end: EndId },
    /// A dial has failed, at its origin.
    Rejected { from: Life, to: HostId },
    /// A piece has been hashed.
    Hashed { life: Life, piece: PieceIndex },
    /// A host's word reaches the tracker.
    Announce(Life),
    /// The tracker's answer reaches a host.
    Answer(Life),
    /// Agents that are connected to the tracker are still there; silent ones expire.
    Pulse,
    /// Something goes wrong.
    Trouble(Trouble),
}

#[derive(Debug)]
struct Entry {
    at: Time,
    made: u64,
    event: Event,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: Time, event: Event) {
        self.made += 1;
        self.heap.push(Reverse(Entry { at, made: self.made, event }));
    }

    pub(crate) fn next(&mut self) -> Option<(Time, Event)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.made) == (other.at, other.made)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.made).cmp(&(other.at, other.made))
    }
}
