//! What is checked before a peer says that it has the job.

use std::sync::Arc;

use murder_protocol::verbs::{PeerStart, Role};
use murder_protocol::{Blame, Failure, Format};
use murder_swarm::Lengths;
use murder_swarm::metainfo::{About, Metainfo};
use murder_swarm::wire::PeerId;

use super::super::job::JobFile;
use super::super::post::{EndSignals, Post, chance, parse_torrent};
use super::PeerJob;
use crate::blamed::Blamed as _;
use crate::disk::{self, Archive, Found};
use crate::engine::Listener;
use crate::home::ArchiveFiles;
use crate::place::Placement;
use crate::release::Arrival;

/// A request that can be met as far as one can tell, with what was opened to tell it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) metainfo: Arc<Metainfo>,
    pub(super) about: About,
    pub(super) placement: Placement,
    pub(super) arrival: Option<Arrival>,
    pub(super) source: Source,
    pub(super) names: ArchiveFiles,
    pub(super) listener: Listener,
    pub(super) me: PeerId,
    pub(super) seed: u64,
    pub(super) signals: EndSignals,
}

/// What is on disk already.
#[derive(Debug)]
pub(super) enum Source {
    /// An archive that looks like the torrent's: the seeder's own, or one from before.
    Finished(Archive),
    /// A partial file, new or from before.
    Partial(Archive, Found),
}

impl Prepared {
    /// Checks torrent, spool, destination and port, in this order, and changes nothing but
    /// the partial file.
    pub(super) fn check(request: &PeerStart, post: &Post) -> Result<Self, Failure> {
        let PeerStart { tag, temp_path, reach, destination, .. } = request;
        let metainfo = parse_torrent(&request.torrent.0, "what the tracker keeps", tag)
            .map_err(|error| error.failure())?;
        let about = *metainfo.about().ok_or_else(|| {
            Failure::new(Blame::Operator, "the torrent does not say what is in its archive")
                .hint("make it with create_torrent")
        })?;
        let arrival = Arrival::at(destination, metainfo.content())?;
        let temp = temp_path.as_deref();
        let names = post.home.files(tag, Format::of(metainfo.name()), temp);
        let names = names.map_err(|error| error.failure())?;
        let source = Source::open(&names, &metainfo)?;
        // After the archive has its room, so that the tree is measured against what is left.
        let placement = Placement::check(&post.home, destination, &about).map_err(|error| {
            source.discard_new();
            error.failure()
        })?;
        let listener =
            Listener::bind(reach.announce_ip, reach.peer_ports).map_err(|error| error.failure())?;
        let signals = EndSignals::catch().map_err(|error| {
            Failure::new(Blame::Host, format!("could not catch signals: {error}"))
        })?;
        let job = PeerJob { info_hash: metainfo.info_hash().to_string(), destination };
        JobFile::new(&post.home, Role::Peer, tag).write(&job).map_err(|error| {
            Failure::new(Blame::Host, format!("could not note what the peer does: {error}"))
        })?;
        Ok(Self {
            metainfo: Arc::new(metainfo),
            about,
            placement,
            arrival,
            source,
            names,
            listener,
            me: PeerId::ours(chance()?),
            seed: u64::from_ne_bytes(chance()?),
            signals,
        })
    }
}

impl Source {
    fn open(names: &ArchiveFiles, metainfo: &Metainfo) -> Result<Self, Failure> {
        match Archive::open(&names.archive, metainfo.lengths()) {
            Ok(archive) if disk::sample(&archive, metainfo).is_ok() => Ok(Self::Finished(archive)),
            // Another archive of the same tag, or none.
            _ => Self::open_partial(names, metainfo.lengths()),
        }
    }

    /// Opens or makes the partial file with the archive's whole length.
    pub(super) fn open_partial(names: &ArchiveFiles, lengths: Lengths) -> Result<Self, Failure> {
        let (archive, found) =
            Archive::open_partial(&names.partial, lengths).map_err(|error| error.failure())?;
        Ok(Self::Partial(archive, found))
    }

    /// Leaves nothing behind of a request that is refused.
    fn discard_new(&self) {
        if let Self::Partial(archive, Found::Nothing) = self {
            let _ = std::fs::remove_file(archive.path());
        }
    }
}
