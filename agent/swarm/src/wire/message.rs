//! One message between two peers.

use crate::Block;

/// A block as it stands on the wire: nobody has checked yet that it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Index of the piece.
    pub index: u32,
    /// Offset in the piece, in bytes.
    pub begin: u32,
    /// Bytes.
    pub len: u32,
}

impl From<Block> for Span {
    fn from(block: Block) -> Self {
        Self { index: block.piece.get(), begin: block.begin, len: block.len }
    }
}

/// Every message but `piece`, whose payload stays with the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Nothing to say, but still there (BEP 3: every two minutes).
    KeepAlive,
    /// Requests will not be answered.
    Choke,
    /// Requests will be answered.
    Unchoke,
    /// The receiver has pieces that the sender lacks.
    Interested,
    /// The receiver has nothing for the sender.
    NotInterested,
    /// The sender has got this piece.
    Have(u32),
    /// What the sender has; only as the first message.
    Bitfield(Vec<u8>),
    /// Asks for a block.
    Request(Span),
    /// Takes a request back.
    Cancel(Span),
    /// Port of the sender's DHT node (BEP 5), which we do not use.
    Port(u16),
    /// The piece that the sender would like to send next (BEP 6).
    SuggestPiece(u32),
    /// The sender has every piece (BEP 6); instead of a bitfield.
    HaveAll,
    /// The sender has no piece (BEP 6); instead of a bitfield.
    HaveNone,
    /// The request will not be answered (BEP 6).
    RejectRequest(Span),
    /// This piece may be requested while choked (BEP 6).
    AllowedFast(u32),
    /// A message of the extension protocol (BEP 10); id 0 is its handshake.
    Extended {
        /// The number that the receiver gave the extension in its handshake.
        id: u8,
        /// What the extension makes of it.
        payload: Vec<u8>,
    },
}
