//! Why an order about releases can't be carried out.

use std::io;
use std::path::{Path, PathBuf};

use murder_protocol::{Blame, Tag};

use crate::blamed::Blamed;
use crate::home::HomeError;

/// Why an order about releases can't be carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReleaseError {
    #[error("deploy_to can't be used")]
    Path(#[source] HomeError),
    #[error("deploy_to {} has .. in it", .0.display())]
    Upwards(PathBuf),
    #[error("deploy_to is the root of the file system")]
    Root,
    #[error("{} is there already and is no directory", .0.display())]
    NotDirectory(PathBuf),
    #[error("{} is there already and is no link to a release", .0.display())]
    CurrentTaken(PathBuf),
    #[error("the linked path {path:?} {why}")]
    Linked { path: String, why: &'static str },
    #[error("the linked paths {outer:?} and {inner:?} lie within each other")]
    Nested { outer: String, inner: String },
    #[error("{} {}", list(.0), if .0.len() == 1 { "is not there" } else { "are not there" })]
    Missing(Vec<PathBuf>),
    #[error("{} is {is}, and stands among the {among}", path.display())]
    WrongKind { path: PathBuf, is: &'static str, among: &'static str },
    #[error("{} leads out of {}", path.display(), root.display())]
    LeadsOut { path: PathBuf, root: PathBuf },
    #[error("there is no release {release} in {}", folder.display())]
    Absent { release: Tag, folder: PathBuf },
    #[error("the release {release} in {} is not complete", folder.display())]
    Incomplete { release: Tag, folder: PathBuf },
    #[error("no complete release in {} was current before", .0.display())]
    NonePrevious(PathBuf),
    #[error("the release {release} in {} is current, and is not complete", folder.display())]
    HalfMadeIsCurrent { release: Tag, folder: PathBuf },
    #[error("the release {release} in {} is current already", folder.display())]
    IsCurrent { release: Tag, folder: PathBuf },
    #[error("the release {release} in {} was current before", folder.display())]
    WasCurrent { release: Tag, folder: PathBuf },
    #[error("the release {release} in {} is there already with other content", folder.display())]
    OtherContent { release: Tag, folder: PathBuf },
    #[error("{} is not the path of a release, DEPLOY_TO/releases/RELEASE", .0.display())]
    NoRelease(PathBuf),
    #[error("another agent is changing the releases in {}", .0.display())]
    Busy(PathBuf),
    #[error("could not {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

impl ReleaseError {
    /// For `map_err`: what was tried, and where.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

impl Blamed for ReleaseError {
    fn blame(&self) -> Blame {
        match self {
            Self::Missing(_) | Self::Io { .. } => Blame::Host,
            _ => Blame::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Path(error) => return error.hint(),
            Self::Upwards(_) => "write the path without ..",
            Self::Root => "choose a folder of the application's own",
            Self::NotDirectory(_) => "move it away, or choose another deploy_to",
            Self::CurrentTaken(_) => "move it away, and deploy again",
            Self::Linked { .. } => "write it relative to shared/, such as config/database.yml",
            Self::Nested { .. } => "name only one of them",
            Self::Missing(_) => "put it there on each host, or take it out of linked_files",
            Self::WrongKind { .. } => "take it out of there, or replace what is in shared/",
            Self::LeadsOut { .. } => "take the link away, or what is linked below it",
            Self::NonePrevious(_) => "murder releases shows what is there; name one with release=",
            Self::Absent { .. } | Self::Incomplete { .. } => "deploy it anew",
            Self::HalfMadeIsCurrent { .. } | Self::OtherContent { .. } => {
                "give the new release another name"
            }
            Self::IsCurrent { release, .. } | Self::WasCurrent { release, .. } => {
                return Some(format!(
                    "give the new release another name; deploy:rollback release={release} switches \
                     all hosts that have this one to it"
                ));
            }
            Self::NoRelease(_) => "leave out as_release, or give such a path",
            Self::Busy(_) => "wait for the other one to end, and try again",
            Self::Io { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
