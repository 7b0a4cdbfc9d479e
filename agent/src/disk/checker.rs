//! The threads that hash blocks and write them.
//!
//! A block is hashed and written as soon as it is here, or a few short ones together, while they are
//! in a cache, so no piece is ever in memory as a whole. Until its hash is known to be right, a piece in the file is
//! worthless, which is what a crash makes of it as well.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::JoinHandle;

use murder_swarm::metainfo::Metainfo;
use murder_swarm::{Block, PieceIndex};
use sha1::{Digest as _, Sha1};

use super::queue::{Queue, Taken, When};
use super::verify::hash_on;
use super::{Archive, DiskError};

/// How a check went.
#[derive(Debug)]
pub enum Verdict {
    /// The hash of the piece is right, and the piece is in the file.
    Good(PieceIndex),
    /// The hash of the piece is wrong.
    Bad(PieceIndex),
    /// The file can't be written or read.
    Failed(DiskError),
}

/// A few threads that work on as many pieces at once. Dropping it ends them after the jobs they
/// have.
///
/// `B` is the memory of a block. It is dropped as soon as the block is in the file.
#[derive(Debug)]
pub struct Checker<B> {
    queue: Arc<Queue<Job<B>, Prefix>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
enum Job<B> {
    Write { begin: u32, bytes: B },
    Check,
}

/// What each thread works with.
struct Worker<B, F> {
    queue: Arc<Queue<Job<B>, Prefix>>,
    archive: Arc<Archive>,
    metainfo: Arc<Metainfo>,
    say: F,
    /// For what has to be read again.
    buffer: Vec<u8>,
}

/// The beginning of a piece, which is hashed already: the file has exactly these bytes.
#[derive(Debug, Default)]
struct Prefix {
    hasher: Sha1,
    reach: u32,
}

impl<B: AsRef<[u8]> + Send + 'static> Checker<B> {
    /// Starts the threads; they `say` how each check went, and what failed.
    pub fn start(
        archive: &Arc<Archive>,
        metainfo: &Arc<Metainfo>,
        say: impl Fn(Verdict) + Clone + Send + 'static,
    ) -> Self {
        let queue = Arc::new(Queue::new());
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS);
        let threads = (0..threads)
            .map(|_| {
                let worker = Worker {
                    queue: queue.clone(),
                    archive: archive.clone(),
                    metainfo: metainfo.clone(),
                    say: say.clone(),
                    buffer: Vec::new(),
                };
                std::thread::Builder::new()
                    .name("disk".to_owned())
                    .spawn(|| worker.run())
                    .expect("a process of ours may have a few threads")
            })
            .collect();
        Self { queue, threads }
    }

    /// Has a block written. Of bytes that come twice the later ones count.
    pub fn write(&self, block: Block, bytes: B) {
        let when = if block.len < SHORT { When::Together } else { When::Now };
        self.queue.push(block.piece, Job::Write { begin: block.begin, bytes }, when);
    }

    /// Has a piece checked whose blocks have all come.
    pub fn check(&self, piece: PieceIndex) {
        self.queue.push(piece, Job::Check, When::Now);
    }
}

impl<B> Drop for Checker<B> {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on its own.
            let _ = thread.join();
        }
    }
}

impl<B: AsRef<[u8]>, F: Fn(Verdict)> Worker<B, F> {
    fn run(mut self) {
        while let Some(Taken { piece, jobs, state }) = self.queue.take() {
            let mut prefix = Some(state);
            for job in jobs {
                let hashed = prefix.take().unwrap_or_default();
                prefix = match job {
                    Job::Write { begin, bytes } => {
                        self.write(piece, hashed, begin, bytes.as_ref()).map(Some)
                    }
                    Job::Check => self.check(piece, hashed).map(|()| None),
                }
                .unwrap_or_else(|error| {
                    (self.say)(Verdict::Failed(error));
                    None
                });
            }
            self.queue.put_back(piece, prefix);
        }
    }

    fn write(
        &self,
        piece: PieceIndex,
        mut prefix: Prefix,
        begin: u32,
        bytes: &[u8],
    ) -> Result<Prefix, DiskError> {
        prefix.add(begin, bytes);
        let offset = self.archive.lengths().offset(piece) + u64::from(begin);
        self.archive.write(offset, bytes)?;
        Ok(prefix)
    }

    /// Blocks that came out of order are read again; they are in the page cache.
    fn check(&mut self, piece: PieceIndex, prefix: Prefix) -> Result<(), DiskError> {
        let Prefix { hasher, reach } = prefix;
        let found = hash_on(hasher, &self.archive, piece, reach, &mut self.buffer)?;
        let right = found == self.metainfo.piece_hash(piece);
        (self.say)(if right { Verdict::Good(piece) } else { Verdict::Bad(piece) });
        Ok(())
    }
}

impl Prefix {
    fn add(&mut self, begin: u32, bytes: &[u8]) {
        if begin < self.reach {
            // The file is about to have other bytes than those.
            *self = Self::default();
        }
        if begin == self.reach {
            self.hasher.update(bytes);
            self.reach += u32::try_from(bytes.len()).expect("a block's length has 32 bits");
        }
    }
}

/// One core hashes and writes about 1 GB/s, so two keep up with 10 Gbit/s.
const THREADS: usize = 2;

/// Less than this is not worth waking a thread for.
const SHORT: u32 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::engine::testing::{Sample, folder};

    const PIECE: u32 = 16_384;

    /// Writes these parts of piece 0 in this order, the wrong ones with other bytes, checks it,
    /// and returns whether it was right.
    fn is_good(parts: &[(u32, u32, Bytes)]) -> bool {
        let sample = Sample::new(40_000, PIECE);
        let folder = folder();
        let path = folder.path().join("v1.tgz.part");
        let (archive, _) = Archive::open_partial(&path, sample.metainfo.lengths()).unwrap();
        let archive = Arc::new(archive);
        let (say, said) = channel();
        let checker = Checker::start(&archive, &sample.metainfo, move |verdict| {
            say.send(verdict).unwrap();
        });
        let piece = archive.lengths().piece(0).unwrap();
        for (begin, len, which) in parts {
            let mut bytes = sample.bytes[*begin as usize..][..*len as usize].to_vec();
            if *which == Bytes::Wrong {
                bytes.fill(0xbd);
            }
            checker.write(Block { piece, begin: *begin, len: *len }, bytes);
        }
        checker.check(piece);
        drop(checker);
        let good = match said.recv().unwrap() {
            Verdict::Good(_) => true,
            Verdict::Bad(_) => false,
            Verdict::Failed(error) => panic!("{error}"),
        };
        assert!(said.recv().is_err(), "it is said once");
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written[..PIECE as usize] == sample.bytes[..PIECE as usize], good);
        good
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Bytes {
        Right,
        Wrong,
    }
    use Bytes::{Right, Wrong};

    #[test]
    fn a_piece_is_good_when_its_blocks_are_in_whatever_order_they_come() {
        assert!(is_good(&[(0, 5000, Right), (5000, 11_384, Right)]));
        assert!(is_good(&[(5000, 11_384, Right), (0, 5000, Right)]));
        assert!(is_good(&[(0, 100, Right), (5000, 11_384, Right), (100, 4900, Right)]));
    }

    #[test]
    fn a_piece_with_one_wrong_block_is_bad() {
        assert!(!is_good(&[(0, 5000, Right), (5000, 11_384, Wrong)]));
        assert!(!is_good(&[(5000, 11_384, Wrong), (0, 5000, Right)]));
    }

    #[test]
    fn of_bytes_that_came_twice_the_later_ones_count() {
        assert!(is_good(&[(0, 5000, Wrong), (5000, 11_384, Right), (0, 5000, Right)]));
        assert!(is_good(&[(0, 5000, Right), (2000, 9000, Wrong), (2000, 14_384, Right)]));
        assert!(!is_good(&[(0, 16_384, Right), (2000, 10, Wrong)]));
    }

    #[test]
    fn the_last_piece_is_shorter_and_as_good() {
        let sample = Sample::new(40_000, PIECE);
        let folder = folder();
        let path = folder.path().join("v1.tgz.part");
        let (archive, _) = Archive::open_partial(&path, sample.metainfo.lengths()).unwrap();
        let archive = Arc::new(archive);
        let (say, said) = channel();
        let checker = Checker::start(&archive, &sample.metainfo, move |verdict| {
            say.send(verdict).unwrap();
        });
        let block = archive.lengths().block(2, 0, 40_000 - 2 * PIECE).unwrap();
        checker.write(block, sample.bytes[2 * PIECE as usize..].to_vec());
        checker.check(block.piece);
        drop(checker);
        assert!(matches!(said.recv().unwrap(), Verdict::Good(piece) if piece == block.piece));
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written[2 * PIECE as usize..], sample.bytes[2 * PIECE as usize..]);
    }
}
