//! BitTorrent without IO.
//!
//! No sockets, files, clock, threads or randomness of the operating system: the caller says what
//! time it is and passes the seed. The same inputs in the same order give the same outputs, so the
//! code that runs on a fleet is the code that the simulator runs.

pub mod bencode;
mod candidates;
mod choker;
mod giver;
mod limit;
pub mod metainfo;
mod partial;
mod picker;
mod piece;
mod rarity;
mod rate;
mod suspects;
mod time;
pub mod torrent;
pub mod tracker;
pub mod wire;

pub use piece::{Block, Lengths, LengthsError, PieceIndex, PieceSet, piece_length};
pub use time::Time;
