//! One sshd that plays as many hosts as 127.0.0.0/8 has addresses, and needs no root.
//!
//! It is about what a fleet costs the workstation and its ssh, not about what hosts do: they share
//! one user, one file system and, unless each gets its own folder, one agent.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use crate::setup::{has, new_key};

/// Whether the hosts of a farm share an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Homes {
    /// They do: whatever one is given, all have.
    Shared,
    /// Each has a folder of its own.
    OfEach,
}

/// A farm. Dropping it ends its sshd and removes its folder.
#[derive(Debug)]
pub struct Farm {
    folder: PathBuf,
    port: u16,
    sshd: Child,
    log: Option<JoinHandle<String>>,
}

impl Farm {
    /// Starts the sshd. `settings` are lines of its configuration, such as `MaxStartups 10:30:100`.
    pub fn up(settings: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("murder-farm-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        for dir in ["", "bin", "run"] {
            let dir = folder.join(dir);
            fs::DirBuilder::new().mode(0o700).create(dir).expect("a folder of its own");
        }
        // Somebody else may take it before sshd does, which then says so.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free.expect("a free port").port();
        write_setup(&folder, port, settings);
        if fs::metadata("/run").is_ok_and(|run| !run.permissions().readonly()) {
            // What sshd wants of root; nobody else can make it, nor needs it.
            let _ = fs::create_dir_all("/run/sshd");
        }
        let mut sshd = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(folder.join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sshd is installed");
        let log = Some(listening(sshd.stderr.take().expect("stderr is piped")));
        Self { folder, port, sshd, log }
    }

    /// The address of a host.
    pub fn address(number: usize) -> String {
        format!("127.1.{}.{}", number / 250, number % 250 + 1)
    }

    /// An inventory of a tracker and seeder `h0` and so many peers, `h1` and on.
    pub fn inventory(&self, peers: usize, homes: Homes) -> PathBuf {
        let host = |number: usize| {
            let home = match homes {
                Homes::Shared => self.folder.join("hosts/all"),
                Homes::OfEach => self.folder.join(format!("hosts/h{number}")),
            };
            let (home, address) = (home.display(), Self::address(number));
            format!(
                "        h{number}: {{ansible_host: {address}, announce_ip: {address}, \
                 remote_murder_path: {home}/murder, default_destination_path: {home}/out}}\n"
            )
        };
        let port = self.port;
        let files = self.folder.join("files");
        let first = host(0);
        let mut yaml = format!(
            "all:\n  vars:\n    ansible_port: {port}\n    tracker_port: {port}\n    \
             default_seeder_files_path: {}\n  children:\n    tracker:\n      hosts:\n{first}    \
             seeder:\n      hosts:\n{first}    peer:\n      hosts:\n",
            files.display(),
        );
        (1..=peers).for_each(|number| yaml += &host(number));
        let path = self.folder.join(format!("{peers}.yaml"));
        fs::write(&path, yaml).expect("a file in its folder");
        path
    }

    /// A program whose ssh reaches the hosts, and which keeps its state in the farm's folder.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.folder.join("bin").display()))
            .env("XDG_STATE_HOME", self.folder.join("state"))
            .env("XDG_RUNTIME_DIR", self.folder.join("run"))
            .env_remove("SSH_AUTH_SOCK")
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }

    /// The farm's folder: `files` in it is what the seeder has, `run` has the control sockets.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many ssh processes there are for the farm's hosts now.
    pub fn ssh_processes(&self) -> usize {
        let config = self.folder.join("config").into_os_string().into_encoded_bytes();
        let entries = fs::read_dir("/proc").expect("/proc").flatten();
        let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        lines
            .filter(|line| {
                let mut words = line.split(|byte| *byte == 0);
                words.next().is_some_and(|program| program.ends_with(b"ssh"))
                    && words.any(|word| word == config)
            })
            .count()
    }

    /// Ends the sshd, and gives what it wrote to its log.
    pub fn shut_down(mut self) -> String {
        let _ = self.sshd.kill();
        let log = self.log.take().map(|log| log.join().expect("a log that can be read"));
        log.unwrap_or_default()
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What keeps a farm from being set up here, if anything does.
pub fn missing_for_farm() -> Option<String> {
    ["sshd", "ssh", "ssh-keygen"]
        .into_iter()
        .find(|tool| !has(tool))
        .map(|tool| format!("{tool} is not installed; tests/run installs it"))
}

fn write_setup(folder: &Path, port: u16, settings: &str) {
    let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("a file");
    let public = new_key(&folder.join("id"));
    write("authorized_keys", public);
    let host_key = new_key(&folder.join("host_key"));
    write("known_hosts", format!("[127.*]:{port} {host_key}"));
    let at = folder.display();
    // Only this machine gets in, though sshd can't be told to listen on 127.0.0.0/8. With
    // SHLVL=1 bash takes itself for a nested one, and leaves ~/.bashrc, which may do anything.
    write(
        "sshd_config",
        format!(
            "ListenAddress 0.0.0.0:{port}\nAllowUsers *@127.0.0.0/8\nHostKey {at}/host_key\n\
             PidFile none\nUsePAM no\nPrintMotd no\nPasswordAuthentication no\nStrictModes no\n\
             AuthorizedKeysFile {at}/authorized_keys\nSetEnv SHLVL=1\n{settings}\n"
        ),
    );
    write(
        "config",
        format!(
            "Host *\n  Port {port}\n  IdentityFile {at}/id\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile {at}/known_hosts\n"
        ),
    );
    // ssh takes the home directory from the password database, so $HOME does not move ~/.ssh.
    let ssh = folder.join("bin/ssh");
    write("bin/ssh", format!("#!/bin/sh\nexec /usr/bin/ssh -F {at}/config \"$@\"\n"));
    fs::set_permissions(ssh, fs::Permissions::from_mode(0o700)).expect("its mode");
}

/// Waits until sshd listens; the rest of its log is read, so that it never waits for us.
fn listening(stderr: ChildStderr) -> JoinHandle<String> {
    let mut stderr = BufReader::new(stderr);
    let mut said = String::new();
    while !said.contains("Server listening") {
        let read = stderr.read_line(&mut said).expect("sshd's stderr can be read");
        assert!(read > 0, "sshd did not come up: {said}");
    }
    std::thread::spawn(move || {
        let _ = stderr.read_to_string(&mut said);
        said
    })
}
