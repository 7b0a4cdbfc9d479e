//! One host as the rest of the program sees it.

use std::net::IpAddr;
use std::path::PathBuf;

use murder_protocol::Tag;

use super::key::Key;
use super::value::{Connection, PortRange, Value};
use super::vars::Vars;
use crate::yaml::Place;

/// A host, with everything that the inventory says of it.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name in the inventory, which is what results are reported under.
    pub name: String,
    /// How it is reached.
    pub address: Address,
    /// Its variables, ours and those for recipes.
    pub vars: Vars,
    /// Where it is named first.
    pub place: Place,
}

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// By the system's ssh. What is `None` is left to ~/.ssh/config.
    Ssh {
        /// A host name or address of allowed characters only; never begins with `-`.
        destination: String,
        /// TCP port.
        port: Option<u16>,
        /// A user name of allowed characters only; never begins with `-`.
        user: Option<String>,
        /// A private key on this machine.
        key_file: Option<PathBuf>,
    },
    /// It is this machine.
    Local,
}

impl Host {
    /// The agent's folder: absolute or below `~/`, of characters that mean nothing to a shell
    /// (but for the `~`).
    pub fn remote_murder_path(&self) -> &str {
        self.text(Key::RemoteMurderPath).unwrap_or(REMOTE_MURDER_PATH)
    }

    /// The tracker's TCP port.
    pub fn tracker_port(&self) -> u16 {
        match self.vars.known(Key::TrackerPort) {
            Some(Value::Port(port)) => *port,
            _ => TRACKER_PORT,
        }
    }

    /// The TCP ports of seeders and peers.
    pub fn peer_ports(&self) -> PortRange {
        match self.vars.known(Key::PeerPort) {
            Some(Value::Ports(ports)) => *ports,
            _ => PEER_PORTS,
        }
    }

    /// The address that the fleet knows the host by, if the inventory gives it.
    pub fn announce_ip(&self) -> Option<IpAddr> {
        match self.vars.known(Key::AnnounceIp) {
            Some(Value::Ip(ip)) => Some(*ip),
            _ => None,
        }
    }

    /// The tag of a task that was given none.
    pub fn default_tag(&self) -> Option<&Tag> {
        match self.vars.known(Key::DefaultTag) {
            Some(Value::Tag(tag)) => Some(tag),
            _ => None,
        }
    }

    /// `files_path` of a task that was given none.
    pub fn default_seeder_files_path(&self) -> Option<&str> {
        self.text(Key::DefaultSeederFilesPath)
    }

    /// `destination_path` of a task that was given none.
    pub fn default_destination_path(&self) -> Option<&str> {
        self.text(Key::DefaultDestinationPath)
    }

    /// Where archive and torrent are kept: `temp_path`, else `default_temp_path`; without either
    /// it is the agent's own spool.
    pub fn temp_path(&self) -> Option<&str> {
        self.text(Key::TempPath).or_else(|| self.text(Key::DefaultTempPath))
    }

    /// The host is no peer, unless the group `peer` names it.
    pub fn no_release(&self) -> bool {
        matches!(self.vars.known(Key::NoRelease), Some(Value::Flag(true)))
    }

    /// The same host with another value of a variable.
    pub fn with(&self, name: &str, json: serde_json::Value) -> Self {
        let mut host = self.clone();
        host.vars.set(name, json);
        host
    }

    fn text(&self, key: Key) -> Option<&str> {
        match self.vars.known(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl Address {
    /// What the variables say, for a host of this name.
    pub(super) fn of(name: &str, vars: &Vars) -> Self {
        if matches!(vars.known(Key::Connection), Some(Value::Connection(Connection::Local))) {
            return Self::Local;
        }
        let text = |key| match vars.known(key) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        Self::Ssh {
            destination: text(Key::Host).unwrap_or_else(|| name.to_owned()),
            port: match vars.known(Key::Port) {
                Some(Value::Port(port)) => Some(*port),
                _ => None,
            },
            user: text(Key::User),
            key_file: text(Key::KeyFile).map(PathBuf::from),
        }
    }
}

/// The agent's folder where the inventory gives none.
pub(super) const REMOTE_MURDER_PATH: &str = "~/.murder";
/// The original's tracker port.
const TRACKER_PORT: u16 = 8998;
/// The ports of BEP 3: "Peers ... try to listen on port 6881 and ... up to 6889".
const PEER_PORTS: PortRange = PortRange { first: 6881, last: 6889 };
