//! A tracker on loopback addresses, as agents, foreign clients and verbs meet it.

mod agents;
mod foreign;
mod harness;
mod restart;
mod runs;
mod verbs;
