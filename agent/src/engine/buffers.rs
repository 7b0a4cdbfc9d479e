//! The memory for blocks on their way from a socket to the disk.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::disk::MOST_WAITING;

/// Hands out buffers for blocks, and takes them back.
///
/// A connection has one while a block comes in. Once it is whole it is held by the disk, and only
/// so many may be: readers wait when the disk is slower than the network.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    room: Arc<Semaphore>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    size: usize,
}

/// Memory for one block; it goes back where it came from when dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// The place that it takes among those that wait for the disk.
    place: Option<OwnedSemaphorePermit>,
    home: Buffers,
}

impl Buffers {
    /// For blocks of up to `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        let places = (WAITING / size).max(LEAST_WAITING);
        Self { room: Arc::new(Semaphore::new(places)), spare: Arc::default(), size }
    }

    /// An empty buffer.
    pub(super) fn take(&self) -> Buffer {
        let spare = self.spare.lock().expect("nobody panics with the lock held").pop();
        let bytes = spare.unwrap_or_else(|| Vec::with_capacity(self.size));
        Buffer { bytes, place: None, home: self.clone() }
    }
}

impl Buffer {
    /// Where the block's bytes are put.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Waits until one more block may wait for the disk.
    pub(super) async fn wait_for_room(&mut self) {
        let place = self.home.room.clone().acquire_owned().await;
        self.place = Some(place.expect("the semaphore is never closed"));
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut spare = self.home.spare.lock().expect("nobody panics with the lock held");
        if spare.len() * self.home.size < SPARE {
            bytes.clear();
            spare.push(bytes);
        }
    }
}

/// Bytes that the disk may owe: some milliseconds at 10 Gbit/s, and little enough to be in a cache
/// still when their turn comes.
const WAITING: usize = 4 * 1024 * 1024;

/// However long blocks are, while the disk waits for some more and writes one the next may come.
const LEAST_WAITING: usize = MOST_WAITING + 2;

/// Bytes of buffers that are kept for later.
const SPARE: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_came_back_is_empty_and_used_again() {
        let buffers = Buffers::new(16);
        let mut buffer = buffers.take();
        buffer.bytes().extend([1; 16]);
        let memory = buffer.as_ref().as_ptr();
        drop(buffer);
        let again = buffers.take();
        assert!(again.as_ref().is_empty() && again.as_ref().as_ptr() == memory);
    }

    #[tokio::test]
    async fn readers_wait_while_the_disk_has_too_much() {
        let buffers = Buffers::new(WAITING);
        let mut held: Vec<_> = (0..=LEAST_WAITING).map(|_| buffers.take()).collect();
        let mut last = held.pop().unwrap();
        for buffer in &mut held {
            buffer.wait_for_room().await;
        }
        let waiting = tokio::spawn(async move { last.wait_for_room().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        held.pop();
        waiting.await.unwrap();
    }
}
