//! What the numbers were measured on.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// A machine, as far as numbers depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    pub(crate) system: String,
    /// The commit of `murder`, with a plus if files differ from it.
    pub(crate) commit: String,
}

impl Machine {
    /// This machine, and this source tree.
    pub(crate) fn here() -> Self {
        let line = |path: &str, key: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.trim_start_matches([' ', '\t', ':', '=']).trim_matches('"').to_owned()
        };
        let kib = line("/proc/meminfo", "MemTotal:");
        let kib: u64 = kib.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
        // The results themselves are no source.
        let source = ["--", ":!docs/benchmarks", ":!BENCHMARKS.md"];
        let status = ["status", "--porcelain", "--untracked-files=no"];
        let dirty = !said("git", &[&status[..], &source].concat()).is_empty();
        Self {
            processor: line("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib.div_ceil(1 << 20),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .into(),
            system: line("/etc/os-release", "PRETTY_NAME"),
            commit: said("git", &["rev-parse", "--short", "HEAD"]) + if dirty { "+" } else { "" },
        }
    }
}

/// Memory that nothing needs, in MiB.
pub(crate) fn available_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// Takes so much memory and gives it back. The host of a virtual machine may have taken what was
/// free, and gives it again page by page to whoever writes to it first, on the writer's CPU time.
pub(crate) fn warm_memory(mib: u64) {
    let mib = mib.min(available_mib() / 2) as usize;
    drop(std::hint::black_box(vec![1_u8; mib << 20]));
}

/// Now, UTC, as `date` writes it.
pub(crate) fn date() -> String {
    said("date", &["-u", "+%Y-%m-%d %H:%M"])
}

/// The version of a Debian package.
pub(crate) fn package_version(package: &str) -> String {
    let version = said("dpkg-query", &["--show", "--showformat", "${Version}", package]);
    if version.is_empty() { "not installed".into() } else { version }
}

/// What a program says, or nothing if it can't be run.
fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    output.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
}

/// The machine's CPU time so far, in seconds: what was used, and what there was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy {
    used: f64,
    all: f64,
}

impl Busy {
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = stat.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal; guests are in user (proc(5)).
        let ticks: Vec<f64> =
            line.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
        let all: f64 = ticks.iter().sum();
        Self { used: all - ticks.get(3..5).map_or(0.0, |idle| idle.iter().sum()), all }
    }

    /// The share that was used since then.
    pub(crate) fn since(before: Self) -> f64 {
        let now = Self::now();
        (now.used - before.used) / (now.all - before.all).max(1.0)
    }
}
