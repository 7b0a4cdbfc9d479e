//! The threads that hash pieces and write the good ones.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use murder_swarm::PieceIndex;
use murder_swarm::metainfo::Metainfo;
use sha1::{Digest as _, Sha1};

use super::{Archive, DiskError};

/// A piece whose blocks have all come.
#[derive(Debug)]
pub struct Job {
    /// Which piece.
    pub piece: PieceIndex,
    /// Its bytes, in order.
    pub blocks: Vec<Vec<u8>>,
}

/// What became of a [`Job`].
#[derive(Debug)]
pub struct Checked {
    /// Which piece.
    pub piece: PieceIndex,
    /// How it went.
    pub verdict: Verdict,
    /// The job's buffers, to be used again.
    pub blocks: Vec<Vec<u8>>,
}

/// How a check went.
#[derive(Debug)]
pub enum Verdict {
    /// The hash is right, and the piece is in the file.
    Good,
    /// The hash is wrong; nothing was written.
    Bad,
    /// The hash is right, and the piece could not be written.
    Failed(DiskError),
}

/// A few threads that take jobs in order. Dropping it ends them after the jobs they have.
#[derive(Debug)]
pub struct Checker {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Checker {
    /// Starts the threads; each finished job is passed to `done`, on the thread that did it.
    pub fn start(
        archive: &Arc<Archive>,
        metainfo: &Arc<Metainfo>,
        done: impl Fn(Checked) + Clone + Send + 'static,
    ) -> Self {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS);
        let threads = (0..threads)
            .map(|_| {
                let (queue, archive) = (queue.clone(), archive.clone());
                let (metainfo, done) = (metainfo.clone(), done.clone());
                std::thread::Builder::new()
                    .name("disk".to_owned())
                    .spawn(move || work(&queue, &archive, &metainfo, &done))
                    .expect("a process of ours may have a few threads")
            })
            .collect();
        Self { jobs: Some(jobs), threads }
    }

    /// Puts a job into the queue.
    pub fn submit(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            jobs.send(job).expect("the threads live as long as this sender");
        }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on its own.
            let _ = thread.join();
        }
    }
}

fn work(
    queue: &Mutex<Receiver<Job>>,
    archive: &Archive,
    metainfo: &Metainfo,
    done: &impl Fn(Checked),
) {
    loop {
        let job = queue.lock().expect("no thread panics while it waits").recv();
        let Ok(Job { piece, blocks }) = job else { return };
        let verdict = check(archive, metainfo, piece, &blocks);
        done(Checked { piece, verdict, blocks });
    }
}

fn check(archive: &Archive, metainfo: &Metainfo, piece: PieceIndex, blocks: &[Vec<u8>]) -> Verdict {
    let mut hasher = Sha1::new();
    blocks.iter().for_each(|block| hasher.update(block));
    if <[u8; 20]>::from(hasher.finalize()) != metainfo.piece_hash(piece) {
        return Verdict::Bad;
    }
    match archive.write(archive.lengths().offset(piece), blocks) {
        Ok(()) => Verdict::Good,
        Err(error) => Verdict::Failed(error),
    }
}

/// One core hashes and writes about 1 GB/s, so two keep up with 10 Gbit/s.
const THREADS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{Sample, folder};

    #[test]
    fn a_good_piece_is_written_and_a_bad_one_is_not() {
        let sample = Sample::new(40_000, 16_384);
        let folder = folder();
        let path = folder.path().join("v1.tgz.part");
        let (archive, _) = Archive::open_partial(&path, sample.metainfo.lengths()).unwrap();
        let archive = Arc::new(archive);
        let (done, results) = channel();
        let checker = Checker::start(&archive, &sample.metainfo, move |checked| {
            done.send(checked).unwrap();
        });
        let lengths = archive.lengths();
        let (first, last) = (lengths.piece(0).unwrap(), lengths.piece(2).unwrap());
        checker.submit(Job { piece: first, blocks: vec![vec![1; 16_384]] });
        let bytes = &sample.bytes[2 * 16_384..];
        checker.submit(Job { piece: last, blocks: vec![bytes[..5].into(), bytes[5..].into()] });
        drop(checker);
        for checked in results {
            let good = matches!(checked.verdict, Verdict::Good);
            assert_eq!(good, checked.piece == last, "{checked:?}");
        }
        let written = std::fs::read(&path).unwrap();
        assert!(written[..2 * 16_384].iter().all(|byte| *byte == 0));
        assert_eq!(&written[2 * 16_384..], bytes);
    }
}
