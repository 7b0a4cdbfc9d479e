//! What would be done: the answer to `--dry-run`.

use serde::Serialize;

use crate::settings::TaskName;

/// The steps of one run, in order. Making it connects nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The task that was asked for.
    pub task: TaskName,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens on some hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What is done: "start the tracker on port 8998, unless it runs".
    pub what: String,
    /// On which hosts, in the inventory's order.
    pub hosts: Vec<String>,
    /// Paths on those hosts that would be made or changed, and how.
    pub paths: Vec<PathChange>,
}

/// A path that a step would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathChange {
    /// The path as the host has it.
    pub path: String,
    /// What becomes of it.
    pub change: Change,
    /// The hosts for which it is this path; empty where it is all of the step's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

/// What becomes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is read.
    Read,
    /// It is made; the step fails if something is there.
    Create,
    /// It is made, and whatever is there is deleted.
    Replace,
    /// It is deleted.
    Remove,
}
