//! One machine of a fleet.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// The folder with the programs of the plan, on every host.
pub const PROGRAMS: &str = "/mnt/setup";

/// One machine of a fleet.
#[derive(Debug)]
pub struct Host {
    name: String,
    address: String,
    /// The fleet's first process.
    pub(crate) fleet: u32,
    /// Holds the namespaces; it ends with the fleet.
    keeper: Child,
    /// PID 1 of the host, as this program sees it.
    pub(crate) init: u32,
}

impl Host {
    pub(crate) fn boot(fleet: u32, name: &str, address: &str, role: &str) -> Self {
        let keeper = enter(fleet, &["-m", "-n", "-p"])
            .args(["ip", "netns", "exec", name])
            .args(["unshare", "-m", "-u", "-p", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", SCRIPT, "host.sh", name, address, role])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter is installed");
        Self { name: name.into(), address: address.into(), fleet, keeper, init: 0 }
    }

    pub(crate) fn wait_until_up(&mut self) {
        let mut stderr = BufReader::new(self.keeper.stderr.take().expect("a host boots once"));
        let mut said = String::new();
        while !said.contains("Server listening") {
            let before = said.len();
            stderr.read_line(&mut said).expect("the host's stderr can be read");
            assert!(said.len() > before, "{} did not come up: {said}", self.name);
        }
        self.init = child_of(child_of(self.keeper.id()));
        // sshd goes on writing; nobody may make it wait.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    }

    /// The host's name, `h1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host's address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where a path of the host is for this program.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// A command that will run on the host, in root's home.
    pub fn command(&self, program: &str) -> Command {
        let mut command = enter(self.init, &["-m", "-u", "-n", "-p", "--wdns=/root"]);
        command
            .arg(program)
            .env("HOME", "/root")
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("SSH_AUTH_SOCK");
        command
    }

    /// Such a command, its CPU time being counted for a [`Fleet::add_group`]; each host has one of
    /// its own name.
    ///
    /// [`Fleet::add_group`]: crate::Fleet::add_group
    pub fn counted(&self, group: &str, program: &str) -> Command {
        let mut command = self.command("sh");
        let join = format!("echo 0 >/mnt/cpu/{group}/cgroup.procs; exec \"$@\"");
        command.args(["-c", &join, "sh", program]);
        command
    }

    /// Runs a shell line on the host and gives its stdout; it has to succeed.
    pub fn sh(&self, line: &str) -> String {
        let output = self.try_sh(line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {line}: {stderr}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a shell line on the host.
    pub fn try_sh(&self, line: &str) -> Output {
        self.command("sh").args(["-c", line]).output().expect("nsenter is installed")
    }

    /// A process of the host, as this program sees it.
    pub fn outer_pid(&self, pid: u32) -> Option<u32> {
        let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let here = namespace(self.init)?;
        let all = fs::read_dir("/proc").ok()?.flatten();
        let mut numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers.find(|outer| {
            let status = fs::read_to_string(format!("/proc/{outer}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            let inner = line.and_then(|line| line.split_whitespace().last());
            inner.is_some_and(|inner| inner == pid.to_string())
                && namespace(*outer).is_some_and(|of| of == here)
        })
    }

    /// The command lines of the host's processes whose text has the word, with their PIDs there.
    pub fn processes(&self, word: &str) -> Vec<(u32, String)> {
        self.sh("for p in /proc/[0-9]*; do echo \"${p#/proc/} $(tr '\\0' ' ' < $p/cmdline)\"; done 2>/dev/null")
            .lines()
            .filter(|line| line.contains(word) && !line.contains("cmdline"))
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(pid, line)| Some((pid.parse().ok()?, line.to_owned())))
            .collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The fleet has ended, or `Fleet::up` panicked; either way nothing is to be left.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// A command inside namespaces of a process; the program is still to be given.
pub(crate) fn enter(pid: u32, which: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["-t", &pid.to_string()]).args(which);
    command
}

/// The only child of a process that has one.
pub fn child_of(pid: u32) -> u32 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut children = text.split_whitespace();
    match (children.next().map(str::parse), children.next()) {
        (Some(Ok(child)), None) => child,
        _ => panic!("process {pid} has other children than one: {text:?}"),
    }
}

const SCRIPT: &str = include_str!("host.sh");
