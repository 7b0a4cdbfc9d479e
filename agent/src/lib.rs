//! `murder-agent`: the one executable that murder runs on its hosts.
//!
//! It is started in three ways: `murder-agent VERB` by the workstation over SSH, which reads one
//! request on stdin and answers on stdout ([`verbs`]); `murder-agent role-NAME` by itself, for
//! what outlives a verb ([`roles`]); and by a person, who is told so.

pub mod archive;
pub mod blamed;
pub mod channel;
pub mod detach;
pub mod disk;
pub mod engine;
mod exec;
pub mod home;
pub mod lock;
pub mod log;
pub mod place;
pub mod process;
pub mod release;
pub mod roles;
pub mod spool;
pub mod status;
pub mod temps;
pub mod tracker;
pub mod verbs;
