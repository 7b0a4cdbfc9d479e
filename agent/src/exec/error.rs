//! Why a command can't be run.

use std::io;
use std::path::PathBuf;

use murder_protocol::Blame;

use crate::blamed::Blamed;
use crate::home::HomeError;

/// Why a command can't be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExecError {
    #[error("the command is empty")]
    Empty,
    #[error("the command has a NUL character in it")]
    Nul,
    #[error("the variable {0:?} can't be set")]
    Variable(String),
    #[error("the directory can't be used")]
    Directory(#[source] HomeError),
    #[error("there is no directory {}", .0.display())]
    NoDirectory(PathBuf),
    #[error("could not run {program}")]
    Start { program: String, source: io::Error },
    #[error("may not become {user}: sudo is not installed")]
    NoSudo { user: String },
    #[error("may not become {user}: {said}")]
    Become { user: String, said: String },
    #[error("could not make a pipe")]
    Pipe(#[source] io::Error),
    #[error("could not read what the command prints")]
    Read(#[source] io::Error),
    #[error("the command took longer than {seconds} s, and could not be ended")]
    StillThere { seconds: u64 },
}

impl Blamed for ExecError {
    fn blame(&self) -> Blame {
        match self {
            Self::Empty | Self::Nul | Self::Variable(_) | Self::Directory(_) => Blame::Operator,
            _ => Blame::Host,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Empty => "give it a program, or leave the step out",
            Self::Nul => return None,
            Self::Variable(_) => "name it with letters, digits and _, no digit first",
            Self::Directory(error) => return error.hint(),
            Self::NoDirectory(_) => "make it, or name another one",
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "install it, or write its path"
            }
            Self::NoSudo { user } => {
                return Some(format!("install sudo there, or log in as {user}"));
            }
            Self::Become { user, .. } => {
                return Some(format!(
                    "let sudoers allow it without a password (NOPASSWD), or log in as {user}"
                ));
            }
            Self::StillThere { .. } => "end it on the host",
            Self::Start { .. } | Self::Pipe(_) | Self::Read(_) => return None,
        };
        Some(hint.to_owned())
    }
}
