//! How one host's part in a task ended.

use std::time::Duration;

use murder_protocol::{Failure, HostOutcome};

/// A host's result: exactly one for each host and task.
#[derive(Clone, Debug, PartialEq)]
pub struct HostResult {
    /// The inventory's name for the host.
    pub host: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// What came of one host's part in a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; a word on what was done, such as "started, pid 4711".
    Ok(String),
    /// The host was reached and could not do it.
    Failed(Failure),
    /// The host could not be reached.
    Unreachable(Failure),
    /// Nothing had to be done, or somebody asked it to stop; the reason.
    Skipped(String),
}

impl Outcome {
    /// The failure, of whichever kind.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) | Self::Unreachable(failure) => Some(failure),
            Self::Ok(_) | Self::Skipped(_) => None,
        }
    }
}

impl From<HostOutcome> for Outcome {
    fn from(outcome: HostOutcome) -> Self {
        match outcome {
            HostOutcome::Ok => Self::Ok(String::new()),
            HostOutcome::Failed(failure) => Self::Failed(failure),
            HostOutcome::Skipped(reason) => Self::Skipped(reason),
        }
    }
}
