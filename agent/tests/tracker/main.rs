//! A tracker on loopback addresses, as agents, foreign clients and verbs meet it.

mod agents;
mod harness;
