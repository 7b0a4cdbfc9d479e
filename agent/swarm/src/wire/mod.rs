//! What peers say to each other: the peer wire protocol (BEP 3) with the fast extension (BEP 6),
//! the extension protocol (BEP 10) and peer ids (BEP 20).
//!
//! The payload of a `piece` message never passes through here. [`decode`] stops at its header, so
//! that the shell can read the bytes straight into the piece's buffer.

mod codec;
pub mod extended;
mod handshake;
mod id;
mod message;

pub use codec::{BLOCK_HEADER, Decoded, Limits, WireError, decode, encode, encode_block_header};
pub use handshake::{Handshake, HandshakeError, Reserved};
pub use id::{ContentHash, InfoHash, ParseIdError, PeerId};
pub use message::{Message, Span};
