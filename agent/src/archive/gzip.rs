//! Compresses on all cores: gzip members (RFC 1952) of a fixed input length, one after the other,
//! which any reader of gzip takes as one file.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A writer whose bytes come out of `out` compressed, in their order.
#[derive(Debug)]
pub(super) struct GzipWriter<W> {
    out: W,
    input: Vec<u8>,
    jobs: SyncSender<Job>,
    /// Members that are being made, in their order.
    pending: VecDeque<Receiver<Vec<u8>>>,
    most_pending: usize,
}

#[derive(Debug)]
struct Job {
    input: Vec<u8>,
    done: SyncSender<Vec<u8>>,
}

impl<W: Write> GzipWriter<W> {
    /// Starts one thread a core, which end with the writer.
    pub(super) fn new(out: W) -> io::Result<Self> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let most_pending = 2 * threads;
        let (jobs, queue) = sync_channel(most_pending);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name("gzip".to_owned()).spawn(move || work(&queue))?;
        }
        Ok(Self {
            out,
            input: Vec::with_capacity(MEMBER),
            jobs,
            pending: VecDeque::new(),
            most_pending,
        })
    }

    /// Compresses what is left, and gives `out` back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        if !self.input.is_empty() {
            self.submit()?;
        }
        while !self.pending.is_empty() {
            self.collect()?;
        }
        Ok(self.out)
    }

    fn submit(&mut self) -> io::Result<()> {
        if self.pending.len() == self.most_pending {
            self.collect()?;
        }
        let input = std::mem::replace(&mut self.input, Vec::with_capacity(MEMBER));
        let (done, result) = sync_channel(1);
        self.jobs.send(Job { input, done }).map_err(|_| lost_thread())?;
        self.pending.push_back(result);
        Ok(())
    }

    fn collect(&mut self) -> io::Result<()> {
        let Some(result) = self.pending.pop_front() else { return Ok(()) };
        let member = result.recv().map_err(|_| lost_thread())?;
        self.out.write_all(&member)
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(MEMBER - self.input.len());
        self.input.extend_from_slice(&bytes[..taken]);
        if self.input.len() == MEMBER {
            self.submit()?;
        }
        Ok(taken)
    }

    /// Does nothing: a member that is cut short would make the archive depend on who flushes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { input, done }) = job else { return };
        // Nobody waits for it if writing failed meanwhile.
        let _ = done.send(member(&input));
    }
}

fn member(input: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(input.len() / 2), level(input));
    encoder.write_all(input).and_then(|()| encoder.finish()).expect("memory takes every byte")
}

/// Data that is compressed already, as a quick look at some of it tells, is stored as it is: that
/// is what the slow levels would come to, and it unpacks ten times as fast.
fn level(input: &[u8]) -> Compression {
    let sample = &input[..input.len().min(SAMPLE)];
    let mut encoder = GzEncoder::new(Vec::with_capacity(sample.len()), Compression::fast());
    let packed = encoder.write_all(sample).and_then(|()| encoder.finish());
    let packed = packed.expect("memory takes every byte").len();
    if packed * 100 > sample.len() * INCOMPRESSIBLE_PERCENT && sample.len() == SAMPLE {
        Compression::none()
    } else {
        Compression::new(LEVEL)
    }
}

fn lost_thread() -> io::Error {
    io::Error::other("a compressing thread ended early")
}

/// Members of this many bytes cost 0.2 % in size against one (measured, NUMBERS.md).
const MEMBER: usize = 1 << 20;
/// More would take memory for no use: one thread then hashes and writes what the others make.
const MOST_THREADS: usize = 16;
const LEVEL: u32 = 6;
const SAMPLE: usize = 64 << 10;
const INCOMPRESSIBLE_PERCENT: usize = 98;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::MultiGzDecoder;

    use super::*;

    fn round(input: &[u8]) -> Vec<u8> {
        let mut writer = GzipWriter::new(Vec::new()).unwrap();
        input.chunks(7777).for_each(|chunk| writer.write_all(chunk).unwrap());
        let packed = writer.finish().unwrap();
        let mut output = Vec::new();
        MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut output).unwrap();
        assert!(output == input);
        packed
    }

    #[test]
    fn many_members_are_one_file_in_the_right_order() {
        let text: Vec<u8> =
            (0u32..2_000_000).flat_map(|number| number.to_string().into_bytes()).collect();
        let packed = round(&text);
        assert!(packed.len() < text.len() / 2);
        assert_eq!(packed, round(&text));
    }

    #[test]
    fn noise_is_stored_as_it_is() {
        let mut state = 1u64;
        let noise: Vec<u8> = (0..(3 << 20) + 5)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        assert!(round(&noise).len() < noise.len() + noise.len() / 500);
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
        let mut writer = GzipWriter::new(Full).unwrap();
        writer.write_all(b"x").unwrap();
        assert_eq!(writer.finish().err().unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
