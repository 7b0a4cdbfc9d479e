//! The standing connection between an agent and its tracker.
//!
//! An agent opens it with an HTTP upgrade on the tracker's one port. After that both ends send
//! JSON, one message a line. The agent reports how far it is; the tracker answers with addresses
//! of peers, and says when the swarm is done. `message` has the words, `line` how they travel,
//! `dial` and `upgrade` how a connection begins, `client` the agent's end; `foreign` is for a
//! tracker of another make. Our tracker's end is in `tracker::agents`.

mod client;
mod dial;
mod foreign;
mod line;
mod message;
mod news;
mod upgrade;

pub use client::{Channel, ChannelConfig, ChannelEvent, connect};
pub use line::{LineError, LineReader, encode};
pub use message::{Have, Hello, Part, ToAgent, ToTracker};
pub use upgrade::{PATH, PROTOCOL_NAME, SWITCHING};
