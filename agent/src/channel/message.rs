//! What an agent and its tracker say to each other.

use std::net::{IpAddr, SocketAddr};

use murder_protocol::{HostReport, RunId, Secret};
use murder_swarm::wire::{InfoHash, PeerId};
use serde::{Deserialize, Serialize};

use super::order::Wait;

/// From an agent to its tracker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToTracker {
    /// Who the agent is. The first message, and only the first.
    Hello(Box<Hello>),
    /// The agent is of no swarm and waits for orders. The first message, in place of `Hello`.
    Wait(Wait),
    /// How far the host is.
    Report(Box<HostReport>),
    /// It could use more addresses.
    WantPeers,
    /// Bytes of pieces that it has sent to others since its process began.
    Uploaded {
        /// Bytes.
        bytes: u64,
    },
    /// The same, as the answer of a seeder to `SwarmDone`.
    Counted {
        /// Bytes.
        bytes: u64,
    },
    /// Nothing is new, but the agent lives.
    Alive,
    /// It goes, and nobody is to be sent to it any more.
    Leaving,
}

/// From a tracker to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToAgent {
    /// The agent is let in.
    Welcome {
        /// The address that the tracker sees it at.
        observed_ip: IpAddr,
        /// At most one report in so many milliseconds, unless the phase or the outcome is new.
        report_every_ms: u64,
    },
    /// The agent is not let in. The last message.
    Refused {
        /// Why not.
        why: String,
    },
    /// The interval of `Welcome` changes, as agents come and go.
    ReportEvery {
        /// Milliseconds.
        ms: u64,
    },
    /// Members of the swarm to connect to.
    Peers {
        /// Where they listen.
        peers: Vec<SocketAddr>,
    },
    /// The host's outcome is safely kept.
    OutcomeSeen,
    /// Every host of the run has an outcome; nobody needs this agent's pieces any more. A seeder
    /// stays, and says what it has sent.
    SwarmDone,
    /// The operator wants the agent to end.
    Stop,
    /// Nothing is new, but the tracker lives.
    Alive,
}

/// Who an agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What it is there for.
    pub part: Part,
    /// The inventory's name for its host.
    pub host: String,
    /// The torrent.
    #[serde(with = "hex")]
    pub info_hash: InfoHash,
    /// Its name in the swarm (BEP 3).
    #[serde(with = "hex")]
    pub peer_id: PeerId,
    /// The TCP port where it listens for other members.
    pub port: u16,
    /// Where others can reach it: from the inventory, else the local end of this connection.
    pub announce_ip: Option<IpAddr>,
    /// The run's key, or for a seeder the torrent's.
    pub key: Secret,
    /// The run it belongs to; a seeder has none.
    pub run: Option<RunId>,
    /// Whether it still needs pieces.
    pub have: Have,
}

/// What an agent is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// To serve a torrent until it is stopped.
    Seeder,
    /// To fetch a torrent as one host of a run.
    Peer,
}

/// How much of the torrent an agent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Have {
    /// Not every piece.
    Partial,
    /// Every piece.
    Full,
}

/// An id as forty hexadecimal digits.
mod hex {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<I: Display, S: Serializer>(id: &I, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, I, D>(from: D) -> Result<I, D::Error>
    where
        I: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            part: Part::Peer,
            host: "web01".to_owned(),
            info_hash: InfoHash([0xab; 20]),
            peer_id: PeerId([7; 20]),
            port: 6881,
            announce_ip: None,
            key: Secret("k".to_owned()),
            run: Some(RunId("r".to_owned())),
            have: Have::Partial,
        }
    }

    #[test]
    fn a_hello_survives_its_line() {
        let sent = ToTracker::Hello(Box::new(hello()));
        let line = serde_json::to_string(&sent).unwrap();
        assert!(line.contains(&"ab".repeat(20)), "{line}");
        assert_eq!(serde_json::from_str::<ToTracker>(&line).unwrap(), sent);
    }

    #[test]
    fn an_id_of_another_length_or_with_other_letters_is_refused() {
        let good = serde_json::to_string(&hello()).unwrap();
        for bad in ["ab".repeat(19), "ab".repeat(21), "zz".repeat(20), "é".repeat(20)] {
            let line = good.replace(&"ab".repeat(20), &bad);
            let error = serde_json::from_str::<Hello>(&line).unwrap_err().to_string();
            assert!(error.starts_with("not 40 hexadecimal digits"), "{error}");
        }
    }
}
