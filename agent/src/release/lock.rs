//! Orders that change something take turns, whichever agent's process they come to.

use std::fs::{File, OpenOptions};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::ReleaseError;
use super::layout::Layout;

/// The right to change an application's releases, until it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct ChangeLock {
    _file: File,
}

impl ChangeLock {
    /// Waits for its turn. `deploy_to` has to be there.
    pub(super) fn take(layout: &Layout) -> Result<Self, ReleaseError> {
        Self::take_within(layout, PATIENCE)
    }

    fn take_within(layout: &Layout, patience: Duration) -> Result<Self, ReleaseError> {
        let path = layout.root().join(NAME);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(ReleaseError::io("open", &path))?;
        let deadline = Instant::now() + patience;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => sleep(POLL),
                Err(Errno::WOULDBLOCK) => return Err(ReleaseError::Busy(layout.root().to_owned())),
                Err(error) => return Err(ReleaseError::io("lock", &path)(error.into())),
            }
        }
    }
}

const NAME: &str = ".murder-lock";
/// Longer than a switch takes, shorter than anybody would like to wait for a clear word.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::super::testing::Host;
    use super::*;

    #[test]
    fn two_do_not_change_releases_at_once() {
        let host = Host::new();
        let held = ChangeLock::take(&host.layout()).unwrap();
        let refused = ChangeLock::take_within(&host.layout(), Duration::ZERO).unwrap_err();
        let wanted =
            format!("another agent is changing the releases in {}", host.path("").display());
        assert_eq!(refused.to_string(), wanted.trim_end_matches('/'));
        drop(held);
        ChangeLock::take_within(&host.layout(), Duration::ZERO).unwrap();
    }
}
