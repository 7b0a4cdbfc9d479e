//! What a tracker and an agent that waits say to each other.
//!
//! An agent that waits belongs to no swarm. It begins with [`ToTracker::Wait`], hears the
//! tracker's word of chance, and from then on both ends seal what they say (see
//! [`super::seal`]). By its first sealed message the agent shows that it knows the host's key; the
//! tracker lets it in, and its first order shows the same of the tracker. Orders are carried out
//! one after another; each has two answers, one when it has come and one when it is done. All that
//! an agent says after [`Wait`] is an [`Answer`] under its seal, at least every five seconds: the
//! number of the last one that was heard dates an order to switch.
//!
//! [`ToTracker::Wait`]: super::ToTracker::Wait

use murder_protocol::verbs::{PeerReply, PeerStart, ReleaseDone, ReleaseOrder};
use murder_protocol::{Bytes, Failure};
use serde::{Deserialize, Serialize};

use super::seal::Sealed;

/// How an agent that waits begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The inventory's name for its host.
    pub host: String,
    /// Its word of chance for this connection.
    pub chance: String,
}

/// From the tracker to an agent that waits. Only what is sealed is to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWaiting {
    /// The tracker's word of chance for this connection. The first message.
    Chance(String),
    /// An [`Order`].
    Sealed(Sealed),
    /// A torrent that the next order names by its digest.
    Torrent(Bytes),
    /// Nothing is new, but the tracker lives.
    Alive,
    /// It expects no agent on this host. The last message.
    Refused {
        /// Why not.
        why: String,
    },
}

/// What an agent is to do. Its number is that of its seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Know by this that it is let in. The first order, and only the first; it has no answer.
    Meet,
    /// Hand the host its part of a run, as `peer-start` does.
    Peer {
        /// The request, without its torrent.
        job: Box<PeerStart>,
        /// The digest of the torrent that came before.
        torrent: String,
    },
    /// Do something with the host's releases, as `release` does.
    Release {
        /// What.
        order: Box<ReleaseOrder>,
        /// The number of the agent's last message that the tracker has heard. An agent does not
        /// switch if it sent that too long ago.
        heard: u64,
    },
}

/// What an agent says of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The order's number; 0 if it answers none.
    pub order: u64,
    /// What it says.
    pub word: Word,
}

/// How far an order is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The agent waits for so many seconds more. The first message, and only the first.
    Waits(u64),
    /// It has come.
    Received,
    /// Nothing is new, but the agent lives.
    Alive,
    /// A peer has the job.
    Accepted(PeerReply),
    /// It was carried out.
    Released(Box<ReleaseDone>),
    /// It can't be done.
    Refused(Failure),
}
