//! BitTorrent without IO.
//!
//! No sockets, files, clock, threads or randomness of the operating system: the caller says what
//! time it is and passes the seed. The same inputs in the same order give the same outputs, so the
//! code that runs on a fleet is the code that the simulator runs.

pub mod bencode;
pub mod metainfo;
mod piece;
mod time;
pub mod torrent;
pub mod tracker;
pub mod wire;

pub use piece::{Block, Lengths, LengthsError, PieceIndex, PieceSet};
pub use time::Time;
