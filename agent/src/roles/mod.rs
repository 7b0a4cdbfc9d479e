//! The long-lived parts an agent plays, each in a detached process of its own.
//!
//! A role's `run` gets its request with [`crate::detach::Started::receive`], takes its lock,
//! says that it is ready, and returns when it is over.

use std::process::ExitCode;

mod job;
mod peer;
mod post;
mod seeder;
mod tracker;
mod warm;

pub(crate) use job::JobFile;
pub(crate) use peer::PeerJob;
pub(crate) use post::{load_torrent, parse_torrent};
pub(crate) use seeder::{PATIENCE as SEEDER_PATIENCE, SeedJob};

/// What the argument of a detached process begins with: `role-tracker`.
pub const PREFIX: &str = "role-";

/// Plays the role that the argument names.
pub fn run(word: &str) -> ExitCode {
    let role = word.strip_prefix(PREFIX).unwrap_or(word);
    match ROLES.iter().find(|(name, _)| *name == role) {
        Some((_, play)) => play(),
        None => {
            eprintln!("murder-agent: there is no role {role:?}");
            ExitCode::from(2)
        }
    }
}

/// What plays a role, from its request on stdin to its end.
type Play = fn() -> ExitCode;

const ROLES: &[(&str, Play)] = &[
    ("peer", peer::run),
    ("seeder", seeder::run),
    ("tracker", tracker::play),
    ("warm", warm::play),
];
