//! A tracker and a seeder with a tree, ready for runs.

use std::net::SocketAddr;
use std::path::PathBuf;

use murder_agent::archive::{Exclude, Level, PackRequest, pack};
use murder_agent::home::ArchiveFiles;
use murder_protocol::verbs::{
    Destination, PeerReply, PeerStart, RegisterReply, Role, RunOpen, RunReply, SeedReply,
    SeedStart, TorrentRegister, TrackerStart,
};
use murder_protocol::{Bytes, Failure, Format, Tag};
use murder_swarm::metainfo::{Kind, Metainfo, MetainfoBuilder};

use crate::host::Host;

/// One tracker host and one seeder host.
pub(crate) struct Fleet {
    pub(crate) tracker: Host,
    pub(crate) seeder: Host,
    pub(crate) tag: Tag,
    pub(crate) format: Format,
    pub(crate) torrent: Bytes,
    pub(crate) registered: RegisterReply,
}

impl Fleet {
    /// A fleet whose tree has files of so many bytes altogether. Nothing is seeded yet.
    pub(crate) fn new(bytes: usize) -> Self {
        Self::packed(bytes, Level::default())
    }

    /// The same with its archive packed so.
    pub(crate) fn packed(bytes: usize, level: Level) -> Self {
        let (tracker, seeder) = (Host::new("tracker"), Host::new("seeder"));
        let tag: Tag = "v1".parse().unwrap();
        let format = if matches!(level, Level::Zstd(_)) { Format::TarZst } else { Format::Tgz };
        let torrent = make(&seeder, &format.name(&tag), bytes, level);
        let start = TrackerStart { port: 8998, announce_ip: Some(tracker.ip) };
        tracker.call(&start).unwrap();
        let register = TorrentRegister { tag: tag.clone(), torrent: torrent.clone() };
        let registered = tracker.call(&register).unwrap();
        Self { tracker, seeder, tag, format, torrent, registered }
    }

    pub(crate) fn trackers(&self) -> &[SocketAddr] {
        &self.registered.trackers
    }

    pub(crate) fn seed(&self) -> Result<SeedReply, Failure> {
        self.seeder.call(&SeedStart {
            tag: self.tag.clone(),
            temp_path: None,
            reach: self.seeder.reach(self.trackers()),
            key: self.registered.key.clone(),
        })
    }

    pub(crate) fn open(&self, hosts: &[&Host]) -> RunReply {
        let hosts = hosts.iter().map(|host| host.name.clone()).collect();
        let open = RunOpen { tag: self.tag.clone(), hosts, timeout_seconds: 60 };
        self.tracker.call(&open).unwrap()
    }

    /// A run whose seeder goes before anybody has met it.
    pub(crate) fn open_without_seeder(&self, hosts: &[&Host]) -> RunReply {
        self.seed().unwrap();
        let run = self.open(hosts);
        self.seeder.stop(Role::Seeder, Some(&self.tag));
        run
    }

    /// What the workstation would hand this host.
    pub(crate) fn job(&self, run: &RunReply, host: &Host) -> PeerStart {
        PeerStart {
            run: run.run.clone(),
            key: run.key.clone(),
            tag: self.tag.clone(),
            torrent: run.torrent.clone(),
            reach: host.reach(&run.trackers),
            destination: Destination {
                path: host.path("out/v1").to_str().unwrap().to_owned(),
                unsafe_please_delete: false,
                keep_owner: false,
                as_release: false,
            },
            temp_path: None,
            seed_seconds: 60,
            lease_seconds: 30,
            timeout_seconds: 60,
        }
    }

    pub(crate) fn start(&self, run: &RunReply, host: &Host) -> Result<PeerReply, Failure> {
        host.call(&self.job(run, host))
    }

    /// Where a host has the archive.
    pub(crate) fn archive_of(&self, host: &Host) -> ArchiveFiles {
        host.home().files(&self.tag, self.format, None).unwrap()
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.seeder.path("files")
    }
}

fn make(seeder: &Host, name: &str, bytes: usize, level: Level) -> Bytes {
    let files = seeder.path("files");
    std::fs::create_dir_all(files.join("sub/empty")).unwrap();
    std::fs::write(files.join("small.txt"), "hello").unwrap();
    // Incompressible, so that the archive is about as long.
    let mut noise = vec![0; bytes];
    getrandom::fill(&mut noise).unwrap();
    std::fs::write(files.join("sub/noise"), noise).unwrap();
    let request = PackRequest {
        source: files,
        kind: Kind::Tree,
        level,
        exclude: Exclude::parse(&[]).unwrap(),
    };
    let archive = seeder.home().spool().join(name);
    let packed = pack(&request, &archive, &mut |_, _| {}).unwrap();
    let torrent = Metainfo::build(&MetainfoBuilder {
        name,
        lengths: packed.lengths,
        pieces: &packed.pieces,
        about: packed.about,
        nonce: [7; 16],
        announce: None,
        index: Some(packed.members.encode()),
    });
    let torrent = torrent.unwrap();
    packed.publish().unwrap();
    std::fs::write(seeder.home().spool().join(format!("{name}.torrent")), &torrent).unwrap();
    Bytes(torrent)
}
