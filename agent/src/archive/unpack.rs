//! Unpacks an archive into a fresh private folder, trusting nothing in it.
//!
//! With the index of its members it is unpacked on all cores, in whatever order its pieces arrive.
//! Each member is checked to end as its neighbour begins, so that the result is the same as if the
//! archive were read from its beginning to its end. Whatever does not agree is read in that way.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::io::{self, BufRead as _, BufReader, Read};
use std::num::NonZero;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use flate2::bufread::MultiGzDecoder;

use super::arrivals::Arrivals;
use super::codec::{Codec, Decoder};
use super::content::{Content, Whole};
use super::entries::{Ended, Entries, corrupt};
use super::frames::Frames;
use super::members::{Begins, Members};
use super::refusal::UnpackError;
use super::tree::{Limits, NewTree, Reading, Unpacked};

/// What to unpack, and where to.
#[derive(Clone, Copy, Debug)]
pub struct UnpackRequest<'a> {
    /// The archive, as far as it is there.
    pub archive: &'a File,
    /// How far it is there.
    pub arrivals: &'a Arrivals,
    /// Its index, if there is one.
    pub members: Option<&'a Members>,
    /// An empty folder, which gets the tree.
    pub staging: &'a Path,
    /// What may come out of it.
    pub limits: Limits,
}

/// Unpacks and syncs to disk, while the archive arrives.
///
/// Access rights and times of folders are set last, so that read-only ones can be filled.
pub fn unpack(request: &UnpackRequest<'_>) -> Result<Unpacked, UnpackError> {
    let mut tree = NewTree::new(request.staging, request.limits);
    let by_index = request.members.map(|members| by_index(request, members, &tree));
    let reading = match by_index {
        Some(Ok(())) => Reading::ByIndex,
        Some(Err(error)) if !error.is_of_the_archive() => return Err(error),
        tried => {
            if tried.is_some() {
                empty(request.staging)?;
                tree = NewTree::new(request.staging, request.limits);
            }
            in_order(request, &tree)?;
            Reading::InOrder
        }
    };
    let done = tree.finish(reading)?;
    let failed = |source| UnpackError::Write { path: request.staging.to_owned(), source };
    let staging = File::open(request.staging).map_err(failed)?;
    rustix::fs::syncfs(&staging).map_err(|error| failed(error.into()))?;
    Ok(done)
}

/// What the threads have in common.
struct Parallel<'a> {
    archive: &'a File,
    arrivals: &'a Arrivals,
    members: &'a Members,
    tree: &'a NewTree<'a>,
    /// What the member was that came first. Another kind would end an archive that is read in
    /// order.
    codec: OnceLock<Codec>,
    /// Files that go on in other members than the one they began in, by that, and where in the
    /// file that one ended.
    begun: Mutex<HashMap<usize, (Arc<Whole>, u64)>>,
    priority: Priority,
}

/// What the threads may take of a core that others want too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Priority {
    Normal,
    /// Fetching what is missing comes first.
    Low,
}

/// Of one thread, used again for each member.
#[derive(Default)]
struct Buffers {
    packed: Vec<u8>,
    decoder: Decoder,
}

fn by_index(
    request: &UnpackRequest<'_>,
    members: &Members,
    tree: &NewTree<'_>,
) -> Result<(), UnpackError> {
    let UnpackRequest { archive, arrivals, .. } = *request;
    let priority = if arrivals.are_all_here() { Priority::Normal } else { Priority::Low };
    arrivals.plan(members);
    let (codec, begun) = (OnceLock::new(), Mutex::default());
    let parallel = Parallel { archive, arrivals, members, tree, codec, begun, priority };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let results: Vec<_> = std::thread::scope(|scope| {
        let spawn = |_| {
            let builder = std::thread::Builder::new().name("unpack".to_owned());
            builder.spawn_scoped(scope, || parallel.work())
        };
        let threads: Vec<_> = (0..threads).map(spawn).collect();
        let join = |thread: io::Result<std::thread::ScopedJoinHandle<'_, _>>| {
            let thread = thread.map_err(UnpackError::Read)?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    if arrivals.is_stopped() {
        return Err(UnpackError::Stopped);
    }
    results.into_iter().collect()
}

impl Parallel<'_> {
    fn work(&self) -> Result<(), UnpackError> {
        if self.priority == Priority::Low {
            // On Linux it is the thread's alone (sched(7)). Refused, it is as before.
            let _ = rustix::process::setpriority_process(None, NICE);
        }
        let mut buffers = Buffers::default();
        while let Some(member) = self.arrivals.next_member() {
            match self.member(member, &mut buffers) {
                Ok(()) => self.arrivals.done(member),
                Err(error) => {
                    self.arrivals.give_up_members();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn member(&self, member: usize, buffers: &mut Buffers) -> Result<(), UnpackError> {
        let plain = self.plain(member, buffers)?;
        self.tree.inflated(plain.len())?;
        let content = match self.members.begins(member) {
            Begins::Entry => None,
            Begins::Content => Some(self.go_on(member)?),
        };
        let order = (member as u64) << 32;
        let mut entries = Entries::new(self.tree, content, order);
        entries.feed(plain)?;
        self.check_end(member, plain.len(), entries.end())
    }

    fn plain<'b>(&self, member: usize, buffers: &'b mut Buffers) -> Result<&'b [u8], UnpackError> {
        let Buffers { packed, decoder } = buffers;
        let range = self.members.range(member);
        packed.resize(usize::try_from(range.end - range.start).unwrap_or(0), 0);
        self.archive.read_exact_at(packed, range.start).map_err(UnpackError::Read)?;
        let codec = Codec::of(packed);
        if *self.codec.get_or_init(|| codec) != codec {
            return Err(disagreement());
        }
        decoder.member(codec, packed, self.members.length())
    }

    /// The content with which a member begins, as far as the members before it have the rest.
    fn go_on(&self, member: usize) -> Result<Content, UnpackError> {
        let head = self.members.head(member);
        let (whole, at) = self.begun().get(&head).cloned().ok_or_else(disagreement)?;
        // Those in between are full of content, as each checks for itself.
        let between = (member - head - 1) * self.members.length();
        Content::go_on(&whole, at + between as u64)?.ok_or_else(disagreement)
    }

    /// The end has to be what the next member begins with.
    fn check_end(&self, member: usize, length: usize, ended: Ended) -> Result<(), UnpackError> {
        let next = Some(member + 1).filter(|next| *next < self.members.len());
        match (ended, next.map(|next| self.members.begins(next))) {
            (Ended::BetweenEntries, None | Some(Begins::Entry)) | (Ended::AtEnd, None) => Ok(()),
            (Ended::InContent(content), Some(Begins::Content)) => {
                let goes_on = self.members.begins(member) == Begins::Content;
                if goes_on && length != self.members.length() {
                    return Err(disagreement());
                }
                if !goes_on {
                    self.begun().insert(member, content.pause());
                }
                Ok(())
            }
            _ => Err(disagreement()),
        }
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, HashMap<usize, (Arc<Whole>, u64)>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn disagreement() -> UnpackError {
    corrupt("the index does not agree with it")
}

/// Reads the archive from its beginning to its end.
fn in_order(request: &UnpackRequest<'_>, tree: &NewTree<'_>) -> Result<(), UnpackError> {
    let UnpackRequest { archive, arrivals, .. } = *request;
    let failed = Cell::new(None);
    let blame = |error| failed.take().unwrap_or(UnpackError::Corrupt(error));
    let arriving = Arriving { archive, arrivals, at: 0, failed: &failed };
    let mut arriving = BufReader::with_capacity(BUFFER, arriving);
    let codec = Codec::of(arriving.fill_buf().map_err(blame)?);
    let mut reader: Box<dyn Read + '_> = match codec {
        Codec::Gzip => Box::new(MultiGzDecoder::new(arriving)),
        Codec::Zstd => Box::new(Frames::new(arriving)),
    };
    let mut entries = Entries::new(tree, None, 0);
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = fill(&mut reader, &mut buffer).map_err(blame)?;
        if arrivals.is_stopped() {
            return Err(UnpackError::Stopped);
        }
        tree.inflated(length)?;
        entries.feed(&buffer[..length])?;
        if length < buffer.len() {
            break;
        }
    }
    match entries.end() {
        Ended::AtEnd | Ended::BetweenEntries => Ok(()),
        Ended::InContent(_) | Ended::InHeaders => {
            Err(UnpackError::Corrupt(io::ErrorKind::UnexpectedEof.into()))
        }
    }
}

/// Reads until the buffer is full or nothing follows.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..])? {
            0 => break,
            got => length += got,
        }
    }
    Ok(length)
}

/// Reads an archive from its beginning, and waits for what is not there yet.
struct Arriving<'a> {
    archive: &'a File,
    arrivals: &'a Arrivals,
    at: u64,
    /// Why the last read failed, if it is no fault of what was read.
    failed: &'a Cell<Option<UnpackError>>,
}

impl Read for Arriving<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let lengths = self.arrivals.lengths();
        let index = u32::try_from(self.at / u64::from(lengths.piece_length())).unwrap_or(u32::MAX);
        let Some(piece) = lengths.piece(index) else { return Ok(0) };
        if self.arrivals.wait_for(piece).is_err() {
            self.failed.set(Some(UnpackError::Stopped));
            return Err(io::ErrorKind::Other.into());
        }
        let end = lengths.offset(piece) + u64::from(lengths.size(piece));
        let most = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        match self.archive.read_at(&mut buffer[..most], self.at) {
            Ok(got) => {
                self.at += got as u64;
                Ok(got)
            }
            Err(error) => {
                let kind = error.kind();
                self.failed.set(Some(UnpackError::Read(error)));
                Err(kind.into())
            }
        }
    }
}

/// Removes what an attempt has left.
fn empty(staging: &Path) -> Result<(), UnpackError> {
    let removed = crate::place::remove_tree(staging);
    removed
        .and_then(|()| DirBuilder::new().mode(0o700).create(staging))
        .map_err(|source| UnpackError::Write { path: staging.to_owned(), source })
}

/// More would mostly wait for the disk, and each takes the memory of two members.
const MOST_THREADS: usize = 4;
/// A third of what a thread of normal priority gets (sched(7)).
const NICE: i32 = 5;
const BUFFER: usize = 256 << 10;
