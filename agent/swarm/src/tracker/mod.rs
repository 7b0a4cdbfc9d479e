//! The tracker without its sockets: who is in which swarm, and who is told of whom.
//!
//! [`Store`] decides, [`http`] is its form on the wire (BEP 3, 7, 23, 48) for both ends.

mod announce;
mod handout;
pub mod http;
mod index;
mod members;
mod scrape;
mod store;
mod swarm;

pub use announce::{Announce, AnnounceError, Answer, Event, PeerEntry, Want};
pub use scrape::{ScrapeEntry, Tally};
pub use store::{Config, Gone, Registered, Store};
