//! A command of the operator on a host: a recipe's `run:` step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// `exec`: runs one command and passes on what it prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exec {
    /// What to run.
    pub command: Command,
    /// Where; without it the home of the user that logs in, and `/` as another user.
    pub directory: Option<String>,
    /// Variables beside those that the host sets. A value may be a secret, so none is printed.
    pub environment: BTreeMap<String, Secret>,
    /// As whom, by `sudo -n`; without it as the user that logs in.
    pub become_user: Option<String>,
    /// How long it may take, in seconds. After that it is ended, with what it has started.
    pub timeout_seconds: u64,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A program and its arguments, which no shell sees.
    Argv(Vec<String>),
    /// A text for `sh -c`.
    Shell(String),
}

/// Something that a command printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecEvent {
    /// Where.
    pub stream: OutputStream,
    /// Whole lines without their line feeds, or what there is of one that is very long. Bytes
    /// that are no UTF-8 are replaced.
    pub lines: Vec<String>,
}

/// Where a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How the command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecReply {
    /// How.
    pub end: ExecEnd,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecEnd {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It took too long and was ended.
    TimedOut,
}
