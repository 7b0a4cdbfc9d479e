//! Compresses on all cores: members, one after the other, which any reader of gzip or zstd takes as
//! one file.
//!
//! They are cut where entries of the tar archive begin, as far as these are short enough, so that
//! each member can be unpacked on its own.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::codec::{Encoder, Level};
use super::members::{Begins, Members};

/// A writer whose bytes come out of `out` compressed, in their order.
#[derive(Debug)]
pub(super) struct MemberWriter<W> {
    out: W,
    length: usize,
    input: Vec<u8>,
    begins: Begins,
    /// Bytes of the entry that are still to come.
    entry_left: u64,
    jobs: SyncSender<Job>,
    /// Members that are being made, in their order.
    pending: VecDeque<Pending>,
    most_pending: usize,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
    members: Members,
}

#[derive(Debug)]
struct Pending {
    begins: Begins,
    made: Receiver<Made>,
}

#[derive(Debug)]
struct Job {
    input: Vec<u8>,
    done: SyncSender<Made>,
}

#[derive(Debug)]
struct Made {
    member: Vec<u8>,
    input: Vec<u8>,
}

impl<W: Write> MemberWriter<W> {
    /// Starts one thread a core, which end with the writer. Members have at most `length` bytes
    /// of input.
    pub(super) fn new(out: W, length: u32, level: Level) -> io::Result<Self> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let most_pending = threads + 2;
        let (jobs, queue) = sync_channel(most_pending);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name("pack".to_owned()).spawn(move || work(&queue, level))?;
        }
        Ok(Self {
            out,
            length: length as usize,
            input: Vec::new(),
            begins: Begins::Entry,
            entry_left: 0,
            jobs,
            pending: VecDeque::new(),
            most_pending,
            spare: Vec::new(),
            members: Members::new(length),
        })
    }

    /// An entry of the tar archive begins, of so many bytes with its headers. It gets a member of
    /// its own if it does not fit into the one that is being filled, unless that has hardly begun.
    pub(super) fn begin_entry(&mut self, bytes: u64) -> io::Result<()> {
        let (filled, room) = (self.input.len(), self.length - self.input.len());
        let has_hardly_begun = filled < self.length / 4 && self.begins == Begins::Entry;
        if filled > 0 && bytes > room as u64 && !has_hardly_begun {
            self.submit()?;
        }
        self.entry_left = bytes;
        Ok(())
    }

    /// Compresses what is left, and gives `out` back.
    pub(super) fn finish(mut self) -> io::Result<(W, Members)> {
        if !self.input.is_empty() {
            self.submit()?;
        }
        while !self.pending.is_empty() {
            self.collect()?;
        }
        Ok((self.out, self.members))
    }

    fn submit(&mut self) -> io::Result<()> {
        if self.pending.len() == self.most_pending {
            self.collect()?;
        }
        let next = self.spare.pop().unwrap_or_default();
        let input = std::mem::replace(&mut self.input, next);
        let (done, made) = sync_channel(1);
        self.jobs.send(Job { input, done }).map_err(|_| lost_thread())?;
        self.pending.push_back(Pending { begins: self.begins, made });
        self.begins = if self.entry_left > 0 { Begins::Content } else { Begins::Entry };
        Ok(())
    }

    fn collect(&mut self) -> io::Result<()> {
        let Some(Pending { begins, made }) = self.pending.pop_front() else { return Ok(()) };
        let Made { member, mut input } = made.recv().map_err(|_| lost_thread())?;
        self.out.write_all(&member)?;
        self.members.push(member.len() as u64, begins);
        input.clear();
        self.spare.push(input);
        Ok(())
    }
}

impl<W: Write> Write for MemberWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.length - self.input.len());
        self.input.extend_from_slice(&bytes[..taken]);
        self.entry_left = self.entry_left.saturating_sub(taken as u64);
        if self.input.len() == self.length {
            self.submit()?;
        }
        Ok(taken)
    }

    /// Does nothing: a member that is cut short would make the archive depend on who flushes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn work(queue: &Mutex<Receiver<Job>>, level: Level) {
    let mut encoder = Encoder::new(level);
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { input, done }) = job else { return };
        // Nobody waits for it if writing failed meanwhile.
        let _ = done.send(Made { member: encoder.member(&input), input });
    }
}

fn lost_thread() -> io::Error {
    io::Error::other("a compressing thread ended early")
}

/// More would take memory for no use: one thread then hashes and writes what the others make.
const MOST_THREADS: usize = 16;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::MultiGzDecoder;

    use super::*;

    const LENGTH: u32 = 1 << 20;

    fn pack(entries: &[&[u8]], level: Level) -> (Vec<u8>, Members) {
        let mut writer = MemberWriter::new(Vec::new(), LENGTH, level).unwrap();
        for entry in entries {
            writer.begin_entry(entry.len() as u64).unwrap();
            entry.chunks(7777).for_each(|chunk| writer.write_all(chunk).unwrap());
        }
        let (packed, members) = writer.finish().unwrap();
        let mut output = Vec::new();
        MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut output).unwrap();
        assert!(output == entries.concat());
        assert_eq!(Members::decode(&members.encode(), packed.len() as u64), Some(members.clone()));
        (packed, members)
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    fn text() -> Vec<u8> {
        (0u32..2_000_000).flat_map(|number| number.to_string().into_bytes()).collect()
    }

    #[test]
    fn many_members_are_one_file_in_the_right_order() {
        let text = text();
        let (packed, members) = pack(&[&text], Level::default());
        assert!(packed.len() < text.len() / 2 && members.len() > 10);
        assert_eq!(packed, pack(&[&text], Level::default()).0);
    }

    #[test]
    fn noise_is_stored_as_it_is_and_text_among_it_is_not() {
        let noise = noise((3 << 20) + 5);
        let most = noise.len() + noise.len() / 500;
        assert!(pack(&[&noise], Level::default()).0.len() < most);
        let text = text();
        let mixed = [&noise[..500_000], &text[..500_000]];
        assert!(pack(&mixed, Level::default()).0.len() < 800_000);
        assert!(pack(&mixed, Level::Store).0.len() > 1_000_000);
    }

    #[test]
    fn members_begin_where_entries_do_unless_these_are_too_long() {
        let zeros = vec![0; 3 << 20];
        let sizes = [300_000, 300_000, 300_000, 300_000, 2 << 20, 10, 1 << 20, 10, 1_048_570, 6];
        let entries: Vec<_> = sizes.iter().map(|size| &zeros[..*size]).collect();
        let (_, members) = pack(&entries, Level::default());
        let begins: Vec<_> = (0..members.len()).map(|member| members.begins(member)).collect();
        use Begins::{Content, Entry};
        // Three of 300,000; the fourth; 2 MiB in two members, of which nothing is left over; the
        // small one takes the beginning of what is too long in with it, whose end is followed by
        // another small one and not by the next long one; and that one with the last.
        assert_eq!(begins, [Entry, Entry, Entry, Content, Entry, Content, Entry]);
    }

    #[test]
    fn an_error_of_the_file_beneath_comes_out() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = MemberWriter::new(Full, LENGTH, Level::default()).unwrap();
        writer.write_all(b"x").unwrap();
        assert_eq!(writer.finish().err().unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
