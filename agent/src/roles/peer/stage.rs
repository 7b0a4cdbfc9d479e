//! The work of a peer that blocks: hashing what is there, and putting the tree in place.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use murder_protocol::Failure;
use murder_swarm::metainfo::{About, Metainfo};
use murder_swarm::{PieceIndex, PieceSet};
use tokio::task::JoinHandle;

use super::prepare::Source;
use crate::archive::{Arrivals, Limits, Members, Reading, UnpackError, UnpackRequest, unpack};
use crate::blamed::Blamed as _;
use crate::disk::{Archive, DiskError, Found, Holes, Verify, verify};
use crate::home::ArchiveFiles;
use crate::place::{Placed, Placement, Staging};
use crate::release::Arrival;

/// What a peer is at.
#[derive(Debug)]
pub(super) enum Stage {
    /// It hashes what is on disk.
    Verifying(JoinHandle<Result<Verified, Failure>>),
    /// The engine fetches what is missing, and what is there is unpacked meanwhile.
    Downloading,
    /// Every piece is there, and the rest is unpacked.
    Extracting,
    /// It has its outcome.
    Over,
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
    pub(super) names: ArchiveFiles,
    pub(super) metainfo: Arc<Metainfo>,
    pub(super) about: About,
    pub(super) placement: Placement,
    pub(super) keep_owner: bool,
    /// If it is a release.
    pub(super) arrival: Option<Arrival>,
}

/// A tree that is in its place.
#[derive(Debug)]
pub(super) struct InPlace {
    pub(super) placed: Placed,
    pub(super) reading: Reading,
}

/// The tree on its way to its place, while the archive arrives.
#[derive(Debug)]
pub(super) struct Placing {
    arrivals: Arc<Arrivals>,
    fate: Arc<Fate>,
    task: JoinHandle<Result<InPlace, Failure>>,
}

impl Stage {
    /// Starts to hash what is there.
    pub(super) fn verify(
        source: Source,
        names: ArchiveFiles,
        metainfo: Arc<Metainfo>,
        control: Arc<Verify>,
    ) -> Self {
        let work = move || verify_source(source, &names, &metainfo, &control);
        Self::Verifying(tokio::task::spawn_blocking(work))
    }

    /// Waits for the end of the stage, if it ends by itself.
    pub(super) async fn verified(&mut self) -> Result<Verified, Failure> {
        match self {
            Self::Verifying(task) => finished(task.await),
            _ => std::future::pending().await,
        }
    }
}

impl Placing {
    /// Starts to unpack the pieces that are there, and those that come.
    pub(super) fn start(place: Place, have: PieceSet) -> Self {
        let arrivals = Arc::new(Arrivals::new(place.archive.lengths(), have));
        let fate = Arc::<Fate>::default();
        let task = tokio::task::spawn_blocking({
            let (arrivals, fate) = (Arc::clone(&arrivals), Arc::clone(&fate));
            move || place.run(&arrivals, &fate)
        });
        Self { arrivals, fate, task }
    }

    /// The piece is verified and in the file.
    pub(super) fn arrived(&self, piece: PieceIndex) {
        self.arrivals.arrived(piece);
    }

    /// Sees to it that nothing appears at the destination, unless it does in this moment. What is
    /// beside it is removed before [`Placing::end`] returns.
    pub(super) fn stop(&self) -> Fated {
        let fated = self.fate.decide(Fated::Stopped);
        if fated == Fated::Stopped {
            self.arrivals.stop();
        }
        fated
    }

    /// Waits for the tree to be in place, or for what speaks against it.
    pub(super) async fn end(&mut self) -> Result<InPlace, Failure> {
        finished((&mut self.task).await)
    }
}

/// What becomes of a tree, decided once.
#[derive(Debug, Default)]
struct Fate(Mutex<Option<Fated>>);

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fated {
    /// It appears at its destination.
    Appears,
    /// It never does.
    Stopped,
}

impl Fate {
    /// Decides, unless it is decided; says what holds.
    fn decide(&self, wish: Fated) -> Fated {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(wish)
    }
}

fn verify_source(
    source: Source,
    names: &ArchiveFiles,
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
    /// Unpacks, syncs the archive as soon as it is whole, and commits the tree when both are done.
    fn run(self, arrivals: &Arrivals, fate: &Fate) -> Result<InPlace, Failure> {
        let (staging, reading) = std::thread::scope(|scope| {
            let syncing = scope.spawn(|| self.sync(arrivals));
            let unpacked = self.unpack(arrivals);
            if unpacked.is_err() {
                arrivals.stop();
            }
            let synced = syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let unpacked = unpacked?;
            synced.map_err(|error| error.failure())?;
            Ok(unpacked)
        })?;
        if fate.decide(Fated::Appears) == Fated::Stopped {
            return Err(UnpackError::Stopped.failure());
        }
        if self.named == Named::Partial {
            self.archive.rename(&self.names.archive).map_err(|error| error.failure())?;
        }
        let placed = self.placement.commit(staging).map_err(|error| error.failure())?;
        Ok(InPlace { placed, reading })
    }

    /// Has each piece written as it comes, so that little is left when all are there.
    fn sync(&self, arrivals: &Arrivals) -> Result<(), DiskError> {
        while let Some(piece) = arrivals.next_piece() {
            self.archive.start_sync(piece);
        }
        if arrivals.are_all_here() { self.archive.sync() } else { Ok(()) }
    }

    fn unpack(&self, arrivals: &Arrivals) -> Result<(Staging, Reading), Failure> {
        let staging = self.placement.stage().map_err(|error| error.failure())?;
        let total = self.archive.lengths().total();
        let members = self.metainfo.index().and_then(|index| Members::decode(index, total));
        let request = UnpackRequest {
            archive: self.archive.file(),
            arrivals,
            members: members.as_ref(),
            staging: staging.path(),
            limits: Limits {
                tree_bytes: self.about.tree_bytes,
                entries: self.about.entries,
                keep_owner: self.keep_owner,
            },
        };
        let unpacked = unpack(&request).map_err(|error| error.failure())?;
        if let Some(arrival) = &self.arrival {
            arrival.note(staging.path())?;
        }
        Ok((staging, unpacked.reading))
    }
}

/// A panic on a thread of ours has written its outcome and ended the process already.
fn finished<T>(joined: Result<T, tokio::task::JoinError>) -> T {
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_tree_is_decided_once() {
        for (first, second) in [(Fated::Appears, Fated::Stopped), (Fated::Stopped, Fated::Appears)]
        {
            let fate = Fate::default();
            assert_eq!(fate.decide(first), first);
            assert_eq!(fate.decide(second), first);
        }
    }
}
