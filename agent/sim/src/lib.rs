//! Thousands of `murder-swarm` peers on a virtual network in virtual time.
//!
//! A [`Scenario`] says who takes part, over which links, and what goes wrong when. Running it
//! drives the same [`Torrent`](murder_swarm::torrent::Torrent) and the same tracker
//! [`Store`](murder_swarm::tracker::Store) that a fleet runs, and ends in a [`Report`], or in a
//! [`Breach`] as soon as one of them does what it must never do. The same scenario with the same
//! seed takes the same course, which [`Report::trace`] proves.

mod agenda;
mod breach;
mod connection;
mod host;
mod ledger;
mod network;
mod queue;
mod report;
mod scenario;
mod trace;
mod tracker;
mod world;

pub use breach::{Breach, Wrong};
pub use report::{Ended, Report};
pub use scenario::{Access, Fault, HostId, Rack, Scenario, Trouble};
