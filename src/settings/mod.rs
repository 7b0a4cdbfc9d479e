//! What was decided: flag > environment > inventory > default. Everything here is typed and
//! checked, and the tasks read nothing else.

mod decide;
mod invocation;
mod percent;
mod task;

use std::path::PathBuf;
use std::time::Duration;

pub use decide::{Lookup, output, overrides, shell, source, task, variable};
pub use invocation::{Invocation, quote};
pub use percent::{Percent, PercentError};
pub use task::{
    Attach, Called, Clean, Create, Demo, Distribute, Doctor, Logs, Peer, ReleaseTask, ReleaseWhat,
    Tagged, Task, TaskName, Warm,
};

/// One run of `murder`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is to be done, with its keys.
    pub task: Task,
    /// Where the hosts come from.
    pub source: Source,
    /// `KEY=VALUE`s that are variables of the inventory; they come before everything in it.
    pub overrides: Vec<(String, String)>,
    /// Which peers take part (`--limit`), as it was typed.
    pub limit: Option<String>,
    /// How many SSH connections at once.
    pub forks: usize,
    /// How long one host may take.
    pub timeout: Duration,
    /// How many hosts may fail before the exit code says so.
    pub max_fail: Option<Percent>,
    /// Do it, or say what would be done.
    pub mode: Mode,
    /// What becomes of hosts whose key nobody has seen before.
    pub host_keys: HostKeys,
    /// How results are shown.
    pub output: Output,
    /// How `murder` was called, to build the commands that messages suggest.
    pub invocation: Invocation,
}

/// Where the hosts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An inventory file, or a plain list of names.
    File(PathBuf),
    /// The same on stdin.
    Stdin,
    /// `--hosts a,b,c`.
    Hosts(Vec<String>),
}

/// Whether anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Do it.
    Real,
    /// Print the plan and connect nowhere.
    DryRun,
    /// Connect and look, change nothing, and say what would be done.
    Check,
}

/// What becomes of hosts whose SSH key is not in known_hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeys {
    /// Refused, whatever ~/.ssh/config says: the option is given on ssh's command line.
    Strict,
    /// They are added; a key that changed is still refused.
    AcceptNew,
}

/// How results are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// For whom.
    pub format: Format,
    /// With colours or without.
    pub color: Color,
    /// How much.
    pub verbosity: Verbosity,
}

/// Who reads stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A person.
    Human,
    /// A program: one JSON object a line.
    Json,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// `-q` and `-v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Failures only.
    Quiet,
    /// Progress and summary.
    Normal,
    /// Each step of each host too.
    Verbose,
}
