//! The work of a peer that blocks: hashing what is there, and putting the tree in place.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use murder_protocol::Failure;
use murder_swarm::PieceSet;
use murder_swarm::metainfo::{About, Metainfo};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::prepare::{Names, Source};
use crate::archive::{Limits, unpack};
use crate::blamed::Blamed as _;
use crate::disk::{Archive, Found, Holes, Verify, verify};
use crate::place::{Placed, Placement, Staging};

/// What a peer is at.
#[derive(Debug)]
pub(super) enum Stage {
    /// It hashes what is on disk.
    Verifying(JoinHandle<Result<Verified, Failure>>),
    /// The engine fetches what is missing.
    Downloading,
    /// It unpacks and commits.
    Placing(JoinHandle<Result<Placed, Failure>>),
    /// It has its outcome.
    Over,
}

/// What one stage handed to the next.
#[derive(Debug)]
pub(super) enum Done {
    Verified(Result<Verified, Failure>),
    Placed(Result<Placed, Failure>),
}

/// The archive as far as it is there.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) archive: Arc<Archive>,
    pub(super) have: PieceSet,
    pub(super) named: Named,
}

/// Which of its two names the archive's file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Finally,
    Partial,
}

/// What putting in place needs to know.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) archive: Arc<Archive>,
    pub(super) named: Named,
    pub(super) names: Names,
    pub(super) about: About,
    pub(super) placement: Placement,
    pub(super) keep_owner: bool,
    pub(super) control: Arc<Verify>,
    pub(super) abandoned: Arc<Notify>,
}

impl Stage {
    /// Waits for the end of the stage, if it ends by itself.
    pub(super) async fn done(&mut self) -> Done {
        match self {
            Self::Verifying(task) => Done::Verified(finished(task.await)),
            Self::Placing(task) => Done::Placed(finished(task.await)),
            Self::Downloading | Self::Over => std::future::pending().await,
        }
    }

    /// Starts to hash what is there.
    pub(super) fn verify(
        source: Source,
        names: Names,
        metainfo: Arc<Metainfo>,
        control: Arc<Verify>,
    ) -> Self {
        let work = move || verify_source(source, &names, &metainfo, &control);
        Self::Verifying(tokio::task::spawn_blocking(work))
    }

    /// Starts to put the tree in place.
    pub(super) fn place(place: Place) -> Self {
        Self::Placing(tokio::task::spawn_blocking(move || place.run()))
    }
}

fn verify_source(
    source: Source,
    names: &Names,
    metainfo: &Metainfo,
    control: &Verify,
) -> Result<Verified, Failure> {
    let source = match source {
        Source::Finished(archive) => {
            let have = check(&archive, metainfo, Holes::Read, control)?;
            if have.is_full() || control.stop.load(Ordering::Relaxed) {
                let archive = Arc::new(archive);
                return Ok(Verified { archive, have, named: Named::Finally });
            }
            // It looked like ours and is damaged. It is replaced when the new one is whole.
            control.good.store(0, Ordering::Relaxed);
            Source::open_partial(names, metainfo.lengths())?
        }
        partial @ Source::Partial(..) => partial,
    };
    let (archive, have) = match source {
        Source::Partial(archive, Found::Something) => {
            let have = check(&archive, metainfo, Holes::Missing, control)?;
            (archive, have)
        }
        Source::Partial(archive, Found::Nothing) | Source::Finished(archive) => {
            (archive, PieceSet::empty(&metainfo.lengths()))
        }
    };
    Ok(Verified { archive: Arc::new(archive), have, named: Named::Partial })
}

fn check(
    archive: &Archive,
    metainfo: &Metainfo,
    holes: Holes,
    control: &Verify,
) -> Result<PieceSet, Failure> {
    verify(archive, metainfo, holes, control).map_err(|error| error.failure())
}

impl Place {
    /// Syncs the archive while it is unpacked, and commits the tree when both are done.
    fn run(self) -> Result<Placed, Failure> {
        let source = match self.named {
            Named::Finally => &self.names.archive,
            Named::Partial => &self.names.partial,
        };
        let staging = std::thread::scope(|scope| {
            let syncing = scope.spawn(|| self.archive.sync());
            let staging = self.unpack(source)?;
            match syncing.join() {
                Ok(synced) => synced.map_err(|error| error.failure())?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
            Ok(staging)
        })?;
        if self.named == Named::Partial {
            self.archive.rename(&self.names.archive).map_err(|error| error.failure())?;
        }
        self.placement.commit(staging).map_err(|error| error.failure())
    }

    fn unpack(&self, source: &Path) -> Result<Staging, Failure> {
        let staging = self.placement.stage().map_err(|error| error.failure())?;
        let path = staging.path().to_owned();
        let limits = Limits {
            tree_bytes: self.about.tree_bytes,
            entries: self.about.entries,
            keep_owner: self.keep_owner,
        };
        let mut staging = Some(staging);
        let mut progress = |_| self.give_up_if_told(&mut staging);
        unpack(source, &path, limits, &mut progress).map_err(|error| error.failure())?;
        Ok(staging.expect("whoever takes the staging folder does not come back"))
    }

    /// Once the peer is told to stop, nothing may appear at the destination any more and nothing
    /// be left beside it. This thread has made what is there, so it removes it, and then waits
    /// for the end of the process, which follows at once.
    fn give_up_if_told(&self, staging: &mut Option<Staging>) {
        if self.control.stop.load(Ordering::Relaxed) {
            *staging = None;
            self.abandoned.notify_one();
            loop {
                std::thread::park();
            }
        }
    }
}

/// A panic on a thread of ours has written its outcome and ended the process already.
fn finished<T>(joined: Result<T, tokio::task::JoinError>) -> T {
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
