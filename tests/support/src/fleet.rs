//! A fleet: brought up, held and torn down.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::host::{Host, child_of, enter};
use crate::{has, setup};

/// What a fleet is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many hosts, beside the laptop.
    pub hosts: usize,
    /// Each host runs a `sshd` that knows the laptop's key.
    pub sshd: bool,
    /// Programs to copy to [`crate::PROGRAMS`], where all hosts find them.
    pub programs: Vec<PathBuf>,
}

/// Hosts `h1`, `h2`, … and a laptop. Dropping it ends every process on it.
#[derive(Debug)]
pub struct Fleet {
    keeper: Child,
    /// The fleet's first process, as this program sees it.
    init: u32,
    hosts: Vec<Host>,
    laptop: Host,
}

impl Fleet {
    /// Brings a fleet up; with `sshd`, each host is ready for SSH from the laptop.
    pub fn up(plan: &Plan) -> Self {
        raise_neighbour_limit(plan.hosts);
        allow_cubic();
        let (keeper, init) = start_keeper();
        let names: Vec<(String, String)> =
            (1..=plan.hosts).map(|n| (format!("h{n}"), address(n))).collect();
        let root = PathBuf::from(format!("/proc/{init}/root/mnt"));
        setup::fill(&root.join("setup"), &names, plan.sshd);
        for program in &plan.programs {
            let name = program.file_name().expect("a program has a name");
            // The source tree may lie in a folder that the hosts have another one over.
            fs::copy(program, root.join("setup").join(name)).expect("a program in memory");
        }
        plug_in(init, names.iter().map(|(name, _)| name.as_str()).chain(["laptop"]));
        let boot = |name: &str, address: &str, role: &str| {
            add_group(init, name);
            Host::boot(init, name, address, role)
        };
        let role = if plan.sshd { "sshd" } else { "idle" };
        let mut laptop = boot("laptop", &address(LAPTOP), "laptop");
        let mut hosts: Vec<Host> =
            names.iter().map(|(n, address)| boot(n, address, role)).collect();
        laptop.wait_until_up();
        hosts.iter_mut().for_each(Host::wait_until_up);
        Self { keeper, init, hosts, laptop }
    }

    /// Host `h1` is number 1.
    pub fn host(&self, number: usize) -> &Host {
        &self.hosts[number - 1]
    }

    /// All hosts in order.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Where `murder` is typed.
    pub fn laptop(&self) -> &Host {
        &self.laptop
    }

    /// Makes a group of processes whose CPU time is counted. A group of a host's name is there from
    /// the beginning, and has all that SSH starts on it.
    pub fn add_group(&self, name: &str) {
        add_group(self.init, name);
    }

    /// The CPU time of a group so far. `None` where the kernel does not count it.
    pub fn cpu(&self, group: &str) -> Option<Duration> {
        let stat = format!("/proc/{}/root/mnt/cpu/{group}/cpu.stat", self.init);
        let text = fs::read_to_string(stat).ok()?;
        let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
        Some(Duration::from_micros(usage.parse().ok()?))
    }

    /// The processes of a group, as this program sees them.
    pub fn processes(&self, group: &str) -> Vec<u32> {
        let procs = format!("/proc/{}/root/mnt/cpu/{group}/cgroup.procs", self.init);
        let text = fs::read_to_string(procs).unwrap_or_default();
        text.lines().flat_map(str::parse).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Its first process reads this pipe; without it, all of the fleet ends.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// What keeps a fleet from being set up here, if anything does.
pub fn missing() -> Option<String> {
    if !fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        return Some("they need root".into());
    }
    ["ip", "unshare", "nsenter", "tc", "sshd", "ssh-keygen"]
        .into_iter()
        .find(|tool| !has(tool))
        .map(|tool| format!("{tool} is not installed; tests/run installs it"))
}

/// Starts the process that ends the fleet, and gives the fleet's first one too.
fn start_keeper() -> (Child, u32) {
    let mut keeper = Command::new("unshare")
        .args(["--mount", "sh", "-c", SCRIPT, SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare is installed");
    let mut said = String::new();
    let stdout = keeper.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut said).expect("the keeper's stdout can be read");
    assert_eq!(said, "up\n", "the fleet's network did not come up");
    let init = child_of(child_of(keeper.id()));
    (keeper, init)
}

fn add_group(init: u32, name: &str) {
    // Fails where there are no control groups, which only the count needs.
    let _ = fs::create_dir(format!("/proc/{init}/root/mnt/cpu/{name}"));
}

/// Gives each host a network namespace and a cable from its `eth0` to the bridge.
fn plug_in<'a>(init: u32, names: impl Iterator<Item = &'a str>) {
    let lines: String = names
        .map(|name| {
            format!(
                "netns add {name}\nlink add {name} type veth peer name eth0 netns {name}\n\
                 link set {name} master br0 up\n"
            )
        })
        .collect();
    let mut command = enter(init, &["-m", "-n", "-p"]);
    let mut ip =
        command.args(["ip", "-batch", "-"]).stdin(Stdio::piped()).spawn().expect("ip is installed");
    let mut stdin = ip.stdin.take().expect("stdin is piped");
    stdin.write_all(lines.as_bytes()).expect("ip reads its lines");
    drop(stdin);
    assert!(ip.wait().expect("ip ends").success(), "the hosts can't be plugged in");
}

/// One table of the kernel has the neighbours of all namespaces, and in a full mesh each host has
/// every other one in it. The limits are only ever raised: another fleet may be up.
fn raise_neighbour_limit(hosts: usize) {
    for (number, per_pair) in [(1, 2), (2, 4), (3, 8)] {
        let path = format!("/proc/sys/net/ipv4/neigh/default/gc_thresh{number}");
        let path = Path::new(&path);
        let now = fs::read_to_string(path).unwrap_or_default();
        let wanted = hosts * hosts * per_pair;
        if now.trim().parse::<usize>().is_ok_and(|now| now < wanted) {
            fs::write(path, wanted.to_string()).expect("root may raise the limit");
        }
    }
}

/// The hosts' TCP has the congestion control that servers have, whatever this machine's default is.
/// A namespace may take only what the machine allows.
fn allow_cubic() {
    let path = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";
    let allowed = fs::read_to_string(path).unwrap_or_default();
    if !allowed.split_whitespace().any(|word| word == "cubic") {
        // A kernel without it leaves the hosts at the machine's default.
        let _ = fs::write(path, format!("{} cubic", allowed.trim()));
    }
}

fn address(number: usize) -> String {
    format!("10.77.{}.{}", number / 250, number % 250 + 1)
}

/// The number that gives the laptop its address.
const LAPTOP: usize = 254 * 250;

const SCRIPT: &str = include_str!("fleet.sh");
