//! Tracker, seeder and peers as the processes that they are on a fleet, each in a folder of its
//! own on this machine.

mod fleet;
mod host;
#[path = "../support/installed.rs"]
mod installed;
mod refusals;
mod releases;
mod runs;
mod warm;
