//! One who takes part in a race: a host of its own, or one of several addresses of a host.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use murder_testfleet::{Fleet, Host, State};

/// A seeder, a peer or a tracker.
#[derive(Debug)]
pub(crate) struct Member {
    fleet: Arc<Fleet>,
    /// Its host's number; 0 is the laptop.
    host: usize,
    pub(crate) name: String,
    pub(crate) address: String,
    /// Where its files are on its host.
    pub(crate) folder: String,
}

impl Member {
    /// A host of its own; 0 is the laptop.
    pub(crate) fn on_host(fleet: &Arc<Fleet>, number: usize) -> Self {
        let host = if number == 0 { fleet.laptop() } else { fleet.host(number) };
        Self {
            name: host.name().to_owned(),
            address: host.address().to_owned(),
            folder: "/srv/member".to_owned(),
            fleet: fleet.clone(),
            host: number,
        }
    }

    /// One of several members on the first host, with a loopback address of its own.
    pub(crate) fn on_loopback(fleet: &Arc<Fleet>, number: usize) -> Self {
        let name = format!("m{number}");
        fleet.add_group(&name);
        Self {
            address: format!("127.80.0.{}", number + 1),
            folder: format!("/srv/{name}"),
            name,
            fleet: fleet.clone(),
            host: 1,
        }
    }

    pub(crate) fn host(&self) -> &Host {
        match self.host {
            0 => self.fleet.laptop(),
            number => self.fleet.host(number),
        }
    }

    /// A command whose CPU time is the member's, and whose stderr is among its last words.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.host().counted(&self.name, program);
        // What can't be kept is shown at once.
        if let Ok(stderr) = File::options().append(true).create(true).open(self.path(STDERR)) {
            command.stderr(stderr);
        }
        command
    }

    /// The end of what its programs have written to stderr and to logs, if they have.
    pub(crate) fn last_words(&self) -> Option<String> {
        let logs = fs::read_dir(self.path(".murder/log")).into_iter().flatten().flatten();
        let files = logs.map(|log| log.path()).chain([self.path(STDERR)]);
        let ends: Vec<String> = files.filter_map(|file| end_of(&file)).collect();
        (!ends.is_empty()).then(|| format!("{}: {}", self.name, ends.join("; ")))
    }

    /// The CPU time of its commands so far, in seconds.
    pub(crate) fn cpu(&self) -> Option<f64> {
        self.fleet.cpu(&self.name).map(|cpu| cpu.as_secs_f64())
    }

    /// The most memory that one of its processes had resident, in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        let peaks = self.fleet.processes(&self.name).into_iter().filter_map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            peak.trim().trim_end_matches(" kB").parse::<f64>().ok()
        });
        peaks.fold(0.0, f64::max) / 1024.0
    }

    /// A file in its folder, as its host sees it.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// The same, as this program sees it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.host().path(&self.file(name))
    }

    /// Whether it has a connection to a member that is not the other one.
    pub(crate) fn is_connected_beside(&self, other: &Self) -> bool {
        self.host().sockets().iter().any(|socket| {
            socket.state == State::Established
                && socket.local.ip().to_string() == self.address
                && socket.remote.ip().to_string() != other.address
        })
    }
}

/// The last lines of a file that has any.
fn end_of(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().rev().take(LINES).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    (!lines.is_empty()).then(|| lines.join(" / "))
}

/// Where a member's programs write what they complain of.
const STDERR: &str = "stderr";
/// Of each file that may tell why something failed.
const LINES: usize = 3;
