//! One step of a recipe, as it was written. Texts are templates, which are rendered when the step's
//! turn comes, some of them for each host.

use std::time::Duration;

use super::{Definition, Stage, Template};
use crate::settings::Percent;
use crate::yaml::Place;

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where it stands.
    pub at: Place,
    /// `name:`, a template.
    pub name: Option<Template>,
    /// What is done.
    pub body: Body,
    /// `when:`, a template; the step is left out unless it gives something true. One that names
    /// nothing of a host's is decided once.
    pub when: Option<Template>,
    /// `no_log: true`: neither what it runs nor what that prints is shown or kept. With a recipe that
    /// is called, all of its steps are meant.
    pub no_log: bool,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `task:` a built-in task or another recipe.
    Task {
        /// Its name.
        name: String,
        /// `with:`, its keys.
        with: Vec<With>,
    },
    /// `run:` a command on hosts.
    Run(Box<Run>),
    /// `switch:` the fleet-wide switch.
    Switch(Box<Switch>),
    /// `stage:` with `steps:` of its own. Hooks are tied to it.
    Stage {
        /// Which one.
        stage: Stage,
        /// What belongs to it.
        steps: Vec<Step>,
    },
}

/// One key of a `with:`.
#[derive(Clone, Debug, PartialEq)]
pub struct With {
    /// The key.
    pub key: String,
    /// Where it stands.
    pub at: Place,
    /// What it is set to.
    pub value: Definition,
}

/// A `run:` step.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What is run; every text is a template.
    pub command: Command,
    /// `on:` a role, group or pattern as for `--limit`, a template; without it the peers.
    pub on: Option<Template>,
    /// `in:` how many at once.
    pub mode: Mode,
    /// `env:`, by name.
    pub env: Vec<(String, Template)>,
    /// `directory:` where, a template; without it the home of the user that logs in.
    pub directory: Option<Template>,
    /// `become:` as whom, a template.
    pub become_user: Option<Template>,
    /// `timeout:` how long a host may take; without it as long as the task.
    pub timeout: Option<Duration>,
    /// `retries:` how often it is tried again on a host where it fails.
    pub retries: u32,
    /// `run_once:` only on the first of the hosts.
    pub run_once: bool,
    /// `register:` the variable that later steps have its output under, without the line feed at
    /// its end. Only beside `run_once`, so that there is one output.
    pub register: Option<String>,
}

/// What a `run:` step runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A list: a program and its arguments, which no shell sees.
    Argv(Vec<Template>),
    /// A text for `sh -c`.
    Shell(Template),
}

/// How many hosts are at it at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// As many as `--forks` allows.
    Parallel,
    /// One after another.
    Sequence,
    /// A group after another.
    Groups(Groups),
}

/// Hosts in groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// How large a group is.
    pub size: GroupSize,
    /// How long to wait between two groups.
    pub wait: Duration,
    /// `limit:` how many of a group at once; without it `--forks`.
    pub limit: Option<u32>,
}

/// How large a group of hosts is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GroupSize {
    /// So many hosts.
    Hosts(u32),
    /// This part of all of them, but at least one.
    Part(Percent),
}

/// A `switch:` step.
#[derive(Clone, Debug, PartialEq)]
pub struct Switch {
    /// Without it all switch at once.
    pub groups: Option<Groups>,
    /// `health:` what has to succeed on each host of a group before the next one switches.
    pub health: Vec<Step>,
    /// `rollback_on_failure:` takes the hosts that have switched back where health fails.
    pub rollback_on_failure: bool,
}
