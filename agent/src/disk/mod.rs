//! The archive on this host's disk: opening it, checking it, and writing blocks into it.
//!
//! There is no index of what is there. Whatever a file holds is hashed when a role starts, so a
//! crash at any moment costs at most the pieces that were not whole. Everything here blocks, and
//! runs on threads of its own; none of it knows of sockets.

mod archive;
mod checker;
mod error;
mod queue;
mod verify;

pub use archive::{Archive, Found};
pub use checker::{Checker, Verdict};
pub use error::DiskError;
pub use queue::MOST_WAITING;
pub use verify::{Holes, Verify, sample, verify};
