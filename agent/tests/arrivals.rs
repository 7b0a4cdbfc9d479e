//! Archives that are unpacked while their pieces arrive, and indexes that do not fit them.

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use murder_agent::archive::{
    Arrivals, Exclude, Level, Limits, Members, PackRequest, Reading, UnpackError, UnpackRequest,
    pack, unpack,
};
use murder_agent::blamed::chain;
use murder_agent::place::remove_tree;
use murder_swarm::metainfo::Kind;
use murder_swarm::{Lengths, PieceIndex, PieceSet};
use support::{describe, nasty_tree, write};

/// A packed tree.
struct Bench {
    dir: tempfile::TempDir,
    lengths: Lengths,
    index: Vec<u8>,
    limits: Limits,
}

impl Bench {
    fn new(level: Level, fill: impl Fn(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::create_dir(&source).unwrap();
        fill(&source);
        let exclude = Exclude::parse(&[]).unwrap();
        let archive = dir.path().join("v1.tgz");
        let packed = pack(
            &PackRequest { source, kind: Kind::Tree, exclude, level },
            &archive,
            &mut |_, _| (),
        )
        .unwrap();
        let limits = Limits {
            tree_bytes: packed.about.tree_bytes,
            entries: packed.about.entries,
            keep_owner: false,
        };
        // Smaller pieces than the torrent's, so that there are many.
        let lengths = Lengths::new(packed.lengths.total(), 10_000).unwrap();
        let index = packed.members.encode();
        packed.publish().unwrap();
        Self { dir, lengths, index, limits }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn members(&self) -> Members {
        Members::decode(&self.index, self.lengths.total()).unwrap()
    }

    fn unpack(
        &self,
        arrivals: &Arrivals,
        members: Option<&Members>,
    ) -> Result<Reading, UnpackError> {
        let archive = File::open(self.path("v1.tgz")).unwrap();
        let staging = self.path("staging");
        remove_tree(&staging).unwrap();
        fs::create_dir(&staging).unwrap();
        let (archive, staging, limits) = (&archive, staging.as_path(), self.limits);
        let request = UnpackRequest { archive, arrivals, members, staging, limits };
        unpack(&request).map(|unpacked| unpacked.reading)
    }

    /// Unpacks with an index that does not fit, and compares.
    fn comes_out_whole(&self, members: &Members) {
        let arrivals = Arrivals::new(self.lengths, PieceSet::full(&self.lengths));
        assert_eq!(self.unpack(&arrivals, Some(members)).unwrap(), Reading::InOrder);
        assert_eq!(describe(&self.path("staging")), describe(&self.path("source")));
    }

    fn changed(&self, number: usize, how: impl Fn(u32) -> u32) -> Members {
        let mut index = self.index.clone();
        change(&mut index, number, how);
        Members::decode(&index, self.lengths.total()).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A tree with read-only folders takes more than tempfile does.
        let _ = remove_tree(self.dir.path());
    }
}

/// Files that end within members, at their ends and many members later.
fn long_files(root: &Path) {
    let bytes: Vec<u8> =
        (0..1_500_000_u32).flat_map(|n| (n.wrapping_mul(n) >> 5).to_le_bytes()).collect();
    for (number, size) in [5_000_000, 10, 1_048_064, 1_047_552, 3_000_000, 2_097_152, 100_000, 0, 5]
        .iter()
        .enumerate()
    {
        write(&root.join(format!("file-{number}")), &bytes[number..number + size]);
    }
}

#[test]
fn pieces_may_arrive_in_any_order() {
    for (level, fill) in [
        (Level::default(), nasty_tree as fn(&Path)),
        (Level::Deflate(1), long_files),
        (Level::Store, long_files),
        (Level::Zstd(4), nasty_tree),
        (Level::Zstd(1), long_files),
    ] {
        let bench = Bench::new(level, fill);
        let members = bench.members();
        for (seed, members) in [(1, Some(&members)), (2, Some(&members)), (3, None)] {
            let mut pieces: Vec<PieceIndex> = bench.lengths.iter().collect();
            shuffle(&mut pieces, seed);
            let mut have = PieceSet::empty(&bench.lengths);
            pieces.drain(..pieces.len() / 3).for_each(|piece| assert!(have.insert(piece)));
            let arrivals = Arrivals::new(bench.lengths, have);
            std::thread::scope(|scope| {
                scope.spawn(|| pieces.iter().for_each(|piece| arrivals.arrived(*piece)));
                let reading = bench.unpack(&arrivals, members).unwrap();
                let by_index = matches!(reading, Reading::ByIndex);
                assert_eq!(by_index, members.is_some());
            });
            assert_eq!(describe(&bench.path("staging")), describe(&bench.path("source")));
        }
    }
}

fn shuffle(pieces: &mut [PieceIndex], mut seed: u64) {
    pieces.sort_by_cached_key(|_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed >> 32
    });
}

#[test]
fn what_is_there_is_unpacked_before_the_rest_arrives() {
    let bench = Bench::new(Level::default(), long_files);
    let arrivals = Arrivals::new(bench.lengths, PieceSet::empty(&bench.lengths));
    let (first, last) = (bench.lengths.piece(0).unwrap(), bench.path("staging/file-8"));
    std::thread::scope(|scope| {
        let unpacking = scope.spawn(|| bench.unpack(&arrivals, Some(&bench.members())));
        for piece in bench.lengths.iter().filter(|piece| *piece != first) {
            arrivals.arrived(piece);
        }
        while fs::read(&last).map_or(0, |bytes| bytes.len()) < 5 {
            assert!(!unpacking.is_finished());
            std::thread::yield_now();
        }
        assert!(!bench.path("staging/file-0").exists());
        arrivals.arrived(first);
        unpacking.join().unwrap().unwrap();
    });
    assert_eq!(describe(&bench.path("staging")), describe(&bench.path("source")));
}

#[test]
fn unpacking_can_be_stopped_while_it_waits() {
    let bench = Bench::new(Level::default(), long_files);
    for members in [Some(bench.members()), None] {
        let arrivals = Arrivals::new(bench.lengths, PieceSet::empty(&bench.lengths));
        std::thread::scope(|scope| {
            let unpacking = scope.spawn(|| bench.unpack(&arrivals, members.as_ref()));
            arrivals.arrived(bench.lengths.piece(0).unwrap());
            arrivals.stop();
            assert!(matches!(unpacking.join().unwrap(), Err(UnpackError::Stopped)));
        });
    }
}

#[test]
fn an_index_that_does_not_fit_does_no_harm() {
    for level in [Level::default(), Level::Zstd(4)] {
        an_index_does_no_harm(&Bench::new(level, long_files));
    }
}

fn an_index_does_no_harm(bench: &Bench) {
    let content = 1 << 31;
    for wrong in [
        shifted(bench),
        // Members that begin otherwise than it says.
        bench.changed(2, |number| number ^ content),
        bench.changed(7, |number| number ^ content),
        // Members that would be longer, so that what goes on does so elsewhere.
        bench.changed(0, |length| length + 512),
        bench.changed(0, |length| length - 512),
    ] {
        assert_ne!(wrong, bench.members());
        bench.comes_out_whole(&wrong);
    }
}

/// The border between the first two members is a byte later.
fn shifted(bench: &Bench) -> Members {
    let mut index = bench.index.clone();
    change(&mut index, 1, |packed| packed + 1);
    change(&mut index, 2, |packed| packed - 1);
    Members::decode(&index, bench.lengths.total()).unwrap()
}

/// Changes a number of an index, of which the first is the members' length.
fn change(index: &mut [u8], number: usize, change: impl Fn(u32) -> u32) {
    let number: &mut [u8; 4] = index[4 * number..].first_chunk_mut().unwrap();
    *number = change(u32::from_be_bytes(*number)).to_be_bytes();
}

#[test]
fn an_index_can_not_lead_into_what_a_file_holds() {
    // A member of an archive within a file, which no compression changes.
    let inner = Bench::new(Level::Store, |root| write(&root.join("evil"), b"evil"));
    let inner = fs::read(inner.path("v1.tgz")).unwrap();
    let bench = Bench::new(Level::Store, |root| write(&root.join("file"), &inner));
    let archive = fs::read(bench.path("v1.tgz")).unwrap();
    let at = archive.windows(inner.len()).position(|part| part == inner).unwrap();
    let ends = [at, inner.len(), archive.len() - at - inner.len()];
    let numbers = ends.map(|packed| u32::try_from(packed).unwrap().to_be_bytes());
    let index = [&(1_u32 << 20).to_be_bytes(), numbers.as_flattened()].concat();
    bench.comes_out_whole(&Members::decode(&index, bench.lengths.total()).unwrap());
}

#[test]
fn what_a_torrent_did_not_promise_is_refused_with_an_index_too() {
    let mut bench = Bench::new(Level::default(), nasty_tree);
    let (members, promised) = (bench.members(), bench.limits);
    let refused = |bench: &Bench| {
        let arrivals = Arrivals::new(bench.lengths, PieceSet::full(&bench.lengths));
        chain(&bench.unpack(&arrivals, Some(&members)).unwrap_err())
    };
    bench.limits.tree_bytes -= 1;
    assert!(refused(&bench).starts_with("the archive has more in it than the "));
    bench.limits = Limits { entries: promised.entries - 1, ..promised };
    assert!(refused(&bench).starts_with("the archive has more in it than the "));
    bench.limits = Limits { entries: promised.entries + 1, ..promised };
    assert!(refused(&bench).starts_with("the archive has "));
}
