//! A fleet on one machine: hosts that are network, mount, UTS and PID namespaces, each with its
//! own address and `sshd`, joined by a bridge in a namespace of its own, and a laptop.
//!
//! All traffic stays inside the namespaces, so every fleet has the same addresses.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A fleet of hosts `h1`, `h2`, … and a laptop. Dropping it ends every process on it.
pub(crate) struct Fleet {
    name: String,
    setup: PathBuf,
    hosts: Vec<Host>,
    laptop: Host,
}

impl Fleet {
    /// Brings up so many hosts, each ready for SSH from the laptop.
    pub(crate) fn up(count: usize) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mf{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let setup = std::env::temp_dir().join(format!("murder-{name}"));
        write_setup(&setup, count);
        run("ip", &["netns", "add", &format!("{name}-sw")]);
        in_netns(&format!("{name}-sw"), &["ip", "link", "add", "br0", "type", "bridge"]);
        in_netns(&format!("{name}-sw"), &["ip", "link", "set", "br0", "up"]);
        let laptop = Host::boot(&name, "laptop", 254, &setup);
        let hosts = (1..=count).map(|n| Host::boot(&name, &format!("h{n}"), n, &setup)).collect();
        let fleet = Self { name, setup, hosts, laptop };
        fleet.laptop.wait_until_up();
        fleet.hosts.iter().for_each(Host::wait_until_up);
        fleet
    }

    /// Host `h1` is number 1.
    pub(crate) fn host(&self, number: usize) -> &Host {
        &self.hosts[number - 1]
    }

    /// All hosts in order.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Where `murder` is typed.
    pub(crate) fn laptop(&self) -> &Host {
        &self.laptop
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for host in self.hosts.iter_mut().chain([&mut self.laptop]) {
            host.shut_down();
        }
        run("ip", &["netns", "del", &format!("{}-sw", self.name)]);
        let _ = fs::remove_dir_all(&self.setup);
    }
}

/// One machine of a fleet.
pub(crate) struct Host {
    name: String,
    address: String,
    netns: String,
    /// The `unshare` that holds the namespaces; its end is theirs.
    keeper: Child,
    /// PID 1 of the host, as the test sees it.
    init: u32,
    boot: std::sync::Mutex<Option<BufReader<std::process::ChildStderr>>>,
}

impl Host {
    fn boot(fleet: &str, name: &str, number: usize, setup: &Path) -> Self {
        let netns = format!("{fleet}-{name}");
        let address = address(number);
        plug_in(fleet, &netns, name, &address);
        let role = if name == "laptop" { "laptop" } else { "sshd" };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fleet/host.sh");
        let mut keeper = Command::new("ip")
            .args(["netns", "exec", &netns])
            .args(["unshare", "-m", "-u", "-p", "--fork", "--kill-child", "--mount-proc"])
            .arg(script)
            .args([name, setup.to_str().expect("the set-up folder is UTF-8"), role])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip and unshare are installed");
        let boot = BufReader::new(keeper.stderr.take().expect("stderr is piped"));
        let mut host =
            Self { name: name.into(), address, netns, keeper, init: 0, boot: Some(boot).into() };
        host.init = host.find_init();
        host
    }

    /// The host's name, `h1`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The host's address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Where a path of the host is for the test.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// A command that will run on the host, in root's home.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.init.to_string(), "-m", "-u", "-n", "-p", "--wdns=/root"])
            .arg(program)
            .env("HOME", "/root")
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("SSH_AUTH_SOCK");
        command
    }

    /// Runs a shell line on the host and gives its stdout; it has to succeed.
    pub(crate) fn sh(&self, line: &str) -> String {
        let output = self.try_sh(line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {line}: {stderr}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a shell line on the host.
    pub(crate) fn try_sh(&self, line: &str) -> Output {
        self.command("sh").args(["-c", line]).output().expect("nsenter is installed")
    }

    /// Cuts the host off, or joins it again.
    pub(crate) fn set_link(&self, state: Link) {
        let state = match state {
            Link::Up => "up",
            Link::Down => "down",
        };
        in_netns(&self.netns, &["ip", "link", "set", "eth0", state]);
    }

    /// Limits what the host can send, in Mbit/s (tbf, with about 30 ms of queue).
    pub(crate) fn limit_uplink(&self, mbit: u32) {
        let rate = format!("{mbit}mbit");
        let shape =
            ["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", &rate, "burst"];
        in_netns(&self.netns, &[&shape[..], &["128k", "latency", "30ms"]].concat());
    }

    /// The command lines of the host's processes whose text has the word, with their PIDs there.
    pub(crate) fn processes(&self, word: &str) -> Vec<(u32, String)> {
        self.sh("for p in /proc/[0-9]*; do echo \"${p#/proc/} $(tr '\\0' ' ' < $p/cmdline)\"; done 2>/dev/null")
            .lines()
            .filter(|line| line.contains(word) && !line.contains("cmdline"))
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(pid, line)| Some((pid.parse().ok()?, line.to_owned())))
            .collect()
    }

    fn find_init(&self) -> u32 {
        let keeper = self.keeper.id();
        let children = format!("/proc/{keeper}/task/{keeper}/children");
        loop {
            let text = fs::read_to_string(&children).unwrap_or_default();
            if let Some(init) = text.split_whitespace().next() {
                return init.parse().expect("the kernel writes numbers");
            }
            std::thread::yield_now();
        }
    }

    fn wait_until_up(&self) {
        let mut boot = self.boot.lock().expect("nobody panics while booting");
        let mut said = String::new();
        let stderr = boot.as_mut().expect("a host boots once");
        while !said.contains("Server listening") {
            let before = said.len();
            stderr.read_line(&mut said).expect("the host's stderr can be read");
            assert!(said.len() > before, "{} did not come up: {said}", self.name);
        }
        let mut rest = boot.take().expect("a host boots once");
        // sshd goes on writing; nobody may make it wait.
        std::thread::spawn(move || std::io::copy(&mut rest, &mut std::io::sink()));
    }

    fn shut_down(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        run("ip", &["netns", "del", &self.netns]);
    }
}

/// Whether a host's cable is in.
pub(crate) enum Link {
    /// It is.
    Up,
    /// It is not.
    Down,
}

/// The folder of `murder` on the laptop.
pub(crate) const BIN: &str = "/mnt/setup";

/// What keeps a fleet from being set up here, if anything does.
pub(crate) fn missing() -> Option<String> {
    if !fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        return Some("they need root".into());
    }
    ["ip", "unshare", "nsenter", "tc", "sshd", "ssh-keygen"]
        .into_iter()
        .find(|tool| !has(tool))
        .map(|tool| format!("{tool} is not installed; tests/run installs it"))
}

/// Whether a program is installed.
pub(crate) fn has(tool: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .into_iter()
        .any(|dir| Path::new(dir).join(tool).exists())
}

fn address(number: usize) -> String {
    format!("10.77.{}.{}", number / 250, number % 250 + 1)
}

fn plug_in(fleet: &str, netns: &str, name: &str, address: &str) {
    let switch = format!("{fleet}-sw");
    run("ip", &["netns", "add", netns]);
    let veth = ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", name, "netns"];
    in_netns(netns, &[&veth[..], &[&switch]].concat());
    in_netns(&switch, &["ip", "link", "set", name, "master", "br0", "up"]);
    in_netns(netns, &["ip", "address", "add", &format!("{address}/16"), "dev", "eth0"]);
    in_netns(netns, &["ip", "link", "set", "eth0", "up"]);
    in_netns(netns, &["ip", "link", "set", "lo", "up"]);
}

fn write_setup(dir: &Path, count: usize) {
    fs::create_dir_all(dir).expect("the temporary folder can be written");
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).expect("so can a file");
    // The source tree may lie in a folder that the laptop has another one over.
    fs::copy(env!("CARGO_BIN_EXE_murder"), dir.join("murder")).expect("so can a program");
    new_key(&dir.join("id"));
    let mut hosts = "127.0.0.1 localhost\n".to_owned();
    let mut known = String::new();
    for number in 1..=count {
        let (name, address) = (format!("h{number}"), address(number));
        let public = new_key(&dir.join(format!("key-{name}")));
        // The second name is the README's.
        hosts += &format!("{address} {name} web{number}\n");
        known += &format!("{name},web{number},{address} {public}");
    }
    write("hosts", &hosts);
    write("known_hosts", &known);
    // The default key exchange costs three times the CPU, which the tests have better uses for.
    write("config", "Host *\n  KexAlgorithms curve25519-sha256\n");
    write(
        "sshd_config",
        "Port 22\nHostKey /run/sshd/host_key\nPidFile none\nUsePAM no\nPrintMotd no\n\
         PasswordAuthentication no\nAuthorizedKeysFile /root/.ssh/authorized_keys\n",
    );
}

fn new_key(path: &Path) -> String {
    let file = path.to_str().expect("the set-up folder is UTF-8");
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file]);
    fs::read_to_string(path.with_extension("pub")).expect("ssh-keygen writes the public half")
}

fn in_netns(netns: &str, command: &[&str]) {
    run("ip", &[&["netns", "exec", netns], command].concat());
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
}
