//! What the workstation and an agent say to each other: one JSON request on the agent's stdin,
//! JSON lines back on its stdout.
//!
//! Types only. Nothing here opens a socket, a file or a process.

mod bytes;
mod exec;
mod failure;
mod fleet;
mod format;
mod frame;
mod host;
mod release;
mod size;
mod tag;
mod upload;
pub mod utc;
pub mod verbs;
mod warm;

pub use bytes::Bytes;
pub use failure::{Blame, Failure};
pub use fleet::{FleetEvent, HostOutcome, HostReport, Phase, RunId, Secret};
pub use format::Format;
pub use frame::{Decoded, Frame, PROTOCOL, Request, decode, encode, encode_request};
pub use size::Size;
pub use tag::{Tag, TagError};
