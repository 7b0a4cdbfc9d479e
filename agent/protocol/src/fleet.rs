//! How far each host of a run is: what agents report to the tracker, and what the tracker passes
//! on to the workstation in one stream.

use serde::{Deserialize, Serialize};

use crate::Failure;

/// One `peer` run, named by its tracker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub String);

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an agent shows the tracker to be let into a run. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What a host of a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The workstation has not reached it yet.
    Connecting,
    /// It has the job, and has not yet met the tracker.
    Starting,
    /// It hashes what it has from before.
    Verifying,
    /// It fetches pieces.
    Downloading,
    /// It has every piece, and puts the tree in place.
    Extracting,
    /// The tree is in place.
    Done,
    /// It will not get there.
    Failed,
}

/// How a host's part in a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostOutcome {
    /// The tree is in place.
    Ok,
    /// The tree is not in place, and nothing half done is visible.
    Failed(Failure),
    /// Somebody asked it to stop, or nothing had to be done; the reason.
    Skipped(String),
}

/// The latest word of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// The inventory's name for the host.
    pub host: String,
    /// What it is doing.
    pub phase: Phase,
    /// Bytes of the archive that are verified.
    pub bytes: u64,
    /// Bytes of the archive.
    pub total: u64,
    /// Bytes of pieces it has sent to others.
    pub uploaded: u64,
    /// Bytes of pieces it has received, wasted ones included.
    pub downloaded: u64,
    /// Time since the host took the job, in milliseconds.
    pub elapsed_ms: u64,
    /// Set once, with the last report of a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<HostOutcome>,
}

/// What changed in a run since the event before. The first one has every host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetEvent {
    /// The hosts that changed.
    pub reports: Vec<HostReport>,
    /// Bytes of pieces that the seeder has sent since the run began.
    pub seeder_uploaded: u64,
}
