//! What happens next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use murder_swarm::{PieceIndex, Time};

use crate::connection::EndId;
use crate::network::QueueId;
use crate::queue::{Pool, Queue};
use crate::{HostId, Trouble};

/// Events in the order of their times; those of the same time in the order of their making.
///
/// Nearly all that is planned happens within milliseconds, so there is a slot for each of the next
/// microseconds, and to add and to take cost the same however much is planned. What is further
/// away waits in a heap until its slot comes up.
#[derive(Debug)]
pub(crate) struct Agenda {
    now: u64,
    /// Events of `now` and the [`SLOTS`] - 1 microseconds after it, each at its time's remainder.
    near: Vec<Queue>,
    events: Pool<Event>,
    /// A bit for each slot that may have events.
    marks: Vec<u64>,
    later: BinaryHeap<Reverse<Entry>>,
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
    /// Something has come over the links that racks share.
    Crossed(EndId),
    /// Something reaches the end of its connection.
    Arrival(EndId),
    /// A block has left its host.
    Departure(HostId, EndId),
    /// A queue of the network takes more again.
    Room(QueueId),
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
    at: u64,
    made: u64,
    event: Event,
}

impl Agenda {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            near: std::iter::repeat_with(|| Queue::EMPTY).take(SLOTS).collect(),
            events: Pool::new(),
            marks: vec![0; SLOTS / MARKS],
            later: BinaryHeap::new(),
            made: 0,
        }
    }

    /// Plans an event, which can not be in the past.
    pub(crate) fn add(&mut self, at: Time, event: Event) {
        let at = at.as_micros().max(self.now);
        if at - self.now < SLOTS as u64 {
            self.put(at, event);
        } else {
            self.made += 1;
            self.later.push(Reverse(Entry { at, made: self.made, event }));
        }
    }

    /// Takes the next event, and goes on to its time.
    pub(crate) fn next(&mut self) -> Option<(Time, Event)> {
        loop {
            let slot = slot(self.now);
            if let Some(event) = self.events.pop(&mut self.near[slot]) {
                return Some((Time::from_micros(self.now), event));
            }
            self.marks[slot / MARKS] &= !(1 << (slot % MARKS));
            self.now = match self.ahead() {
                Some(ahead) => self.now + ahead as u64,
                None => self.later.peek()?.0.at,
            };
            self.bring_up();
        }
    }

    /// In how many microseconds the next slot comes that is not empty.
    fn ahead(&self) -> Option<usize> {
        let from = slot(self.now);
        let (word, bit) = (from / MARKS, from % MARKS);
        let words = (0..=self.marks.len()).map(|n| (word + n) % self.marks.len());
        // The first word is looked at from the present slot on, and up to it at the end.
        let first = self.marks[word] >> bit << bit;
        let (word, marks) = std::iter::once((word, first))
            .chain(words.skip(1).map(|word| (word, self.marks[word])))
            .find(|(_, marks)| *marks != 0)?;
        let found = word * MARKS + marks.trailing_zeros() as usize;
        Some((found + SLOTS - from) % SLOTS)
    }

    /// Gives slots to what has come near. It was made before anything that was put there directly.
    fn bring_up(&mut self) {
        while let Some(Reverse(entry)) = self.later.peek()
            && entry.at - self.now < SLOTS as u64
        {
            let Some(Reverse(entry)) = self.later.pop() else { return };
            self.put(entry.at, entry.event);
        }
    }

    fn put(&mut self, at: u64, event: Event) {
        let slot = slot(at);
        self.events.push(&mut self.near[slot], event);
        self.marks[slot / MARKS] |= 1 << (slot % MARKS);
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

fn slot(at: u64) -> usize {
    (at % SLOTS as u64) as usize
}

/// 33 ms: a look at the transfers, a block on its link, a way through the network.
const SLOTS: usize = 1 << 15;
/// Slots in one word of marks.
const MARKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_their_times_and_of_their_making() {
        let mut chance = fastrand::Rng::with_seed(1);
        let mut agenda = Agenda::new();
        let mut planned = std::collections::BTreeMap::new();
        let mut now = 0;
        for number in 0..20_000 {
            let span = [1, 100, 40_000, 5_000_000][chance.usize(..4)];
            let at = now + chance.u64(0..span);
            agenda.add(Time::from_micros(at), Event::Start(HostId(number)));
            planned.insert((at, number), ());
            if chance.bool() {
                now = take_first(&mut agenda, &mut planned);
            }
        }
        while !planned.is_empty() {
            take_first(&mut agenda, &mut planned);
        }
        assert!(agenda.next().is_none());
    }

    fn take_first(
        agenda: &mut Agenda,
        planned: &mut std::collections::BTreeMap<(u64, u32), ()>,
    ) -> u64 {
        let ((at, number), ()) = planned.pop_first().unwrap();
        let (when, event) = agenda.next().unwrap();
        assert_eq!(when.as_micros(), at);
        assert!(matches!(event, Event::Start(HostId(host)) if host == number), "{event:?}");
        at
    }
}
