//! What the workstation does: one command to many hosts over SSH.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use murder_testfleet::{Fleet, PROGRAMS, Plan};

use super::alternate;
use crate::Outcome;
use crate::asked::Asked;
use crate::clock::now;
use crate::machine::{Machine, date, package_version};
use crate::program::built;
use crate::record::{Column, Record, Sample, ToolRecord};

/// A whole `murder peer` beside tools that only run `true`, twice.
pub(super) fn fan_out(name: &str, asked: &Asked) -> Outcome<Record> {
    let hosts = if asked.smoke { 3 } else { 64 };
    let date = date();
    let fleet = Fleet::up(&Plan { hosts, sshd: true, programs: vec![built("murder")?] });
    prepare(&fleet)?;
    let forks = hosts.to_string();
    let clush = format!("clush -q -f {forks} -w h[1-{hosts}]");
    let pdsh = format!("pdsh -R ssh -f {forks} -w h[1-{hosts}]");
    let ansible = format!("ansible all -i inventory.yaml -f {forks} -m raw -a");
    let murder = ToolRecord::named("murder peer", env!("CARGO_PKG_VERSION"), "1 MiB to each host");
    let twice = |name: &str, package: &str, line: &str| {
        let settings = format!("{line} true, twice");
        ToolRecord::named(&format!("{name} true, twice"), &package_version(package), &settings)
    };
    let mut tools = vec![
        murder,
        twice("clush", "clustershell", &clush),
        twice("pdsh", "pdsh", &pdsh),
        twice("ansible", "ansible-core", &ansible),
    ];
    alternate(asked.runs, &mut tools, |number| match number {
        0 => {
            clean(&fleet, hosts);
            on_laptop(&fleet, &format!("{PROGRAMS}/murder --forks {forks} {PEER}"))
        }
        1 => on_laptop(&fleet, &format!("{clush} true && {clush} true")),
        2 => on_laptop(&fleet, &format!("{pdsh} true && {pdsh} true")),
        _ => on_laptop(&fleet, &format!("{ansible} true && {ansible} true")),
    });
    Ok(Record {
        scenario: name.into(),
        title: format!("One command to {hosts} hosts over SSH"),
        about: format!(
            "Each host has its sshd; workstation and hosts share this machine. `murder peer` brings \
             1 MiB to all {hosts} of them, and the others do nothing, twice. Key exchange is \
             curve25519-sha256 for all."
        ),
        date,
        took: None,
        machine: Machine::here(),
        by: None,
        columns: vec![
            Column::new("seconds", "whole command, s", 2),
            Column::new("cpu", "workstation, CPU s", 2),
        ],
        plots: Vec::new(),
        tools,
    })
}

/// The workstation's own needs, for more and more hosts, all behind one sshd.
pub(super) fn workstation(name: &str, asked: &Asked) -> Outcome<Record> {
    let sizes: &[usize] = if asked.smoke { &[5, 10] } else { &[100, 500, 2000] };
    let date = date();
    let fleet = Fleet::up(&Plan { hosts: 1, sshd: true, programs: vec![built("murder")?] });
    let laptop = fleet.laptop();
    // All of 127.0.0.0/8 is the laptop, so its own sshd is all hosts.
    laptop.sh("mkdir -p /run/sshd && cp .ssh/id_ed25519 /run/sshd/host_key && \
               cp /mnt/setup/id.pub .ssh/authorized_keys && \
               /usr/sbin/sshd -f /mnt/setup/sshd_config -o MaxStartups=1000");
    fs::write(
        laptop.path("/root/.ssh/config"),
        "Host *\n  StrictHostKeyChecking no\n  \
              UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  KexAlgorithms curve25519-sha256\n",
    )?;
    let mut tools = vec![ToolRecord::named("murder", env!("CARGO_PKG_VERSION"), LINE)];
    for hosts in sizes {
        let names: String =
            (1..=*hosts).map(|n| format!("127.1.{}.{}\n", n / 250, n % 250 + 1)).collect();
        fs::write(laptop.path("/root/hosts"), names)?;
        alternate(1, &mut tools, |_| {
            let watched = watch(&fleet, &format!("exec {PROGRAMS}/murder {LINE}"))?;
            Ok(watched.with("hosts", *hosts as f64))
        });
    }
    Ok(Record {
        scenario: name.into(),
        title: "A workstation with many hosts".into(),
        about: "Hosts are addresses of 127.0.0.0/8 behind one sshd, on the workstation itself. \
                `murder` pushes its agent to all of them, 64 at a time, and is looked at every 20 ms."
            .into(),
        date,
        took: None,
        machine: Machine::here(),
        by: Some("hosts".into()),
        columns: vec![
            Column::new("hosts", "hosts", 0),
            Column::new("seconds", "whole command, s", 1),
            Column::new("peak", "murder's peak memory, MiB", 1),
            Column::new("processes", "most processes at once", 0),
            Column::new("descriptors", "murder's most open files", 0),
        ],
        plots: Vec::new(),
        tools,
    })
}

fn prepare(fleet: &Fleet) -> Outcome<()> {
    let hosts: String =
        fleet.hosts().iter().map(|host| format!("    {}:\n", host.name())).collect();
    let inventory = format!(
        "all:\n  hosts:\n{hosts}  children:\n    tracker: {{ hosts: {{ h1: }} }}\n    seeder: {{ \
         hosts: {{ h1: }} }}\n"
    );
    fs::write(fleet.laptop().path("/root/inventory.yaml"), inventory)?;
    fleet.host(1).sh("mkdir files && head -c 1M /dev/urandom >files/data");
    for line in [
        "distribute_files",
        "start_tracker",
        "create_torrent tag=v1 files_path=~/files",
        "start_seeding tag=v1",
    ] {
        on_laptop(fleet, &format!("{PROGRAMS}/murder {line}"))?;
    }
    Ok(())
}

/// Removes what a run left, so that the next one has everything to fetch and to connect to.
fn clean(fleet: &Fleet, hosts: usize) {
    fleet.laptop().try_sh("kill -KILL -1");
    fleet.host(1).sh("rm -rf /srv/app");
    for number in 2..=hosts {
        fleet.host(number).sh("kill -KILL -1; rm -rf /srv/app .murder/spool .murder/run");
    }
}

/// A shell line on the laptop: how long it takes, and what CPU time it uses there.
pub(super) fn on_laptop(fleet: &Fleet, line: &str) -> Outcome<Sample> {
    let cpu = || fleet.cpu("laptop").map(|cpu| cpu.as_secs_f64());
    let (before, began) = (cpu(), now());
    let mut command = fleet.laptop().counted("laptop", "timeout");
    command.args(["-s", "KILL", "120", "sh", "-c", line]).stdin(Stdio::null());
    let output = command.output()?;
    let seconds = now() - began;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{line}: {}: {said}{stderr}", output.status).into());
    }
    let used = cpu().zip(before).map(|(after, before)| after - before);
    Ok(Sample::default().with("seconds", seconds).with_some("cpu", used))
}

/// A program on the laptop, looked at while it runs.
fn watch(fleet: &Fleet, line: &str) -> Outcome<Sample> {
    let began = now();
    let mut command: Command = fleet.laptop().command("sh");
    command.args(["-c", line]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn()?;
    let nsenter = child.id();
    let ended = Arc::new(AtomicBool::new(false));
    let over = ended.clone();
    let looking = thread::spawn(move || {
        let mut most = Looked::default();
        while !over.load(Ordering::Relaxed) {
            most.look(nsenter);
            thread::sleep(Duration::from_millis(20));
        }
        most
    });
    let output = child.wait_with_output()?;
    ended.store(true, Ordering::Relaxed);
    let most = looking.join().map_err(|_| "looking failed")?;
    if !output.status.success() {
        return Err(
            format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into()
        );
    }
    Ok(Sample::default()
        .with("seconds", now() - began)
        .with("peak", most.peak_mib)
        .with("processes", most.processes as f64)
        .with("descriptors", most.descriptors as f64))
}

/// The most that was seen of a program and its children.
#[derive(Default)]
struct Looked {
    peak_mib: f64,
    processes: usize,
    descriptors: usize,
}

impl Looked {
    fn look(&mut self, nsenter: u32) {
        let children = |pid: &str| {
            let path = format!("/proc/{pid}/task/{pid}/children");
            fs::read_to_string(path).unwrap_or_default()
        };
        let program = children(&nsenter.to_string());
        let program = program.trim();
        if program.is_empty() {
            return;
        }
        let mut known = vec![program.to_owned()];
        let mut next = 0;
        while let Some(pid) = known.get(next).cloned() {
            known.extend(children(&pid).split_whitespace().map(str::to_owned));
            next += 1;
        }
        let status = fs::read_to_string(format!("/proc/{program}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().split(' ').next()?.parse::<f64>().ok());
        let open = fs::read_dir(format!("/proc/{program}/fd")).map_or(0, Iterator::count);
        self.peak_mib = self.peak_mib.max(kib.unwrap_or_default() / 1024.0);
        self.processes = self.processes.max(known.len());
        self.descriptors = self.descriptors.max(open);
    }
}

const PEER: &str = "peer tag=v1 destination_path=/srv/app";
const LINE: &str = "--forks 64 --accept-new-hosts -i hosts distribute_files";
