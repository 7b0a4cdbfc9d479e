//! What is on one host: its files, roles and logs, and what could stop a run.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::verbs::Which;
use crate::{HostOutcome, Phase, Tag};

/// Removes archive, torrent and partial state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Clean {
    /// Of which tags. One that is in use is refused.
    pub which: Which,
    /// Those of earlier tags too, which differ from a tag in the time at its end only. One that is
    /// in use is passed over.
    pub earlier: bool,
    /// Where they are; without it the agent's own spool.
    pub temp_path: Option<String>,
}

/// What [`Clean`] removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CleanReply {
    /// Paths.
    pub removed: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
}

/// Says what runs on the host and how the last runs ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Only this tag.
    pub tag: Option<Tag>,
}

/// The answer to [`Status`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusReply {
    /// One entry per role and tag, running ones first.
    pub roles: Vec<RoleStatus>,
}

/// A long-lived part that an agent plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Knows who has what.
    Tracker,
    /// Has the archive, and serves it until it is stopped.
    Seeder,
    /// Fetches the archive and puts the tree in place.
    Peer,
    /// Waits for a job, connected to the tracker.
    Warm,
}

/// One role as its status file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleStatus {
    /// Which role.
    pub role: Role,
    /// Of which tag; the tracker has none.
    pub tag: Option<Tag>,
    /// Its process, while it runs.
    pub pid: Option<u32>,
    /// What it is doing, or did last.
    pub phase: Option<Phase>,
    /// Bytes of the archive that are verified.
    pub bytes: u64,
    /// Bytes of the archive.
    pub total: u64,
    /// Bytes of pieces sent to others.
    pub uploaded: u64,
    /// How it ended, if it did.
    pub outcome: Option<HostOutcome>,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// When this was written, in seconds since 1970-01-01 UTC.
    pub updated_unix: u64,
}

/// Looks at the host for whatever could stop a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Doctor {
    /// Folders whose file systems are looked at, beside the agent's own.
    pub paths: Vec<String>,
    /// Listen on the first free one of these ports until stdin closes, and say where.
    pub listen: Option<(u16, u16)>,
    /// Addresses to open a TCP connection to.
    pub dial: Vec<SocketAddr>,
    /// The address to listen on.
    pub announce_ip: Option<IpAddr>,
}

/// What [`Doctor`] says before it waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DoctorEvent {
    /// Where it listens.
    pub listening: Vec<SocketAddr>,
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DoctorReply {
    /// The host's clock, in milliseconds since 1970-01-01 UTC.
    pub clock_unix_ms: u64,
    /// One entry per path that was asked for, the agent's own folder first.
    pub file_systems: Vec<FileSystem>,
    /// One entry per address that was dialled: what went wrong, if anything did.
    pub dialled: Vec<(SocketAddr, Option<String>)>,
    /// Ports of the asked range that something else holds.
    pub busy_ports: Vec<u16>,
    /// Why a port that nobody holds can't be listened on, if there is such a port.
    pub port_error: Option<String>,
}

/// A file system as seen from one path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileSystem {
    /// The path that was asked for.
    pub path: String,
    /// The nearest folder above it that exists.
    pub nearest: String,
    /// Bytes that the user can still write.
    pub free_bytes: u64,
    /// Files that can still be made; `None` where the file system has no such limit.
    pub free_inodes: Option<u64>,
    /// Nothing on it can be executed.
    pub noexec: bool,
    /// Nothing can be written to it.
    pub read_only: bool,
    /// The user may write into `nearest`.
    pub writable: bool,
}

/// Reads the host's logs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Logs {
    /// Only this tag's.
    pub tag: Option<Tag>,
    /// The last so many lines of each.
    pub lines: u32,
}

/// The answer to [`Logs`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogsReply {
    /// One entry a file.
    pub logs: Vec<LogText>,
}

/// The end of one log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogText {
    /// The file's name, such as "peer-v1.log".
    pub name: String,
    /// Its last lines.
    pub text: String,
}

/// Stops every role and removes the agent's folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uninstall {}

/// What [`Uninstall`] ended and removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UninstallReply {
    /// Roles that ran, such as "seeder v1".
    pub stopped: Vec<String>,
    /// The folder.
    pub removed: String,
}
