//! A warm fleet: agents that wait on their hosts, connected to the tracker, so that a run begins
//! on all of them at once and without SSH.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::verbs::{PeerReply, PeerStart};
use crate::{Failure, RunId, Secret};

/// Tells the tracker on which hosts agents are about to wait.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WarmExpect {
    /// The inventory's names of the hosts.
    pub hosts: Vec<String>,
    /// How long the tracker remembers them, in seconds.
    pub seconds: u64,
}

/// What the agents are to be handed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WarmExpected {
    /// Where they find the tracker, best first.
    pub trackers: Vec<SocketAddr>,
    /// What each host and the tracker know and nobody else, in the order of the request.
    pub keys: Vec<Secret>,
    /// Those of the hosts on which an agent waits already, and for half that time at least.
    #[serde(default)]
    pub waiting: Vec<String>,
}

/// Starts a detached agent that waits, in place of one that does; returns once the tracker has
/// let it in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WarmStart {
    /// The inventory's name for the host.
    pub host: String,
    /// Trackers to try, best first.
    pub trackers: Vec<SocketAddr>,
    /// The host's address, if the inventory gives it.
    pub announce_ip: Option<IpAddr>,
    /// From [`WarmExpected`]. It never leaves the host again.
    pub key: Secret,
    /// How long the agent waits, in seconds.
    pub seconds: u64,
    /// How long it goes on without a tracker, in seconds.
    pub lease_seconds: u64,
}

/// The answer to [`WarmStart`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WarmReply {
    /// Another one waited before, and was ended.
    pub renewed: bool,
    /// Its process.
    pub pid: u32,
}

/// Ends the agent that waits on this host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WarmStop {}

/// Tells the tracker that nobody waits on these hosts any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WarmForget {
    /// The inventory's names of the hosts.
    pub hosts: Vec<String>,
}

/// The answer to [`WarmForget`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WarmForgotten {}

/// Hands agents that wait their part of a run, through the tracker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandOut {
    /// Which run.
    pub run: RunId,
    /// One job a host. Their torrent is left empty: it is the run's.
    pub jobs: Vec<PeerStart>,
}

/// What became of one job of a [`HandOut`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOut {
    /// The inventory's name for the host.
    pub host: String,
    /// What its agent did.
    pub taken: Taken,
}

/// What an agent that waits does with a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// A peer has the job.
    Accepted(PeerReply),
    /// It can't be done.
    Refused(Failure),
    /// Nobody waits there, or does not answer. The job is to be handed over in another way, which
    /// does no harm to a host that has it already.
    Silent,
}

/// The end of a [`HandOut`]: each job had its event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandOutReply {}
