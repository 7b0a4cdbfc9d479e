//! One connection: two ends, and what is queued and under way in each direction.

use murder_swarm::torrent::ConnId;
use murder_swarm::wire::Message;
use murder_swarm::{Block, Lengths, Time};

use crate::HostId;
use crate::agenda::Life;
use crate::ledger::Ledger;
use crate::queue::{Pool, Queue};

/// One end of one connection of the simulation. Who dialled has the even number, who was dialled the
/// odd one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndId(u32);

impl EndId {
    pub(crate) fn other(self) -> Self {
        Self(self.0 ^ 1)
    }

    /// The number of the connection.
    pub(crate) fn connection(self) -> u32 {
        self.0 / 2
    }
}

/// What travels on a connection, in order.
#[derive(Debug)]
pub(crate) enum Item {
    Message(Message),
    Block { block: Block, quality: Quality },
    Close,
}

impl Item {
    /// Its length on the wire.
    pub(crate) fn bytes(&self) -> u32 {
        let length = |payload: &[u8]| u32::try_from(payload.len()).unwrap_or(u32::MAX);
        match self {
            Self::Block { block, .. } => 13 + block.len,
            Self::Close => 0,
            Self::Message(message) => match message {
                Message::KeepAlive => 4,
                Message::Have(_) | Message::SuggestPiece(_) | Message::AllowedFast(_) => 9,
                Message::Request(_) | Message::Cancel(_) | Message::RejectRequest(_) => 17,
                Message::Bitfield(bits) => 5 + length(bits),
                Message::Extended { payload, .. } => 6 + length(payload),
                Message::Port(_) => 7,
                _ => 5,
            },
        }
    }
}

/// What the bytes of a block are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    Right,
    Spoiled,
}

/// All connections that ever were.
#[derive(Debug)]
pub(crate) struct Connections {
    ends: Vec<End>,
    waiting: Pool<Item>,
    coming: Pool<(Time, Item)>,
}

/// One end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) life: Life,
    /// What the host's torrent calls it; `None` before it was told and after it was closed.
    pub(crate) id: Option<ConnId>,
    /// What this end has still to send.
    waiting: Queue,
    /// Bytes of the blocks in it.
    pub(crate) ahead: u64,
    /// How many chokes are in it.
    chokes: u32,
    /// What is under way to this end on each [`Part`] of the way.
    legs: [Leg; 2],
    /// When it last said something: what it says in the same moment goes into the same packet.
    pub(crate) spoke: Option<Time>,
    /// Whether the first of `waiting` is a block that waits for the host's uplink, or is on it.
    pub(crate) uplink: Uplink,
    pub(crate) ledger: Ledger,
}

/// A part of the way to an end.
#[derive(Debug)]
struct Leg {
    /// With the times at which it has come this part of the way.
    under_way: Queue,
    /// The last time in it: nothing overtakes.
    latest: Time,
}

/// Which part of the way to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Over the links that racks share, to the queue before its host's downlink.
    Crossing,
    /// To the end itself.
    Coming,
}

/// Where an end is with its host's uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uplink {
    Idle,
    Waiting,
    Sending,
}

impl Connections {
    pub(crate) fn new() -> Self {
        Self { ends: Vec::new(), waiting: Pool::new(), coming: Pool::new() }
    }

    /// A new connection, of which both ends are still to be told to their torrents. Its dialler's
    /// end.
    pub(crate) fn add(&mut self, dialler: Life, listener: Life, lengths: &Lengths) -> EndId {
        let end = |life| End {
            life,
            id: None,
            waiting: Queue::EMPTY,
            ahead: 0,
            chokes: 0,
            legs: [Leg::EMPTY, Leg::EMPTY],
            spoke: None,
            uplink: Uplink::Idle,
            ledger: Ledger::new(lengths),
        };
        let number = u32::try_from(self.ends.len()).expect("fewer than 4 billion");
        self.ends.extend([end(dialler), end(listener)]);
        EndId(number)
    }

    pub(crate) fn host(&self, end: EndId) -> HostId {
        self[end].life.host
    }

    /// Whether something need not wait for the blocks that an end has to send. A choke waits behind
    /// those that were promised before it, and what follows waits behind the choke.
    pub(crate) fn goes_first(&self, end: EndId, item: &Item) -> bool {
        let end = &self[end];
        let Item::Message(message) = item else { return false };
        end.uplink != Uplink::Idle && end.chokes == 0 && *message != Message::Choke
    }

    /// Puts something behind what an end has to send.
    pub(crate) fn queue(&mut self, end: EndId, item: Item) {
        let end = &mut self.ends[end.0 as usize];
        end.ahead += block_bytes(&item);
        end.chokes += u32::from(is_choke(&item));
        self.waiting.push(&mut end.waiting, item);
    }

    /// The next thing that an end has to send.
    pub(crate) fn next(&self, end: EndId) -> Option<&Item> {
        self.waiting.first(&self[end].waiting)
    }

    pub(crate) fn take_next(&mut self, end: EndId) -> Option<Item> {
        let end = &mut self.ends[end.0 as usize];
        let item = self.waiting.pop(&mut end.waiting)?;
        end.ahead -= block_bytes(&item);
        end.chokes -= u32::from(is_choke(&item));
        Some(item)
    }

    /// Puts something on a part of the way to an end, at whose end it is at that time or, if something
    /// is before it, later. Says when it is the only thing under way there.
    pub(crate) fn bring(&mut self, end: EndId, part: Part, at: Time, item: Item) -> Option<Time> {
        let leg = &mut self.ends[end.0 as usize].legs[part as usize];
        let alone = leg.under_way.is_empty();
        let at = at.max(leg.latest);
        leg.latest = at;
        self.coming.push(&mut leg.under_way, (at, item));
        alone.then_some(at)
    }

    /// When the next thing has come a part of the way to an end.
    pub(crate) fn comes(&self, end: EndId, part: Part) -> Option<Time> {
        self.coming.first(&self[end].legs[part as usize].under_way).map(|(at, _)| *at)
    }

    pub(crate) fn take_coming(&mut self, end: EndId, part: Part) -> Option<Item> {
        let leg = &mut self.ends[end.0 as usize].legs[part as usize];
        self.coming.pop(&mut leg.under_way).map(|(_, item)| item)
    }

    /// Forgets what an end has to send and what comes to it. The bytes of blocks that were on their
    /// way.
    pub(crate) fn clear(&mut self, end: EndId) -> u64 {
        while self.take_next(end).is_some() {}
        let mut comes = || {
            self.take_coming(end, Part::Crossing).or_else(|| self.take_coming(end, Part::Coming))
        };
        std::iter::from_fn(&mut comes).map(|item| block_bytes(&item)).sum()
    }

    /// Bytes of the blocks that are on their way.
    pub(crate) fn bytes_coming(&self) -> u64 {
        let legs = self.ends.iter().flat_map(|end| &end.legs);
        let coming = legs.flat_map(|leg| self.coming.iter(&leg.under_way));
        coming.map(|(_, item)| block_bytes(item)).sum()
    }
}

impl Leg {
    const EMPTY: Self = Self { under_way: Queue::EMPTY, latest: Time::ZERO };
}

impl std::ops::Index<EndId> for Connections {
    type Output = End;

    fn index(&self, end: EndId) -> &End {
        &self.ends[end.0 as usize]
    }
}

impl std::ops::IndexMut<EndId> for Connections {
    fn index_mut(&mut self, end: EndId) -> &mut End {
        &mut self.ends[end.0 as usize]
    }
}

fn is_choke(item: &Item) -> bool {
    matches!(item, Item::Message(Message::Choke))
}

fn block_bytes(item: &Item) -> u64 {
    match item {
        Item::Block { block, .. } => block.len.into(),
        Item::Message(_) | Item::Close => 0,
    }
}
