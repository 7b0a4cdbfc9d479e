//! The tracker: who has what, and how far each host of a run is.
//!
//! `state` decides, without IO: `members` is what it does when an agent speaks, `desk` what it
//! does when a workstation asks, `run` and `torrents` what it knows. Around it are `server` (the
//! TCP port with `http` and `agents`), `admin` (the socket for verbs on the same host, whose
//! other end is `ask`), and `keep` (the file); `service` holds them together. `warm` knows which
//! hosts have agents that wait, `waiting` speaks with them, and `jobs` is what they are given.

pub mod address;
pub mod admin;
mod agents;
pub mod ask;
pub mod desk;
mod guests;
mod holder;
mod http;
mod jobs;
mod keep;
mod keys;
pub mod members;
mod orders;
mod roster;
pub mod run;
mod serial;
mod server;
pub mod service;
mod shared;
pub mod state;
#[cfg(test)]
pub(crate) mod testing;
pub mod torrents;
mod verdict;
mod waiting;
mod warm;
