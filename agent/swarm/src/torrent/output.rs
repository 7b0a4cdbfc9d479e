//! What goes into a torrent and what comes out of it.

use std::net::SocketAddr;

use crate::wire::{Message, PeerId, Reserved};
use crate::{Block, PieceIndex, Time};

/// One connection of a torrent. Never used again after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub(super) u32);

impl std::fmt::Display for ConnId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The other side.
    Inbound,
    /// We did, because of [`Output::Dial`].
    Outbound,
}

/// A connection over which both handshakes have gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The other end. For an outbound connection it is the address of [`Output::Dial`].
    pub addr: SocketAddr,
    /// Who opened it.
    pub direction: Direction,
    /// The name in the other side's handshake.
    pub peer_id: PeerId,
    /// The extensions in the other side's handshake.
    pub reserved: Reserved,
}

/// Something for the driver to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect to this address and exchange handshakes; then call `handle_connected` or
    /// `handle_dial_failed`.
    Dial(SocketAddr),
    /// Send a message.
    Send {
        /// On which connection.
        conn: ConnId,
        /// What.
        message: Message,
    },
    /// Send a `piece` message with the bytes of this block; then call `handle_block_sent`. It goes
    /// out in its order among the messages of the connection.
    SendBlock {
        /// On which connection.
        conn: ConnId,
        /// What.
        block: Block,
    },
    /// Every block of the piece was kept: hash it, write it if it is right, and call
    /// `handle_piece_checked`.
    CheckPiece(PieceIndex),
    /// Close the connection. It is forgotten already: nothing is to be said about it any more.
    Disconnect {
        /// Which connection.
        conn: ConnId,
        /// Why.
        why: DisconnectReason,
    },
    /// There are too few peers: ask the tracker, as soon as it may be asked.
    WantPeers,
    /// Every piece is here. Said once, and not by a torrent that began with every piece.
    Complete,
}

/// What to do with the payload of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockUse {
    /// Put it in its piece's buffer. If there were bytes before, these count.
    Keep(Block),
    /// Nobody asked for it, or another peer was faster.
    Discard,
}

/// What the hash said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The piece is right, and it is where it can be read again.
    Good,
    /// The piece is wrong; its buffer is gone.
    Bad,
}

/// When to call `handle_timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The time.
    pub at: Time,
    /// What is waited for.
    pub why: Wait,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Blocks that were asked for, and turns at being served.
    Transfers,
    /// An address that may be dialled again.
    Redial,
    /// Connections that have to say something, or should have.
    KeepAlive,
}

/// Why a connection is not taken. The driver closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It leads to ourselves.
    #[error("the peer is this agent itself")]
    Myself,
    /// There is a connection to this peer.
    #[error("the peer is connected already")]
    AlreadyConnected,
    /// It sent a bad piece before.
    #[error("the peer's address sent wrong data and is banned")]
    Banned,
    /// No room.
    #[error("there are {0} connections already")]
    Full(usize),
}

/// Why a connection is closed by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// The peer broke the protocol.
    #[error("the peer {0}")]
    Violation(#[from] Violation),
    /// The peer alone sent a piece that does not match its hash.
    #[error("the peer sent piece {} with wrong bytes, and is banned", .0.get())]
    BadPiece(PieceIndex),
    /// The peer owed us blocks and said nothing.
    #[error("the peer promised blocks and then sent nothing")]
    Silent,
    /// The peer does not read what it asked for.
    #[error("the peer did not read what it had asked for")]
    Unread,
    /// Nothing was heard for so long that it must be gone.
    #[error("nothing was heard of the peer for minutes")]
    Quiet,
    /// Neither side lacks a piece.
    #[error("both sides have every piece")]
    BothSeeds,
    /// Both sides dialled; the other connection stays.
    #[error("the peer is connected twice")]
    Duplicate,
}

/// What a peer did that the protocol does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// BEP 3: exact length, spare bits zero.
    #[error("sent a bitfield that does not fit the torrent")]
    WrongBitfield,
    /// There is no such piece.
    #[error("spoke of piece {0}, which does not exist")]
    NoSuchPiece(u32),
    /// There is no such block, or it is longer than was agreed.
    #[error("asked for {len} bytes at {begin} of piece {index}, which it can't have")]
    NoSuchBlock {
        /// Index of the piece.
        index: u32,
        /// Offset in the piece.
        begin: u32,
        /// Bytes.
        len: u32,
    },
    /// More requests than anybody needs.
    #[error("has more than {0} requests waiting")]
    TooManyRequests(usize),
    /// A message of an extension that was not agreed on.
    #[error("used the fast extension (BEP 6) without having said so")]
    NotAgreed,
    /// Blocks that nobody asked for.
    #[error("sent {0} bytes that nobody had asked for")]
    Unasked(u64),
    /// An extension handshake that can't be read.
    #[error("sent an extension handshake (BEP 10) that can't be read")]
    BadExtension,
}

/// What a torrent has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of blocks sent.
    pub uploaded: u64,
    /// Bytes of blocks received, wasted ones included.
    pub downloaded: u64,
    /// Bytes of blocks received for nothing: twice, unasked, or in a bad piece.
    pub wasted: u64,
    /// Bytes of pieces that were checked and found right, those from before included.
    pub verified: u64,
    /// Pieces that did not match their hash.
    pub bad_pieces: u64,
}

/// How a torrent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// What it has done so far.
    pub totals: Totals,
    /// Bytes a second received of late.
    pub download_rate: u64,
    /// Bytes a second sent of late.
    pub upload_rate: u64,
    /// Connections.
    pub connections: usize,
    /// Connections to peers with every piece.
    pub seeds: usize,
    /// Peers that blocks are asked of right now.
    pub sources: usize,
    /// Peers that are being served right now.
    pub served: usize,
    /// Addresses that are banned.
    pub banned: usize,
}
