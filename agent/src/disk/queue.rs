//! Jobs in line: those of one piece one after the other, those of different pieces at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};

use murder_swarm::PieceIndex;

/// A line of jobs a piece, and the threads that wait for them.
///
/// Whoever serves a piece has its state `S` and gets everything in its line at once. Jobs that
/// come meanwhile wait for the same thread, which has what it needs in its cache, and nobody else
/// is woken for them. Nor is anybody for a job that can be done with the next ones.
#[derive(Debug)]
pub(super) struct Queue<J, S> {
    lines: Mutex<Lines<J, S>>,
    news: Condvar,
}

/// What a thread has taken; to be given back with [`Queue::put_back`].
#[derive(Debug)]
pub(super) struct Taken<J, S> {
    pub(super) piece: PieceIndex,
    pub(super) jobs: Vec<J>,
    pub(super) state: S,
}

#[derive(Debug)]
struct Lines<J, S> {
    of: BTreeMap<PieceIndex, Line<J, S>>,
    /// Pieces with jobs that nobody serves, in the order in which they came.
    ready: VecDeque<PieceIndex>,
    /// Pieces with jobs that wait for more.
    held: Vec<PieceIndex>,
    open: bool,
}

/// When a job is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// As soon as a thread has time.
    Now,
    /// With the next jobs of its piece, or when as many wait as may.
    Together,
}

#[derive(Debug)]
struct Line<J, S> {
    jobs: Vec<J>,
    /// Nothing while a thread serves the piece.
    state: Option<S>,
}

impl<J, S: Default> Queue<J, S> {
    pub(super) fn new() -> Self {
        let (of, ready, held) = Default::default();
        let lines = Lines { of, ready, held, open: true };
        Self { lines: Mutex::new(lines), news: Condvar::new() }
    }

    /// Puts a job at the end of a piece's line.
    pub(super) fn push(&self, piece: PieceIndex, job: J, when: When) {
        let mut lines = self.lock();
        let Lines { of, ready, held, .. } = &mut *lines;
        let new = || Line { jobs: Vec::new(), state: Some(S::default()) };
        let line = of.entry(piece).or_insert_with(new);
        line.jobs.push(job);
        let first = line.jobs.len() == 1;
        if line.state.is_none() || !first && !held.contains(&piece) {
            // Whoever serves the piece, or is about to, does this as well.
            return;
        }
        if first {
            held.push(piece);
        }
        if when == When::Now || line.jobs.len() == TOGETHER {
            held.retain(|waits| *waits != piece);
            ready.push_back(piece);
            self.news.notify_one();
        } else if held.len() == MOST_HELD {
            ready.extend(held.drain(..));
            self.news.notify_all();
        }
    }

    /// Waits for jobs. Nothing when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Taken<J, S>> {
        let mut lines = self.lock();
        loop {
            if let Some(piece) = lines.ready.pop_front() {
                let line = lines.of.get_mut(&piece).expect("a piece that is ready has a line");
                let state = line.state.take().expect("nobody serves a piece that is ready");
                return Some(Taken { piece, jobs: std::mem::take(&mut line.jobs), state });
            }
            if !lines.open {
                return None;
            }
            lines = self.news.wait(lines).expect("no thread panics with the lock held");
        }
    }

    /// Ends the service of a piece, whose state is kept for its next jobs if there is any.
    pub(super) fn put_back(&self, piece: PieceIndex, state: Option<S>) {
        let mut lines = self.lock();
        let Lines { of, ready, .. } = &mut *lines;
        let Some(line) = of.get_mut(&piece) else { return };
        match (line.jobs.is_empty(), state) {
            (true, None) => drop(of.remove(&piece)),
            (true, state) => line.state = state,
            (false, state) => {
                // The thread that says this takes next.
                line.state = Some(state.unwrap_or_default());
                ready.push_back(piece);
            }
        }
    }

    /// Lets the threads go once nothing is left.
    pub(super) fn close(&self) {
        let mut lines = self.lock();
        let Lines { ready, held, open, .. } = &mut *lines;
        ready.extend(held.drain(..));
        *open = false;
        self.news.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Lines<J, S>> {
        self.lines.lock().expect("no thread panics with the lock held")
    }
}

/// So many jobs of a piece are worth waking a thread for. Each could be the only one that comes in
/// a while, and on slow links mostly is.
const TOGETHER: usize = 4;
/// So many pieces at the most have jobs that wait.
const MOST_HELD: usize = 4;
/// So many jobs, each a block, wait for others at the most.
pub const MOST_WAITING: usize = MOST_HELD * (TOGETHER - 1);

#[cfg(test)]
mod tests {
    use super::*;
    use murder_swarm::Lengths;

    fn pieces() -> [PieceIndex; 2] {
        let lengths = Lengths::new(2, 1).unwrap();
        [0, 1].map(|index| lengths.piece(index).unwrap())
    }

    fn take(queue: &Queue<u32, u32>) -> (PieceIndex, Vec<u32>, u32) {
        let Taken { piece, jobs, state } = queue.take().unwrap();
        (piece, jobs, state)
    }

    #[test]
    fn a_piece_is_served_by_one_thread_and_others_meanwhile() {
        let (queue, [a, b]) = (Queue::new(), pieces());
        queue.push(a, 1, When::Now);
        queue.push(a, 2, When::Now);
        assert_eq!(take(&queue), (a, vec![1, 2], 0));
        queue.push(a, 3, When::Now);
        queue.push(b, 4, When::Now);
        assert_eq!(take(&queue), (b, vec![4], 0));
        queue.put_back(a, Some(7));
        assert_eq!(take(&queue), (a, vec![3], 7));
    }

    #[test]
    fn the_state_waits_for_the_next_job_and_is_new_after_the_end() {
        let (queue, [a, _]) = (Queue::new(), pieces());
        for (state, kept) in [(0, Some(5)), (5, None), (0, None)] {
            queue.push(a, 1, When::Now);
            assert_eq!(take(&queue), (a, vec![1], state));
            queue.put_back(a, kept);
        }
    }

    #[test]
    fn a_job_that_can_wait_does_until_there_are_some_or_one_that_can_not() {
        let (queue, [a, b]) = (Queue::new(), pieces());
        queue.push(a, 1, When::Together);
        queue.push(b, 5, When::Together);
        queue.push(b, 6, When::Now);
        assert_eq!(take(&queue), (b, vec![5, 6], 0));
        for job in 2..=TOGETHER as u32 {
            assert!(queue.lock().ready.is_empty());
            queue.push(a, job, When::Together);
        }
        // Its thread is awake, and takes what comes until it does.
        queue.push(a, 7, When::Together);
        assert_eq!(take(&queue), (a, vec![1, 2, 3, 4, 7], 0));
        queue.push(a, 8, When::Together);
        queue.put_back(a, Some(0));
        assert_eq!(take(&queue), (a, vec![8], 0));
    }

    #[test]
    fn jobs_of_many_pieces_do_not_wait_for_each_other() {
        let (queue, lengths) = (Queue::new(), Lengths::new(9, 1).unwrap());
        let pieces = [0, 1, 2, 3, 4].map(|index| lengths.piece(index).unwrap());
        pieces.iter().for_each(|piece| queue.push(*piece, 1, When::Together));
        for piece in &pieces[..MOST_HELD] {
            assert_eq!(take(&queue), (*piece, vec![1], 0));
        }
        assert!(queue.lock().ready.is_empty());
    }

    #[test]
    fn a_closed_queue_is_emptied_first() {
        let (queue, [a, _]) = (Queue::<u32, u32>::new(), pieces());
        queue.push(a, 1, When::Together);
        queue.close();
        assert!(queue.take().is_some());
        assert!(queue.take().is_none());
    }
}
