//! One host: a folder with an agent in it, and a loopback address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use murder_agent::home::Home;
use murder_agent::lock;
use murder_agent::status::StatusFile;
use murder_protocol::verbs::{Reach, Role, RoleStatus, Verb};
use murder_protocol::{Failure, Tag};

use crate::installed::Installed;

/// One host. Whatever runs on it ends with it.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) ip: IpAddr,
    agent: Installed,
}

impl Host {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ip: free_ip(), agent: Installed::new() }
    }

    /// What the workstation would do over SSH.
    pub(crate) fn call<V: Verb>(&self, request: &V) -> Result<V::Reply, Failure> {
        self.agent.call(request)
    }

    pub(crate) fn home(&self) -> Home {
        Home::open(&self.agent.home()).unwrap()
    }

    /// A path on the host that nothing of ours uses.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.agent.path(name)
    }

    pub(crate) fn reach(&self, trackers: &[SocketAddr]) -> Reach {
        Reach {
            host: self.name.clone(),
            trackers: trackers.to_vec(),
            announce_ip: Some(self.ip),
            peer_ports: (6881, 6889),
        }
    }

    pub(crate) fn holder(&self, role: Role, tag: Option<&Tag>) -> Option<u32> {
        lock::holder(&self.home(), role, tag)
    }

    pub(crate) fn status(&self, role: Role, tag: &Tag) -> Option<RoleStatus> {
        StatusFile::new(&self.home(), role, Some(tag)).read()
    }

    /// Waits until the role's status is as wanted.
    pub(crate) fn until(
        &self,
        role: Role,
        tag: &Tag,
        wanted: impl Fn(&RoleStatus) -> bool,
    ) -> RoleStatus {
        wait_for(|| self.status(role, tag).filter(&wanted)).unwrap_or_else(|| {
            panic!("{}: {:?}\n{}", self.name, self.status(role, tag), self.log(role, tag))
        })
    }

    pub(crate) fn stop(&self, role: Role, tag: Option<&Tag>) {
        lock::stop(&self.home(), role, tag, lock::GRACE).unwrap();
    }

    pub(crate) fn log(&self, role: Role, tag: &Tag) -> String {
        std::fs::read_to_string(self.home().role_log(role, Some(tag))).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for (role, tag, _) in lock::held(&self.home()) {
            let _ = lock::stop(&self.home(), role, tag.as_ref(), Duration::from_millis(500));
        }
    }
}

/// Asks again and again until there is an answer, or for longer than anything here takes.
pub(crate) fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match ask() {
            Some(answer) => return Some(answer),
            None if Instant::now() > deadline => return None,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Whether two trees are the same, in names and contents.
pub(crate) fn same_tree(one: &Path, two: &Path) -> bool {
    Command::new("diff").arg("-r").arg(one).arg(two).status().unwrap().success()
}

fn free_ip() -> IpAddr {
    // Tests of another run may hold the same addresses, hence the process's own range.
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let number = HOSTS.fetch_add(1, Ordering::Relaxed);
    IpAddr::V4(Ipv4Addr::new(127, 100 + (high % 100), low, u8::try_from(number + 1).unwrap()))
}

static HOSTS: AtomicU16 = AtomicU16::new(0);
