//! What may go wrong once a host is reached, and what the user is told.

use murder_protocol::{Blame, Failure};

use super::cause::Unreachable;
use super::child::{Ended, NOT_EXECUTABLE, NOT_FOUND};
use super::quote::QuoteError;

/// Why a call brought no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no agent at its place.
    #[error("there is no agent at {0}")]
    NoAgent(String),
    /// The agent's place can't be executed.
    #[error("{path} can't be executed: {said}")]
    NotExecutable {
        /// Where the agent is.
        path: String,
        /// What the shell said.
        said: String,
    },
    /// The agent says no.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// The connection broke, or the agent was killed.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The command ended without a reply.
    #[error("the agent ended with exit code {code} and no reply{said}")]
    Died {
        /// The command's exit code.
        code: i32,
        /// ": " and what it said instead, or nothing.
        said: String,
    },
    /// The reply can't be read.
    #[error("the agent's answer can't be read: {0}")]
    Garbled(String),
    /// The agent's path can't be put on a command line.
    #[error(transparent)]
    Path(#[from] QuoteError),
    /// This machine could not start a process.
    #[error("{0} can't be started: {1}")]
    Spawn(String, String),
}

/// Why a host that was asked for one thing gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It was not reached.
    Unreachable(Unreachable),
    /// It was, and the call failed.
    Call(CallError),
}

impl From<Unreachable> for Unanswered {
    fn from(error: Unreachable) -> Self {
        Self::Unreachable(error)
    }
}

impl From<CallError> for Unanswered {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<QuoteError> for Unanswered {
    fn from(error: QuoteError) -> Self {
        Self::Call(error.into())
    }
}

impl CallError {
    /// From the end of a command that gave no reply.
    pub(super) fn of_end(path: &str, ended: Ended, noise: &str) -> Self {
        let said = if ended.stderr.is_empty() { noise } else { &ended.stderr };
        match ended.code {
            Some(NOT_FOUND) => Self::NoAgent(path.to_owned()),
            Some(NOT_EXECUTABLE) => {
                Self::NotExecutable { path: path.to_owned(), said: last_line(said) }
            }
            Some(code) => {
                let said = last_line(said);
                let said = if said.is_empty() { said } else { format!(": {said}") };
                Self::Died { code, said }
            }
            None if said.is_empty() => Self::Lost("it ended without a reply".into()),
            None => Self::Lost(last_line(said)),
        }
    }

    /// What the user is told.
    pub fn failure(&self) -> Failure {
        let told = |blame| Failure::new(blame, self.to_string());
        match self {
            Self::Refused(failure) => failure.clone(),
            Self::NoAgent(_) => told(Blame::Operator).hint("run murder distribute_files"),
            Self::NotExecutable { .. } => told(Blame::Host).hint(
                "give a remote_murder_path on a file system without noexec, then run \
                 murder distribute_files",
            ),
            Self::Lost(_) => {
                told(Blame::Network).hint("see with murder status what runs there, then try again")
            }
            Self::Died { said, .. } if said.contains("panicked") => told(Blame::Bug),
            Self::Died { .. } => told(Blame::Host).hint(
                "see that `ssh HOST true` works with this user's login shell, and run \
                 murder distribute_files if the agent may be an old one",
            ),
            Self::Garbled(_) => told(Blame::Operator)
                .hint("the agent may be of another version: run murder distribute_files"),
            Self::Path(_) => told(Blame::Operator).hint("correct remote_murder_path"),
            Self::Spawn(..) => told(Blame::Operator),
        }
    }
}

fn last_line(text: &str) -> String {
    text.trim_end().lines().next_back().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: Option<i32>, stderr: &str, noise: &str) -> String {
        let ended = Ended { code, stderr: stderr.to_owned() };
        CallError::of_end("~/.murder/bin/murder-agent", ended, noise).failure().to_string()
    }

    #[test]
    fn a_host_without_an_agent_is_sent_to_distribute_files() {
        assert_eq!(
            said(Some(127), "sh: ./.murder/bin/murder-agent: not found", ""),
            "there is no agent at ~/.murder/bin/murder-agent (run murder distribute_files)"
        );
    }

    #[test]
    fn an_agent_on_a_noexec_file_system_is_told_apart() {
        assert_eq!(
            said(Some(126), "bash: line 1: ./.murder/bin/murder-agent: Permission denied", ""),
            "~/.murder/bin/murder-agent can't be executed: bash: line 1: \
             ./.murder/bin/murder-agent: Permission denied (give a remote_murder_path on a file \
             system without noexec, then run murder distribute_files)"
        );
    }

    #[test]
    fn a_login_shell_that_runs_nothing_is_quoted() {
        assert_eq!(
            said(Some(1), "", "This account is currently not available."),
            "the agent ended with exit code 1 and no reply: This account is currently not \
             available. (see that `ssh HOST true` works with this user's login shell, and run \
             murder distribute_files if the agent may be an old one)"
        );
    }

    #[test]
    fn a_connection_that_breaks_is_the_networks() {
        let error = CallError::of_end("x", Ended { code: None, stderr: String::new() }, "");
        assert_eq!(error.failure().blame, Blame::Network);
        assert_eq!(
            error.failure().to_string(),
            "the connection was lost: it ended without a reply (see with murder status what runs \
             there, then try again)"
        );
    }

    #[test]
    fn an_agent_that_panics_is_our_mistake() {
        let ended = Ended { code: Some(101), stderr: "thread 'main' panicked at x.rs".into() };
        assert_eq!(CallError::of_end("x", ended, "").failure().blame, Blame::Bug);
    }
}
