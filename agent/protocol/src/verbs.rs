//! The requests that `murder-agent <verb>` takes on its stdin, and what it answers.
//!
//! An agent finds its own folder (`remote_murder_path`) from the path of its executable, so no
//! request carries it. A path that begins with `~/` is the home of the user that SSH logged in.

use std::net::{IpAddr, SocketAddr};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use crate::exec::{Command, Exec, ExecEnd, ExecEvent, ExecReply, OutputStream};
pub use crate::host::{
    Clean, CleanReply, Doctor, DoctorEvent, DoctorReply, FileSystem, LogText, Logs, LogsReply,
    Role, RoleStatus, Status, StatusReply, Uninstall, UninstallReply,
};
pub use crate::release::{
    DeployLock, DeployLockReply, DeployUnlock, DeployUnlockReply, HeldLock, HostOrder, LockHolder,
    MissingHost, OrderEnd, Release, ReleaseCheck, ReleaseCleanUp, ReleaseDone, ReleaseEntry,
    ReleaseList, ReleaseOrder, ReleaseOut, ReleaseOutReply, ReleaseProve, ReleaseSetAside,
    ReleaseStage, ReleaseSwitch, ReleasedOut, Releases, SwitchKind, SwitchOrder, SwitchOut,
    SwitchOutReply,
};
pub use crate::upload::{Pack, PackEvent, PackReply, TorrentReceive};
pub use crate::warm::{
    HandOut, HandOutReply, HandedOut, Taken, WarmExpect, WarmExpected, WarmForget, WarmForgotten,
    WarmReply, WarmStart, WarmStop,
};
use crate::{Bytes, FleetEvent, Format, HostOutcome, HostReport, RunId, Secret, Tag};

/// One request type per verb.
pub trait Verb: Serialize + DeserializeOwned + Send + Sync {
    /// The word after `murder-agent`.
    const NAME: &'static str;
    /// What comes before the reply, any number of times.
    type Event: Serialize + DeserializeOwned + Send;
    /// The last line of a verb that worked.
    type Reply: Serialize + DeserializeOwned + Send;
}

/// The event of a verb that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoEvent {}

macro_rules! verbs {
    ($($request:ident = $name:literal, $event:ty => $reply:ty;)*) => {
        $(impl Verb for $request {
            const NAME: &'static str = $name;
            type Event = $event;
            type Reply = $reply;
        })*
        /// Every verb's name.
        pub const NAMES: &[&str] = &[$($name),*];
    };
}

verbs! {
    Hello = "hello", NoEvent => HelloReply;
    TrackerStart = "tracker-start", NoEvent => TrackerReply;
    TrackerStop = "tracker-stop", NoEvent => StopReply;
    TorrentCreate = "torrent-create", CreateEvent => TorrentReply;
    TorrentReceive = "torrent-receive", NoEvent => TorrentReply;
    Pack = "pack", PackEvent => PackReply;
    TorrentRead = "torrent-read", NoEvent => TorrentReply;
    TorrentRegister = "torrent-register", NoEvent => RegisterReply;
    SeedStart = "seed-start", NoEvent => SeedReply;
    SeedStop = "seed-stop", NoEvent => StopReply;
    RunOpen = "run-open", NoEvent => RunReply;
    RunList = "run-list", NoEvent => RunListReply;
    Watch = "watch", FleetEvent => WatchReply;
    PeerStart = "peer-start", NoEvent => PeerReply;
    PeerStop = "peer-stop", NoEvent => StopReply;
    WarmExpect = "warm-expect", NoEvent => WarmExpected;
    WarmForget = "warm-forget", NoEvent => WarmForgotten;
    WarmStart = "warm-start", NoEvent => WarmReply;
    WarmStop = "warm-stop", NoEvent => StopReply;
    HandOut = "hand-out", HandedOut => HandOutReply;
    Release = "release", NoEvent => ReleaseDone;
    ReleaseOut = "release-out", ReleasedOut => ReleaseOutReply;
    SwitchOut = "switch-out", NoEvent => SwitchOutReply;
    DeployLock = "deploy-lock", NoEvent => DeployLockReply;
    DeployUnlock = "deploy-unlock", NoEvent => DeployUnlockReply;
    Exec = "exec", ExecEvent => ExecReply;
    Clean = "clean", NoEvent => CleanReply;
    Status = "status", NoEvent => StatusReply;
    Doctor = "doctor", DoctorEvent => DoctorReply;
    Logs = "logs", NoEvent => LogsReply;
    Uninstall = "uninstall", NoEvent => UninstallReply;
}

/// Says who the agent is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {}

/// The answer to [`Hello`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HelloReply {
    /// The agent's [`crate::PROTOCOL`].
    pub protocol: u32,
    /// The agent's version, "0.1.0".
    pub version: String,
    /// SHA-256 of the running executable, in hex.
    pub sha256: String,
    /// The agent's folder, absolute.
    pub home: String,
}

/// Starts a detached tracker, unless one runs; returns once it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrackerStart {
    /// TCP port.
    pub port: u16,
    /// The address that the fleet knows this host by, if the inventory gives it.
    pub announce_ip: Option<IpAddr>,
}

/// Where the tracker is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrackerReply {
    /// It ran before the request.
    pub already_running: bool,
    /// Its process.
    pub pid: u32,
    /// Where the fleet may find it, best first.
    pub addresses: Vec<SocketAddr>,
}

/// Stops the tracker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrackerStop {}

/// What a stopping verb ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StopReply {
    /// What ran and was stopped: tags, or "tracker". Empty if nothing ran.
    pub stopped: Vec<String>,
}

/// Packs a path of this host into the tag's archive and makes its torrent beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TorrentCreate {
    /// The distribution's name.
    pub tag: Tag,
    /// The directory, or with `path_is_file` the file.
    pub files_path: String,
    /// `files_path` is one file.
    pub path_is_file: bool,
    /// Glob patterns of what is left out, beside `.git*`.
    pub exclude: Vec<String>,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Where archive and torrent go; without it the agent's own spool.
    pub temp_path: Option<String>,
}

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// By gzip, at a level from 1 to 9.
    Gzip(u8),
    /// By zstd, at a level from 1 to 4.
    Zstd(u8),
    /// Not at all.
    None,
}

impl Compression {
    /// What the archive is then.
    pub const fn format(self) -> Format {
        match self {
            Self::Gzip(_) | Self::None => Format::Tgz,
            Self::Zstd(_) => Format::TarZst,
        }
    }
}

/// How far packing is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreateEvent {
    /// Bytes of files read.
    pub bytes: u64,
    /// Bytes of files in the tree.
    pub total: u64,
}

/// Reads a tag's torrent again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TorrentRead {
    /// The distribution's name.
    pub tag: Tag,
    /// Where archive and torrent are; without it the agent's own spool.
    pub temp_path: Option<String>,
}

/// A torrent, and what it says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TorrentReply {
    /// The metainfo file as it is on disk.
    pub torrent: Bytes,
    /// What stands in it.
    pub summary: TorrentSummary,
}

/// What stands in a torrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorrentSummary {
    /// What the archive is.
    pub format: Format,
    /// SHA-1 of the info dictionary (BEP 3), in hex.
    pub info_hash: String,
    /// Bytes of the archive, which is what travels.
    pub archive_bytes: u64,
    /// Bytes of the files in it.
    pub tree_bytes: u64,
    /// Files, directories and links in it.
    pub entries: u64,
    /// Number of pieces.
    pub pieces: u32,
    /// Bytes of each piece but the last.
    pub piece_length: u32,
    /// It holds one file and not a tree.
    pub path_is_file: bool,
}

/// Lets the tracker answer for a torrent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TorrentRegister {
    /// The distribution's name; a torrent registered under it before is replaced.
    pub tag: Tag,
    /// The metainfo file.
    pub torrent: Bytes,
}

/// The answer to [`TorrentRegister`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisterReply {
    /// Where the seeder finds the tracker, best first.
    pub trackers: Vec<SocketAddr>,
    /// What the seeder shows the tracker.
    pub key: Secret,
}

/// How an agent takes part in a swarm: where it listens and what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The inventory's name for the host.
    pub host: String,
    /// Trackers to try, best first.
    pub trackers: Vec<SocketAddr>,
    /// The address to announce and to listen on, if the inventory gives it.
    pub announce_ip: Option<IpAddr>,
    /// First and last TCP port to listen on; the first free one is taken.
    pub peer_ports: (u16, u16),
}

/// Starts a detached seeder of a tag, unless one runs; returns once the tracker knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeedStart {
    /// The distribution's name.
    pub tag: Tag,
    /// Where archive and torrent are; without it the agent's own spool.
    pub temp_path: Option<String>,
    /// How it takes part.
    pub reach: Reach,
    /// From [`RegisterReply`].
    pub key: Secret,
}

/// The answer to [`SeedStart`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeedReply {
    /// It ran before the request.
    pub already_running: bool,
    /// Its process.
    pub pid: u32,
}

/// Which of a host's roles a verb is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// That of one tag.
    Tag(Tag),
    /// Those of all tags.
    All,
}

/// Stops seeders.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeedStop {
    /// Which ones.
    pub which: Which,
}

/// Tells the tracker that these hosts are about to fetch a tag.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunOpen {
    /// The distribution's name.
    pub tag: Tag,
    /// The inventory's names of the hosts.
    pub hosts: Vec<String>,
    /// How long a host may take, in seconds.
    pub timeout_seconds: u64,
}

/// What the hosts of a run are handed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReply {
    /// The run's name.
    pub run: RunId,
    /// What its agents show the tracker.
    pub key: Secret,
    /// The metainfo file.
    pub torrent: Bytes,
    /// What stands in it.
    pub summary: TorrentSummary,
    /// Where agents find the tracker, best first.
    pub trackers: Vec<SocketAddr>,
    /// Whether a seeder of the tag is connected to the tracker.
    pub seeder_present: bool,
    /// The hosts where agents wait, which can be handed the job by [`HandOut`].
    #[serde(default)]
    pub warm: Vec<String>,
}

/// Asks the tracker for the runs it remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunList {}

/// The runs that the tracker remembers, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunListReply {
    /// One entry a run.
    pub runs: Vec<RunEntry>,
}

/// One run that the tracker remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunEntry {
    /// Its name.
    pub run: RunId,
    /// What it distributes.
    pub tag: Tag,
    /// How many hosts it has.
    pub hosts: usize,
    /// How many of them have an outcome.
    pub ended: usize,
    /// When it was opened, in seconds since 1970-01-01 UTC.
    pub opened_unix: u64,
}

/// Follows a run until each of its hosts has an outcome. The workstation may send
/// [`WatchInput`] lines on stdin meanwhile; closing stdin ends the watch and nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watch {
    /// Which run.
    pub run: RunId,
}

/// What the workstation knows of a run's hosts and the tracker can't.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchInput {
    /// The host's agent took the job; from now on the tracker waits for it.
    Accepted(String),
    /// The host will not come; nobody is to wait for it.
    Gone {
        /// The inventory's name for the host.
        host: String,
        /// Why not.
        outcome: HostOutcome,
    },
}

/// The end of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WatchReply {
    /// The last word of every host.
    pub reports: Vec<HostReport>,
    /// Bytes of pieces that the seeder has sent since the run began.
    pub seeder_uploaded: u64,
}

/// Hands a host its part of a run; returns once a detached peer has taken it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStart {
    /// Which run.
    pub run: RunId,
    /// From [`RunReply`].
    pub key: Secret,
    /// The distribution's name.
    pub tag: Tag,
    /// The metainfo file.
    pub torrent: Bytes,
    /// How it takes part.
    pub reach: Reach,
    /// Where the tree goes.
    pub destination: Destination,
    /// Where archive and partial data are kept; without it the agent's own spool.
    pub temp_path: Option<String>,
    /// How long a finished peer serves others at the most, in seconds.
    pub seed_seconds: u64,
    /// How long a peer goes on without a tracker, in seconds.
    pub lease_seconds: u64,
    /// How long the host may take, in seconds.
    pub timeout_seconds: u64,
}

/// Where a tree or file goes on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// For a tree its final path, which includes the tag if the tag is a directory; for a file
    /// what `cp` would take: a directory to put it in, or its final path.
    pub path: String,
    /// Whatever tree is there is replaced.
    pub unsafe_please_delete: bool,
    /// Take over owner and set-id bits; needs root.
    pub keep_owner: bool,
    /// The path is that of a release. Its marker will say what is in it, and one that is complete
    /// and has the same in it already is as good as a new one.
    #[serde(default)]
    pub as_release: bool,
}

/// The answer to [`PeerStart`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReply {
    /// A peer of this tag, destination and torrent ran before the request, and goes on.
    pub already_running: bool,
    /// Its process; none where the release is there already, so that no peer is needed.
    pub pid: Option<u32>,
}

/// Stops peers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerStop {
    /// Which ones.
    pub which: Which,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = NAMES.iter().collect();
        assert_eq!(names.len(), NAMES.len());
    }
}
