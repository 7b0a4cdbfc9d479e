//! From errors to the [`Failure`] that crosses to the workstation.

use std::error::Error;
use std::io::ErrorKind;

use murder_protocol::{Blame, Failure};

/// An error that knows whose fault it is.
pub trait Blamed: Error {
    /// Whose fault it is.
    fn blame(&self) -> Blame;

    /// What the operator can do, as an imperative sentence without its full stop.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The error as it crosses to the workstation, with its whole chain of causes.
    fn failure(&self) -> Failure
    where
        Self: Sized + 'static,
    {
        let hint = self.hint().or_else(|| io_hint(self));
        Failure { blame: self.blame(), message: chain(self), hint }
    }
}

/// The error and its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

fn io_hint(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return hint_for(io.kind()).map(str::to_owned);
        }
        cause = error.source();
    }
    None
}

fn hint_for(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::StorageFull => Some("free some space or inodes there"),
        ErrorKind::QuotaExceeded => Some("raise the user's disk quota there"),
        ErrorKind::ReadOnlyFilesystem => Some("choose a path on a writable file system"),
        ErrorKind::PermissionDenied => {
            Some("give the user that SSH logs in the right to it, or log in as another one")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not write {path}")]
    struct Outer {
        path: &'static str,
        source: std::io::Error,
    }

    impl Blamed for Outer {
        fn blame(&self) -> Blame {
            Blame::Host
        }
    }

    #[test]
    fn a_failure_has_the_whole_chain_once_and_a_hint_from_its_cause() {
        let source = std::io::Error::from_raw_os_error(28);
        let failure = Outer { path: "/srv/x", source }.failure();
        assert_eq!(
            failure.to_string(),
            "could not write /srv/x: No space left on device (os error 28) (free some space or \
             inodes there)"
        );
    }
}
