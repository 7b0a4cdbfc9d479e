//! Why something did not work, in words for the person at the workstation.

use serde::{Deserialize, Serialize};

/// Whose fault a failure is, which decides what the operator is told to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The request can't be carried out as it was made.
    Operator,
    /// The host lacks something: disk, permission, an executable mount.
    Host,
    /// Somebody could not be reached.
    Network,
    /// Other members of the swarm sent wrong data or none.
    Peer,
    /// Our own mistake.
    Bug,
}

/// One failure: what happened, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault it is.
    pub blame: Blame,
    /// The whole chain of causes in one line, without the host's name: "/srv: no space left".
    pub message: String,
    /// What the operator can do, as an imperative sentence without its full stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(blame: Blame, message: impl Into<String>) -> Self {
        Self { blame, message: message.into(), hint: None }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
