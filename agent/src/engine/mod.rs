//! The swarm's shell: sockets, buffers and timers around [`murder_swarm::torrent::Torrent`], which
//! decides.
//!
//! One task owns the core (`drive`). Each connection has a task that reads (`reader`) and one that
//! writes (`writer`); blocks are hashed and written on the disk's threads. All of them talk to the
//! core's task through one bounded channel, so whoever is too fast for it waits.

mod buffers;
mod connection;
mod drive;
mod handle;
mod handshake;
mod listener;
mod low_water;
mod reader;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

pub use handle::{Engine, Event, Options, Progress};
pub use listener::{BindError, Listener};
