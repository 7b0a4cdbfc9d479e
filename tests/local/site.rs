//! A fleet of folders for one test, ended and removed with it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use crate::tree;

/// A tracker t1, a seeder s1 and peers p1, p2 and so on.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    peers: Vec<String>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    line: String,
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The first of so many addresses in a row, handed out once.
fn addresses(hosts: usize) -> u8 {
    static NEXT: Mutex<usize> = Mutex::new(1);
    let mut next = NEXT.lock().unwrap();
    let first = *next;
    *next += hosts;
    assert!(*next <= 255, "127.0.9.0/24 has no address left for one more site");
    u8::try_from(first).unwrap()
}

impl Site {
    /// Its hosts have addresses in 127.0.9.0/24 that no other site has, so that tests don't meet.
    pub(crate) fn new(peers: usize) -> Self {
        let first = addresses(peers + 2);
        let folder = tempfile::tempdir().unwrap();
        let names = (1..=peers).map(|number| format!("p{number}")).collect();
        let site = Self { folder, peers: names };
        site.make_tree();
        let host = |name: &str, number: u8| {
            format!(
                "        {name}:\n          remote_murder_path: {}\n          announce_ip: \
                 127.0.9.{}\n          default_destination_path: {}\n",
                site.home(name).display(),
                first + number,
                site.path(name).join("out").display()
            )
        };
        let port = 20_000 + u16::from(first);
        let files = site.path("files");
        let mut yaml = format!(
            "all:\n  vars:\n    ansible_connection: local\n    tracker_port: {port}\n    \
             default_seeder_files_path: {}\n  children:\n    tracker:\n      hosts:\n{}    \
             seeder:\n      hosts:\n{}    peer:\n      hosts:\n",
            files.display(),
            host("t1", 0),
            host("s1", 1)
        );
        for (number, name) in (2..).zip(&site.peers) {
            yaml.push_str(&host(name, number));
        }
        fs::write(site.path("inventory.yaml"), yaml).unwrap();
        site
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = &str> {
        self.peers.iter().map(String::as_str)
    }

    /// Runs one line of a session; FILES and FOLDER stand for those paths.
    pub(crate) fn murder(&self, line: &str) -> Ran {
        let output = self.command(line).output().unwrap();
        Ran::new(line, output)
    }

    /// Runs one line, and presses Ctrl-C once it has said something that has the text in it.
    pub(crate) fn interrupted_at(&self, line: &str, text: &str) -> Ran {
        let mut child = self.command(line).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains(text) {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended before {text:?}: {said}");
        }
        signal("-INT", &child.id().to_string());
        stderr.read_to_string(&mut said).unwrap();
        let output = child.wait_with_output().unwrap();
        Ran { stderr: said, ..Ran::new(line, output) }
    }

    /// Runs one line, and presses Ctrl-C once a file is in a host's spool. Whatever has the
    /// argument there is waited for.
    pub(crate) fn interrupted_at_file(
        &self,
        line: &str,
        (host, file): (&str, &str),
        argument: &str,
    ) -> Ran {
        let mut command = self.command(line);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while !self.home(host).join("spool").join(file).exists() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before there was {file}");
        }
        signal("-INT", &child.id().to_string());
        let output = child.wait_with_output().unwrap();
        while self.process(host, argument).is_some() {
            std::thread::yield_now();
        }
        Ran::new(line, output)
    }

    fn command(&self, line: &str) -> Command {
        let line = line
            .replace("FILES", &self.path("files").to_string_lossy())
            .replace("FOLDER", &self.folder.path().to_string_lossy());
        let mut command = Command::new(env!("CARGO_BIN_EXE_murder"));
        command
            .arg("-i")
            .arg(self.path("inventory.yaml"))
            .args(["--timeout", "120"])
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env("XDG_STATE_HOME", self.path("state"));
        command
    }

    /// The same with `--json`.
    pub(crate) fn json(&self, line: &str) -> Ran {
        self.murder(&format!("{line} --json"))
    }

    /// Compares a peer's tree with the seeder's.
    pub(crate) fn assert_same_tree(&self, peer: &str, tag: &str) {
        let tree = self.path(peer).join("out").join(tag);
        tree::assert_same(&self.path("files"), &tree);
    }

    /// Compares a file of the tree with one in the folder.
    pub(crate) fn assert_same_file(&self, in_tree: &str, in_folder: &str) {
        let (left, right) = (self.path("files").join(in_tree), self.path(in_folder));
        let mode = |path| fs::metadata(path).unwrap().mode();
        assert_eq!(mode(&left), mode(&right), "{}", right.display());
        assert!(fs::read(left).unwrap() == fs::read(&right).unwrap(), "{}", right.display());
    }

    /// The names in a host's spool.
    pub(crate) fn spool(&self, host: &str) -> Vec<String> {
        let entries = fs::read_dir(self.home(host).join("spool")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// No agent's folder is there, and no process runs from one.
    pub(crate) fn assert_nothing_is_left(&self) {
        for host in ["t1", "s1"].into_iter().chain(self.peers()) {
            assert!(!self.home(host).exists(), "{host}");
        }
        assert_no_process_of(self.folder.path());
    }

    /// Puts something where a peer's tree would go.
    pub(crate) fn occupy(&self, peer: &str, tag: &str) {
        let destination = self.path(peer).join("out").join(tag);
        fs::create_dir_all(&destination).unwrap();
        fs::write(destination.join("precious"), "of somebody else").unwrap();
    }

    /// From now on nothing can be asked of the peers, but what runs on them goes on.
    pub(crate) fn hide_agents(&self) {
        self.rename_agents("murder-agent", "hidden");
    }

    /// Undoes [`Self::hide_agents`].
    pub(crate) fn show_agents(&self) {
        self.rename_agents("hidden", "murder-agent");
    }

    fn rename_agents(&self, from: &str, to: &str) {
        for peer in self.peers() {
            let bin = self.home(peer).join("bin");
            fs::rename(bin.join(from), bin.join(to)).unwrap();
        }
    }

    /// Stops a host's process with this argument, without ending it.
    pub(crate) fn freeze(&self, host: &str, role: &str) {
        signal("-STOP", &self.process(host, role).expect("it runs"));
    }

    /// The number of a host's process with this argument.
    fn process(&self, host: &str, argument: &str) -> Option<String> {
        let bin = self.home(host).join("bin");
        let is_it = |process: &fs::DirEntry| {
            let of_host =
                fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe.starts_with(&bin));
            of_host
                && fs::read_to_string(process.path().join("cmdline"))
                    .is_ok_and(|line| line.contains(argument))
        };
        let process = fs::read_dir("/proc").unwrap().flatten().find(is_it)?;
        Some(process.file_name().into_string().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn home(&self, host: &str) -> PathBuf {
        self.path(host).join("murder")
    }

    fn make_tree(&self) {
        let files = self.path("files");
        fs::create_dir(&files).unwrap();
        tree::make(&files);
        fs::write(files.join("large"), tree::noise(12 << 20, 9)).unwrap();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A test that failed may have left agents; the folder goes with its own guard.
        self.murder("uninstall");
    }
}

impl Ran {
    fn new(line: &str, output: Output) -> Self {
        Self {
            line: line.to_owned(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The exit code has to be this one.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The outcomes of the hosts in the order of their names.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let lines = self.stdout.lines().map(|line| {
            serde_json::from_str::<serde_json::Value>(line)
                .unwrap_or_else(|error| panic!("{}: {error}: {line}", self.line))
        });
        let mut hosts: Vec<_> = lines
            .filter(|event| event["event"] == "host")
            .map(|event| (event["host"].to_string(), event["outcome"].as_str().unwrap().to_owned()))
            .collect();
        hosts.sort();
        hosts.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

fn signal(signal: &str, process: &str) {
    assert!(Command::new("kill").args([signal, process]).status().unwrap().success());
}

/// No process runs a program of this folder, removed or not.
pub(crate) fn assert_no_process_of(folder: &Path) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        // Processes come and go, and those of others can't be looked at.
        let Ok(exe) = fs::read_link(entry.path().join("exe")) else { continue };
        assert!(!exe.starts_with(folder), "{} still runs", exe.display());
    }
}
