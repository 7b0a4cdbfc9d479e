//! The tracker's file, `run/tracker.json`: what a tracker that was killed goes on with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::shared::Shared;
use super::state::{Change, Kept};
use crate::blamed::chain;
use crate::home::Home;
use crate::status::write_private;

/// Where the file is.
pub(super) fn path(home: &Home) -> PathBuf {
    home.run().join("tracker.json")
}

/// What an earlier tracker left. A file that can't be used is put aside, and why is said.
pub(super) fn load(path: &Path) -> (Option<Kept>, Option<String>) {
    match read(path) {
        Ok(kept) => (kept, None),
        Err(error) => {
            let aside = path.with_extension("json.unusable");
            let _ = std::fs::rename(path, &aside);
            let (path, aside) = (path.display(), aside.display());
            let why = format!("{path} is unusable, and now at {aside}: {}", chain(&error));
            (None, Some(why))
        }
    }
}

fn read(path: &Path) -> io::Result<Option<Kept>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let kept: Kept = serde_json::from_slice(&bytes)?;
    kept.of_this_version().map(Some).map_err(io::Error::other)
}

/// Writes the file whenever it lags behind: soon if nobody would say the news again, seldom
/// otherwise.
pub(super) async fn run(shared: Arc<Shared>, path: PathBuf) {
    let mut last = Instant::now();
    let mut broken = false;
    loop {
        shared.unkept.notified().await;
        let mut rest = REST;
        loop {
            let due = match shared.with(|state, _| state.change()) {
                Change::Nothing => break,
                Change::Small => last + rest.max(SELDOM),
                Change::Important => last + rest,
            };
            let now = Instant::now();
            if due > now {
                // News may become important meanwhile.
                sleep((due - now).min(REST)).await;
                continue;
            }
            let written = write(&shared, &path).await;
            let ended = Instant::now();
            // A big file must not keep the tracker from its work.
            rest = REST.max((ended - now) * 5);
            last = ended;
            match written {
                Ok(()) => broken = false,
                Err(error) if !broken => {
                    broken = true;
                    let (path, why) = (path.display(), chain(&error));
                    shared.log.line(format_args!("could not write {path}: {why}"));
                }
                Err(_) => {}
            }
        }
    }
}

/// Writes the file now, and tells the agents whose outcomes are in it.
pub(super) async fn write(shared: &Shared, path: &Path) -> io::Result<()> {
    let turn = Arc::clone(&shared.writing).lock_owned().await;
    let (json, keeping) = shared.with(|state, _| {
        let json = serde_json::to_vec(&state.keep());
        (json, state.keeping())
    });
    let written = match json {
        Ok(json) => {
            let path = path.to_owned();
            let writing = move || {
                let written = write_private(&path, &json);
                drop(turn);
                written
            };
            tokio::task::spawn_blocking(writing)
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))
        }
        Err(error) => Err(error.into()),
    };
    shared.with(|state, _| match &written {
        Ok(()) => state.kept(keeping),
        Err(_) => state.not_kept(keeping),
    });
    written
}

/// Between two writes of important news; a fleet's outcomes come by the hundred.
const REST: Duration = Duration::from_millis(100);

/// Between two writes of what agents would say again.
const SELDOM: Duration = Duration::from_secs(5);
