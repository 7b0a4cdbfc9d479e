//! One connection: two ends, and what is queued and under way in each direction.

use std::collections::VecDeque;

use murder_swarm::torrent::ConnId;
use murder_swarm::wire::Message;
use murder_swarm::{Block, Lengths, Time};

use crate::HostId;
use crate::agenda::Life;
use crate::ledger::Ledger;

/// One end of one connection of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EndId {
    pub(crate) connection: u32,
    pub(crate) side: Side,
}

/// Who is at an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// Who dialled.
    Dialler,
    /// Who was dialled.
    Listener,
}

impl EndId {
    pub(crate) fn other(self) -> Self {
        let side = match self.side {
            Side::Dialler => Side::Listener,
            Side::Listener => Side::Dialler,
        };
        Self { side, ..self }
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
#[derive(Debug, Default)]
pub(crate) struct Connections {
    ends: Vec<[End; 2]>,
}

/// One end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) life: Life,
    /// What the host's torrent calls it; `None` before it was told and after it was closed.
    pub(crate) id: Option<ConnId>,
    /// What this end has still to send.
    pub(crate) queue: VecDeque<Item>,
    /// What is under way to this end, with the times of arrival.
    pub(crate) coming: VecDeque<(Time, Item)>,
    /// The last time in `coming`: nothing overtakes.
    pub(crate) latest: Time,
    /// When it last said something: what it says in the same moment goes into the same packet.
    pub(crate) spoke: Option<Time>,
    /// Whether the first of `queue` is a block that waits for the host's uplink, or is on it.
    pub(crate) uplink: Uplink,
    pub(crate) ledger: Ledger,
}

/// Where an end is with its host's uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uplink {
    Idle,
    Waiting,
    Sending,
}

impl Connections {
    /// A new connection, of which both ends are still to be told to their torrents.
    pub(crate) fn add(&mut self, dialler: Life, listener: Life, lengths: &Lengths) -> EndId {
        let end = |life| End {
            life,
            id: None,
            queue: VecDeque::new(),
            coming: VecDeque::new(),
            latest: Time::ZERO,
            spoke: None,
            uplink: Uplink::Idle,
            ledger: Ledger::new(lengths),
        };
        self.ends.push([end(dialler), end(listener)]);
        let connection = u32::try_from(self.ends.len() - 1).expect("fewer than 4 billion");
        EndId { connection, side: Side::Dialler }
    }

    pub(crate) fn host(&self, end: EndId) -> HostId {
        self[end].life.host
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &End> {
        self.ends.iter().flatten()
    }
}

impl std::ops::Index<EndId> for Connections {
    type Output = End;

    fn index(&self, end: EndId) -> &End {
        &self.ends[end.connection as usize][end.side as usize]
    }
}

impl std::ops::IndexMut<EndId> for Connections {
    fn index_mut(&mut self, end: EndId) -> &mut End {
        &mut self.ends[end.connection as usize][end.side as usize]
    }
}

/// Bytes of the blocks among items.
pub(crate) fn block_bytes<'a>(items: impl Iterator<Item = &'a Item>) -> u64 {
    let bytes = |item: &Item| match item {
        Item::Block { block, .. } => u64::from(block.len),
        Item::Message(_) | Item::Close => 0,
    };
    items.map(bytes).sum()
}
