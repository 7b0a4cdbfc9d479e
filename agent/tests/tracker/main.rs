//! A tracker on loopback addresses, as agents, foreign clients and verbs meet it.

mod agents;
mod foreign;
mod harness;
#[path = "../support/installed.rs"]
mod installed;
mod orders;
mod restart;
mod runs;
mod verbs;
mod warm;
