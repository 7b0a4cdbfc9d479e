//! The memory for blocks on their way from a socket to the disk.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hands out block buffers, and keeps readers waiting while too many bytes are under way.
///
/// Blocks that wait for the rest of their piece do not count: the core bounds how many pieces are
/// begun, and to hold the last blocks of a piece back would never end.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    admission: Arc<Semaphore>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    size: usize,
}

/// The right to hold one block's bytes; given back when dropped.
#[derive(Debug)]
pub(super) struct Admission {
    _permit: OwnedSemaphorePermit,
}

impl Buffers {
    /// For blocks of up to `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        Self {
            admission: Arc::new(Semaphore::new(UNDER_WAY.max(size))),
            spare: Arc::default(),
            size,
        }
    }

    /// Waits until a block of `len` bytes may be read.
    pub(super) async fn admit(&self, len: u32) -> Admission {
        let permit = self.admission.clone().acquire_many_owned(len).await;
        Admission { _permit: permit.expect("the semaphore is never closed") }
    }

    /// An empty buffer.
    pub(super) fn take(&self) -> Vec<u8> {
        let spare = self.spare.lock().expect("nobody panics with the lock held").pop();
        spare.unwrap_or_else(|| Vec::with_capacity(self.size))
    }

    /// Takes a buffer back.
    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.lock().expect("nobody panics with the lock held");
        if spare.len() * self.size < SPARE {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// Bytes that readers may hold and the disk may owe: some milliseconds at 10 Gbit/s.
const UNDER_WAY: usize = 8 * 1024 * 1024;

/// Bytes of buffers that are kept for later.
const SPARE: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_came_back_is_empty_and_used_again() {
        let buffers = Buffers::new(16);
        let mut buffer = buffers.take();
        buffer.extend([1; 16]);
        let memory = buffer.as_ptr();
        buffers.give(buffer);
        let again = buffers.take();
        assert!(again.is_empty() && again.as_ptr() == memory);
    }

    #[tokio::test]
    async fn readers_wait_while_too_much_is_under_way() {
        let buffers = Buffers::new(16);
        let first = buffers.admit(u32::try_from(UNDER_WAY).unwrap()).await;
        let second = tokio::spawn(async move { buffers.admit(1).await });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap();
    }
}
