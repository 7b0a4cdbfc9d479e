//! The demo's private folder: the hosts' homes, the tree, and an end for all of it.

use std::fmt::Display;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use murder_protocol::encode_request;
use murder_protocol::verbs::{Uninstall, Verb as _};

use super::{TAG, strays};

/// A folder with a home for each host. Dropping it ends the agents in it and removes it.
pub(super) struct Site {
    folder: PathBuf,
    peers: usize,
    tracker_port: u16,
}

impl Site {
    /// Makes the folder, for its owner only.
    pub(super) fn new(peers: usize) -> std::io::Result<Self> {
        let folder = folder_of(std::process::id());
        // A port that is free now; the tracker says so if it is not any more.
        let tracker_port = TcpListener::bind((address(0), 0))?.local_addr()?.port();
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self { folder, peers, tracker_port })
    }

    /// All of it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the seeder has.
    pub(super) fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    /// What a peer gets.
    pub(super) fn tree(&self, peer: &str) -> PathBuf {
        self.folder.join(peer).join("out").join(TAG)
    }

    /// Whether a host of this name is one of the peers.
    pub(super) fn is_peer(&self, name: &str) -> bool {
        name.starts_with("peer")
    }

    /// An inventory like any other.
    pub(super) fn inventory(&self) -> String {
        let mut text = format!(
            "all:\n  vars: {{ansible_connection: local, tracker_port: {}}}\n  children:\n",
            self.tracker_port
        );
        let mut group = String::new();
        for (number, name) in hosts(self.peers).enumerate() {
            let of = name.trim_end_matches(|c: char| c.is_ascii_digit());
            if of != group {
                group = of.to_owned();
                text.push_str(&format!("    {group}:\n      hosts:\n"));
            }
            let home = quoted(&self.home(&name));
            let out = quoted(&self.folder.join(&name).join("out"));
            text.push_str(&format!(
                "        {name}:\n          remote_murder_path: {home}\n          \
                 default_destination_path: {out}\n          announce_ip: {}\n",
                address(number)
            ));
        }
        text
    }

    fn home(&self, host: &str) -> PathBuf {
        self.folder.join(host).join("murder")
    }

    /// Asks a host's agent to end whatever runs there. No agent, nothing runs.
    fn uninstall(&self, host: &str) -> Option<Child> {
        let mut child = Command::new(self.home(host).join("bin/murder-agent"))
            .arg(Uninstall::NAME)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Another Ctrl-C on the terminal must not end what cleans up after the first.
            .process_group(0)
            .spawn()
            .ok()?;
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(encode_request(&Uninstall {}).as_bytes());
        }
        Some(child)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let mut ending: Vec<_> =
            hosts(self.peers).filter_map(|host| self.uninstall(&host)).collect();
        let deadline = Instant::now() + ENDS_WITHIN;
        for child in &mut ending {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(LOOK_EVERY);
            }
        }
        strays::end(&self.folder);
        // Whatever is left of it is in the temporary folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The folder of the demo that is this process.
pub(super) fn folder_of(process: impl Display) -> PathBuf {
    std::env::temp_dir().join(format!("murder-demo-{process}"))
}

/// Tracker, seeder and so many peers.
pub(super) fn hosts(peers: usize) -> impl Iterator<Item = String> {
    let roles = ["tracker".to_owned(), "seeder".to_owned()];
    roles.into_iter().chain((1..=peers).map(|number| format!("peer{number}")))
}

/// 127.0.0.2 and on: on Linux all of 127/8 is this machine.
pub(super) fn address(host: usize) -> Ipv4Addr {
    let number = u32::try_from(host).unwrap_or(u32::MAX >> 8) + 2;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 0)) + number)
}

/// A path as a YAML scalar, whatever characters it has.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy().into_owned()).to_string()
}

/// Agents that were asked to end.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;

    #[test]
    fn the_inventory_has_a_host_for_each_role_and_goes_away() {
        let site = Site::new(3).unwrap();
        let inventory = Inventory::parse(site.inventory().as_bytes(), "demo", &[]).unwrap();
        assert_eq!(inventory.tracker().name, "tracker");
        assert_eq!(inventory.seeder().name, "seeder");
        let peers: Vec<_> = inventory.peers().iter().map(|host| host.name.clone()).collect();
        assert_eq!(peers, ["peer1", "peer2", "peer3"]);
        assert_eq!(inventory.peers()[2].announce_ip(), Some("127.0.0.6".parse().unwrap()));
        let folder = site.folder().to_owned();
        drop(site);
        assert!(!folder.exists());
    }
}
