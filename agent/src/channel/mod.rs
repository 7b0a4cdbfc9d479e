//! The standing connection between an agent and its tracker.
//!
//! An agent opens it with an HTTP upgrade on the tracker's one port. After that both ends send
//! JSON, one message a line. The agent reports how far it is; the tracker answers with addresses
//! of peers, and says when the swarm is done. `message` has the words, `line` how they travel,
//! `dial` and `upgrade` how a connection begins, `client` the agent's end; `foreign` is for a
//! tracker of another make. An agent that waits for a job has other words, in `order`, which `seal`
//! makes trustworthy and `sent` dates, and an end of its own, `waiting`. Our tracker's ends are in
//! `tracker::agents` and `tracker::waiting`.

mod client;
mod dial;
mod foreign;
mod line;
mod message;
mod news;
mod order;
mod seal;
mod sent;
mod upgrade;
mod waiting;

pub use client::{Channel, ChannelConfig, ChannelEvent, connect};
pub use line::{LineError, LineReader, encode};
pub use message::{Have, Hello, Part, ToAgent, ToTracker};
pub use order::{Answer, Order, ToWaiting, Wait, Word};
pub use seal::{SealError, Sealed, Seals, Side, digest, same};
pub use sent::{Uptime, VALID};
pub use upgrade::{PATH, PROTOCOL_NAME, SWITCHING};
pub use waiting::{Ordered, WaitError, Waiter, Waiting};
