//! Hashing what a file already holds.

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use murder_swarm::metainfo::Metainfo;
use murder_swarm::{PieceIndex, PieceSet};
use sha1::{Digest as _, Sha1};

use super::{Archive, DiskError};

/// What to do with ranges of a file that were never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    /// A piece in one is missing, and is not read: right for a partial file, which was reserved
    /// as one large hole.
    Missing,
    /// They are zeros like others.
    Read,
}

/// How far a verification is, and the means to end it early.
#[derive(Debug, Default)]
pub struct Verify {
    /// Bytes of good pieces so far.
    pub good: AtomicU64,
    /// Set it, and the threads end after the buffer that they have in hand.
    pub stop: AtomicBool,
}

/// Hashes every piece, on as many threads as are useful, and returns the good ones.
/// Ended early it returns those that were found until then.
pub fn verify(
    archive: &Archive,
    metainfo: &Metainfo,
    holes: Holes,
    progress: &Verify,
) -> Result<PieceSet, DiskError> {
    let good = Mutex::new(PieceSet::empty(&archive.lengths()));
    let next = AtomicU32::new(0);
    let worker = || {
        let mut buffer = Vec::new();
        while !progress.stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = archive.lengths().piece(index) else { break };
            if holes == Holes::Missing && in_hole(archive, piece) {
                continue;
            }
            if hash(archive, piece, &mut buffer)? == metainfo.piece_hash(piece) {
                let size = u64::from(archive.lengths().size(piece));
                progress.good.fetch_add(size, Ordering::Relaxed);
                good.lock().expect("no thread panics with the lock held").insert(piece);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads()).map(|_| scope.spawn(worker)).collect();
        let ends: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        ends.into_iter().try_for_each(|end| match end {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    Ok(good.into_inner().expect("no thread panics with the lock held"))
}

/// Hashes a few pieces spread over the archive, first and last among them: enough to tell an
/// archive from another one in the time of a blink.
pub fn sample(archive: &Archive, metainfo: &Metainfo) -> Result<(), DiskError> {
    let lengths = archive.lengths();
    let last = lengths.pieces() - 1;
    let mut buffer = Vec::new();
    for step in 0..=SAMPLES.min(last) {
        let index = u64::from(last) * u64::from(step) / u64::from(SAMPLES.min(last).max(1));
        let index = u32::try_from(index).expect("not above the last piece");
        let piece = lengths.piece(index).expect("not above the last piece");
        if hash(archive, piece, &mut buffer)? != metainfo.piece_hash(piece) {
            return Err(DiskError::Mismatch { path: archive.path().to_owned(), piece });
        }
    }
    Ok(())
}

fn hash(archive: &Archive, piece: PieceIndex, buffer: &mut Vec<u8>) -> Result<[u8; 20], DiskError> {
    hash_on(Sha1::new(), archive, piece, 0, buffer)
}

/// The hash of a piece of which everything before `from` was hashed already. The rest is read
/// through the buffer.
pub(super) fn hash_on(
    mut hasher: Sha1,
    archive: &Archive,
    piece: PieceIndex,
    from: u32,
    buffer: &mut Vec<u8>,
) -> Result<[u8; 20], DiskError> {
    let mut offset = archive.lengths().offset(piece) + u64::from(from);
    let mut left = (archive.lengths().size(piece) - from) as usize;
    buffer.resize(buffer.len().max(left.min(BUFFER)), 0);
    while left > 0 {
        let part = left.min(buffer.len());
        let part = &mut buffer[..part];
        archive.read(offset, part)?;
        hasher.update(&*part);
        offset += part.len() as u64;
        left -= part.len();
    }
    Ok(hasher.finalize().into())
}

/// Whether no byte of the piece was ever written. File systems that can't tell say no.
fn in_hole(archive: &Archive, piece: PieceIndex) -> bool {
    let begin = archive.lengths().offset(piece);
    let end = begin + u64::from(archive.lengths().size(piece));
    next_data(archive.file(), begin).is_ok_and(|data| data.is_none_or(|data| data >= end))
}

/// Where the next written byte is, if there is one. The file's own position moves, which nothing
/// else uses.
fn next_data(file: &File, from: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(from)) {
        Ok(at) => Ok(Some(at)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS)
}

/// Hashing outruns most disks with a few threads, and the host has other work to do.
const THREADS: usize = 4;

/// Bytes read at once: large enough that calls cost nothing, small enough for the second-level
/// cache.
const BUFFER: usize = 256 * 1024;

/// Pieces that [`sample`] looks at, less one.
const SAMPLES: u32 = 15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{Sample, folder};

    #[test]
    fn exactly_the_pieces_that_are_right_are_found() {
        let sample = Sample::new(10 * 16_384 + 5, 16_384);
        let folder = folder();
        let path = folder.path().join("v1.tgz.part");
        let mut bytes = sample.bytes.clone();
        bytes[3 * 16_384] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let archive = Archive::open(&path, sample.metainfo.lengths()).unwrap();
        let progress = Verify::default();
        let good = verify(&archive, &sample.metainfo, Holes::Read, &progress).unwrap();
        let found: Vec<_> = good.iter().map(PieceIndex::get).collect();
        assert_eq!(found, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(progress.good.into_inner(), sample.bytes.len() as u64 - 16_384);
    }

    #[test]
    fn a_reserved_file_is_not_read_where_it_was_never_written() {
        // A piece of zeros hashes right, so it would be found if it were read.
        let sample = Sample::of(vec![0; 8 * 65_536], 65_536);
        let folder = folder();
        let path = folder.path().join("v1.tgz.part");
        let (archive, _) = Archive::open_partial(&path, sample.metainfo.lengths()).unwrap();
        archive.write(2 * 65_536, &[0; 65_536]).unwrap();
        let good = verify(&archive, &sample.metainfo, Holes::Missing, &Verify::default()).unwrap();
        assert!(good.contains(archive.lengths().piece(2).unwrap()));
        let all = verify(&archive, &sample.metainfo, Holes::Read, &Verify::default()).unwrap();
        assert!(all.is_full());
        assert!(good.len() <= all.len());
    }

    #[test]
    fn a_sample_tells_an_archive_from_another_one_of_the_same_length() {
        let (one, two) = (Sample::new(200_000, 16_384), Sample::of(vec![9; 200_000], 16_384));
        let folder = folder();
        let path = folder.path().join("v1.tgz");
        std::fs::write(&path, &one.bytes).unwrap();
        let archive = Archive::open(&path, one.metainfo.lengths()).unwrap();
        super::sample(&archive, &one.metainfo).unwrap();
        let error = super::sample(&archive, &two.metainfo).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} does not match its torrent: the hash of piece 0 differs", path.display())
        );
    }

    #[test]
    fn a_verification_can_be_ended_early() {
        let sample = Sample::new(200_000, 16_384);
        let folder = folder();
        let path = folder.path().join("v1.tgz");
        std::fs::write(&path, &sample.bytes).unwrap();
        let archive = Archive::open(&path, sample.metainfo.lengths()).unwrap();
        let progress = Verify { stop: true.into(), ..Verify::default() };
        let good = verify(&archive, &sample.metainfo, Holes::Read, &progress).unwrap();
        assert!(good.is_empty());
    }
}
