//! Members of a swarm in this process, each on a loopback address of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use murder_agent::disk::{Archive, Holes, Verify, verify};
use murder_agent::engine::{Engine, Event, Listener, Options, Progress};
use murder_swarm::metainfo::{About, Kind, Metainfo, MetainfoBuilder};
use murder_swarm::torrent::Config;
use murder_swarm::wire::PeerId;
use murder_swarm::{Lengths, PieceSet};
use sha1::{Digest as _, Sha1};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A torrent, its bytes, and the folder in which its members keep them.
pub(crate) struct Swarm {
    pub(crate) bytes: Vec<u8>,
    pub(crate) metainfo: Arc<Metainfo>,
    pub(crate) folder: TempDir,
}

impl Swarm {
    /// A torrent of which no two pieces are alike.
    pub(crate) fn new(len: usize, piece: u32) -> Self {
        let words = (0..len.div_ceil(8) as u64).flat_map(|n| (n * 0x9E37_79B9).to_le_bytes());
        let bytes: Vec<u8> = words.take(len).collect();
        let hash = |piece: &[u8]| <[u8; 20]>::from(Sha1::digest(piece));
        let pieces: Vec<_> = bytes.chunks(piece as usize).map(hash).collect();
        let torrent = Metainfo::build(&MetainfoBuilder {
            name: "v1.tgz",
            lengths: Lengths::new(len as u64, piece).unwrap(),
            pieces: &pieces,
            about: About { kind: Kind::Tree, tree_bytes: 0, entries: 0 },
            nonce: [7; 16],
            announce: None,
            index: None,
        });
        let metainfo = Arc::new(Metainfo::parse(&torrent.unwrap()).unwrap());
        Self { bytes, metainfo, folder: tempfile::tempdir().unwrap() }
    }

    /// A member that has everything.
    pub(crate) fn seeder(&self) -> Host {
        let path = self.folder.path().join("seeder.tgz");
        std::fs::write(&path, &self.bytes).unwrap();
        let lengths = self.metainfo.lengths();
        let archive = Archive::open(&path, lengths).unwrap();
        Host::start(self, archive, PieceSet::full(&lengths))
    }

    /// A member with what its partial file holds, which at first is nothing.
    pub(crate) fn peer(&self, name: &str) -> Host {
        let path = self.partial(name);
        let (archive, _) = Archive::open_partial(&path, self.metainfo.lengths()).unwrap();
        let have = verify(&archive, &self.metainfo, Holes::Missing, &Verify::default()).unwrap();
        Host::start(self, archive, have)
    }

    /// Where a member keeps what it has.
    pub(crate) fn partial(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.tgz.partial"))
    }

    /// Whether a finished file is right.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        std::fs::read(path).unwrap() == self.bytes
    }
}

/// One member.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) path: PathBuf,
}

impl Host {
    fn start(swarm: &Swarm, archive: Archive, have: PieceSet) -> Self {
        let number = MEMBERS.fetch_add(1, Ordering::Relaxed);
        let mut me = *b"-MU0000-............";
        me[16..].copy_from_slice(&number.to_be_bytes());
        let [_, _, high, low] = (number + 1).to_be_bytes();
        let ip = IpAddr::V4(Ipv4Addr::new(127, 91, high, low));
        let path = archive.path().to_owned();
        let (engine, events) = Engine::start(Options {
            metainfo: swarm.metainfo.clone(),
            archive: Arc::new(archive),
            have,
            me: PeerId(me),
            listener: Listener::bind(Some(ip), (0, 0)).unwrap(),
            config: Config::default(),
            seed: number.into(),
        });
        Self { engine, events, path }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.engine.address()
    }

    pub(crate) fn progress(&self) -> Progress {
        self.engine.progress()
    }

    /// Waits until every piece is there.
    pub(crate) async fn complete(&mut self) {
        self.until(|event| matches!(event, Event::Complete)).await;
    }

    /// Waits until the log says something with these words.
    pub(crate) async fn says(&mut self, words: &str) {
        self.until(|event| matches!(event, Event::Note(text) if text.contains(words))).await;
    }

    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) {
        let waiting = async {
            loop {
                let event = self.events.recv().await.expect("the engine runs");
                match event {
                    event if wanted(&event) => return,
                    Event::Failed(error) => panic!("{error}"),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("it comes to pass in time");
    }
}

/// Longer than any test takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

static MEMBERS: AtomicU32 = AtomicU32::new(0);
