//! The variables that mean something to murder: their names, what they take, and their defaults.

use std::fmt;

/// A variable of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Where SSH connects to; without it the host's name.
    Host,
    /// SSH's port; without it what ~/.ssh/config says.
    Port,
    /// SSH's user; without it what ~/.ssh/config says.
    User,
    /// `ssh` or `local`.
    Connection,
    /// SSH's private key; without it what ~/.ssh/config and the SSH agent say.
    KeyFile,
    /// The agent's folder on the host.
    RemoteMurderPath,
    /// The tracker's TCP port.
    TrackerPort,
    /// The TCP ports of seeders and peers.
    PeerPort,
    /// The address that the fleet knows a host by.
    AnnounceIp,
    /// The tag of a task that was given none.
    DefaultTag,
    /// `files_path` of a task that was given none.
    DefaultSeederFilesPath,
    /// `destination_path` of a task that was given none.
    DefaultDestinationPath,
    /// `temp_path` where nobody gives one.
    DefaultTempPath,
    /// Where archive and torrent are kept.
    TempPath,
    /// The host is no peer.
    NoRelease,
    /// Ansible's order among groups of the same depth: the greater one wins.
    GroupPriority,
}

impl Key {
    /// Every one, in the order in which they are shown.
    pub const ALL: [Self; 16] = [
        Self::Host,
        Self::Port,
        Self::User,
        Self::Connection,
        Self::KeyFile,
        Self::RemoteMurderPath,
        Self::TrackerPort,
        Self::PeerPort,
        Self::AnnounceIp,
        Self::DefaultTag,
        Self::DefaultSeederFilesPath,
        Self::DefaultDestinationPath,
        Self::DefaultTempPath,
        Self::TempPath,
        Self::NoRelease,
        Self::GroupPriority,
    ];

    /// The name under which it is shown, and kept.
    pub const fn name(self) -> &'static str {
        self.spellings()[0]
    }

    /// Every name it may be given by. The later ones of SSH's are Ansible's own synonyms.
    pub const fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Host => &["ansible_host", "host", "ansible_ssh_host"],
            Self::Port => &["ansible_port", "port", "ansible_ssh_port"],
            Self::User => &["ansible_user", "user", "ansible_ssh_user"],
            Self::Connection => &["ansible_connection", "connection"],
            Self::KeyFile => {
                &["ansible_ssh_private_key_file", "key_file", "ansible_private_key_file"]
            }
            Self::RemoteMurderPath => &["remote_murder_path"],
            Self::TrackerPort => &["tracker_port"],
            Self::PeerPort => &["peer_port"],
            Self::AnnounceIp => &["announce_ip"],
            Self::DefaultTag => &["default_tag"],
            Self::DefaultSeederFilesPath => &["default_seeder_files_path"],
            Self::DefaultDestinationPath => &["default_destination_path"],
            Self::DefaultTempPath => &["default_temp_path"],
            Self::TempPath => &["temp_path"],
            Self::NoRelease => &["no_release"],
            Self::GroupPriority => &["ansible_group_priority"],
        }
    }

    /// The variable of this name, however it is spelt.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.spellings().contains(&name))
    }

    /// What it takes, in words that follow "expected".
    pub const fn expects(self) -> &'static str {
        match self {
            Self::Host => "a host name or address: letters, digits and . _ - : [ ] %",
            Self::Port | Self::TrackerPort => "a port from 1 to 65535",
            Self::User => "a user name: letters, digits and . _ - @ + \\, and $ at its end",
            Self::Connection => "ssh or local",
            Self::KeyFile => "the path of a private key on this machine",
            Self::RemoteMurderPath => {
                "a folder for the agent alone, such as ~/.murder or /opt/murder/agent: absolute or \
                 below ~/, of letters, digits and . _ - + /"
            }
            Self::PeerPort => "a port or a range of ports, such as 6881 or 6881-6889",
            Self::AnnounceIp => "an IP address that the fleet can reach the host by",
            Self::DefaultTag => {
                "a tag: a letter or digit, then up to 127 letters, digits and . _ -"
            }
            Self::DefaultSeederFilesPath
            | Self::DefaultDestinationPath
            | Self::DefaultTempPath
            | Self::TempPath => "a path that begins with / or ~/",
            Self::NoRelease => "true or false",
            Self::GroupPriority => "a whole number",
        }
    }

    /// What counts where nobody gives it, as it would be typed.
    pub const fn default(self) -> Option<&'static str> {
        match self {
            Self::Connection => Some("ssh"),
            Self::RemoteMurderPath => Some(super::host::REMOTE_MURDER_PATH),
            Self::TrackerPort => Some("8998"),
            Self::PeerPort => Some("6881-6889"),
            Self::NoRelease => Some("false"),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
