//! What a command costs the machine where it is typed: it and the processes that it starts.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// What was seen of a command and of all that descends from it.
#[derive(Clone, Debug)]
pub struct Cost {
    /// How it ended.
    pub status: ExitStatus,
    /// Until its end.
    pub wall: Duration,
    /// CPU time of its processes, but for those that left it.
    pub cpu: Duration,
    /// The most processes at a time.
    pub processes: usize,
    /// The most open descriptors of all of them.
    pub descriptors: usize,
    /// The most resident memory of its first process, in KiB.
    pub resident_kib: u64,
    /// The most memory of all of them, in KiB, shared pages counted once for each process.
    pub all_resident_kib: u64,
}

impl Cost {
    /// Runs a command to its end. No other child of this process may end meanwhile.
    ///
    /// Peaks are those of a look every 50 ms, but for `resident_kib`, which the kernel keeps.
    pub fn of(command: &mut Command) -> std::io::Result<Self> {
        let before = children_cpu();
        let began = Instant::now();
        let mut child = command.spawn()?;
        let mut peak = Peak::default();
        let status = loop {
            peak.look(child.id());
            if let Some(status) = child.try_wait()? {
                break status;
            }
            std::thread::sleep(LOOK);
        };
        let wall = began.elapsed();
        Ok(Self {
            status,
            wall,
            cpu: children_cpu() - before,
            processes: peak.processes,
            descriptors: peak.descriptors,
            resident_kib: peak.resident_kib,
            all_resident_kib: peak.all_resident_kib,
        })
    }
}

#[derive(Debug, Default)]
struct Peak {
    processes: usize,
    descriptors: usize,
    resident_kib: u64,
    all_resident_kib: u64,
}

impl Peak {
    fn look(&mut self, first: u32) {
        let family = family(first);
        let count = |pid: &u32| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        self.processes = self.processes.max(family.len());
        self.descriptors = self.descriptors.max(family.iter().map(count).sum());
        self.resident_kib = self.resident_kib.max(kib(first, "VmHWM:"));
        let all = family.iter().map(|pid| kib(*pid, "VmRSS:")).sum();
        self.all_resident_kib = self.all_resident_kib.max(all);
    }
}

/// A process, and those that descend from it.
fn family(first: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let names = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.file_name());
    for pid in names.filter_map(|name| name.to_str()?.parse().ok()) {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // proc_pid_stat(5): the name, in brackets, may have anything in it.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let mut fields = fields.split(' ');
        if let (Some(state), Some(parent)) = (fields.next(), fields.next())
            && state != "Z"
        {
            children.entry(parent.parse().unwrap_or_default()).or_default().push(pid);
        }
    }
    let mut family = vec![first];
    let mut parents = vec![first];
    while let Some(parent) = parents.pop() {
        let born = children.remove(&parent).unwrap_or_default();
        family.extend(&born);
        parents.extend(born);
    }
    family
}

fn kib(pid: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// CPU time of this process's ended children and theirs: `cutime` and `cstime`, in ticks.
fn children_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(13).take(2).filter_map(|field| field.parse::<u32>().ok());
    let second = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
    Duration::from_secs(ticks.sum::<u32>().into()) / second
}

const LOOK: Duration = Duration::from_millis(50);
