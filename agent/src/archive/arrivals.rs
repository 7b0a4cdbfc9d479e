//! Which pieces of an archive are here, for threads that unpack it while the others still come.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use murder_swarm::{Lengths, PieceIndex, PieceSet};

use super::members::Members;
use super::plan::Plan;

/// The pieces that are verified and in the file; shared by whoever learns of them and the threads
/// that wait for them.
#[derive(Debug)]
pub struct Arrivals {
    lengths: Lengths,
    state: Mutex<State>,
    /// Many pieces are fresh, or the last one is here.
    many: Condvar,
    /// A member can be unpacked, or none ever will be.
    members: Condvar,
    /// One more piece is here.
    one: Condvar,
}

#[derive(Debug)]
struct State {
    have: PieceSet,
    /// Those that came since the beginning and were not told yet.
    fresh: VecDeque<PieceIndex>,
    plan: Option<Plan>,
    is_stopped: bool,
}

/// Nobody wants the tree any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped;

impl Arrivals {
    /// These pieces are here from the beginning.
    pub fn new(lengths: Lengths, have: PieceSet) -> Self {
        let state = State { have, fresh: VecDeque::new(), plan: None, is_stopped: false };
        let (many, members, one) = Default::default();
        Self { lengths, state: Mutex::new(state), many, members, one }
    }

    /// The piece is here now too. Only who has something to do now is woken.
    pub fn arrived(&self, piece: PieceIndex) {
        let mut state = self.state();
        if !state.have.insert(piece) {
            return;
        }
        state.fresh.push_back(piece);
        let fresh = state.fresh.len() as u64 * u64::from(self.lengths.piece_length());
        let are_many = fresh >= MANY || state.have.is_full();
        let can_unpack = state.plan.as_mut().is_some_and(|plan| {
            plan.arrived(&range(&self.lengths, piece));
            plan.has_ready()
        });
        drop(state);
        self.one.notify_all();
        if are_many {
            self.many.notify_one();
        }
        if can_unpack {
            self.members.notify_all();
        }
    }

    /// Waits for the next piece that was not here at the beginning; there is none any more when
    /// all are here, or when it was stopped. Pieces that come alone are told of when there are
    /// some, and at the end.
    pub fn next_piece(&self) -> Option<PieceIndex> {
        let came = |state: &State| !state.fresh.is_empty() || state.have.is_full();
        self.wait(&self.many, came).ok()?.fresh.pop_front()
    }

    /// Whether all are here.
    pub fn are_all_here(&self) -> bool {
        self.state().have.is_full()
    }

    /// Ends those that wait, and lets the others end soon.
    pub fn stop(&self) {
        self.state().is_stopped = true;
        for waiting in [&self.many, &self.members, &self.one] {
            waiting.notify_all();
        }
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.state().is_stopped
    }

    pub(super) const fn lengths(&self) -> Lengths {
        self.lengths
    }

    /// From now on hands out members.
    pub(super) fn plan(&self, members: &Members) {
        let mut plan = Plan::new(members.clone());
        let mut state = self.state();
        state.have.iter().for_each(|piece| plan.arrived(&range(&self.lengths, piece)));
        state.plan = Some(plan);
    }

    /// Waits for a member that can be unpacked; there is none any more when all are, or when they
    /// were given up or stopped.
    pub(super) fn next_member(&self) -> Option<usize> {
        let mut state = self.state();
        loop {
            let is_stopped = state.is_stopped;
            let plan = state.plan.as_mut().filter(|plan| !plan.is_over() && !is_stopped)?;
            if let Some(member) = plan.next() {
                return Some(member);
            }
            state = self.members.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The member is unpacked.
    pub(super) fn done(&self, member: usize) {
        if let Some(plan) = &mut self.state().plan {
            plan.done(member);
            if plan.has_ready() || plan.is_over() {
                self.members.notify_all();
            }
        }
    }

    /// Hands out members no more.
    pub(super) fn give_up_members(&self) {
        self.state().plan = None;
        self.members.notify_all();
    }

    /// Waits for the piece.
    pub(super) fn wait_for(&self, piece: PieceIndex) -> Result<(), Stopped> {
        self.wait(&self.one, |state| state.have.contains(piece)).map(drop)
    }

    fn wait(
        &self,
        news: &Condvar,
        is_so: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'_, State>, Stopped> {
        let mut state = self.state();
        while !state.is_stopped && !is_so(&state) {
            state = news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_stopped { Err(Stopped) } else { Ok(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn range(lengths: &Lengths, piece: PieceIndex) -> Range<u64> {
    let start = lengths.offset(piece);
    start..start + u64::from(lengths.size(piece))
}

/// Bytes of fresh pieces that are many.
const MANY: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::members::Begins;
    use super::*;

    const PIECE: u32 = 16_384;

    fn arrivals(pieces: u32) -> (Arrivals, Vec<PieceIndex>) {
        let lengths = Lengths::new(u64::from(pieces) * u64::from(PIECE), PIECE).unwrap();
        let all = (0..pieces).map(|index| lengths.piece(index).unwrap()).collect();
        (Arrivals::new(lengths, PieceSet::empty(&lengths)), all)
    }

    #[test]
    fn who_waits_for_pieces_gets_all_of_them_and_then_the_end() {
        let (arrivals, all) = arrivals(200);
        let told = thread::scope(|scope| {
            let told = scope.spawn(|| std::iter::from_fn(|| arrivals.next_piece()).collect());
            all.iter().for_each(|piece| arrivals.arrived(*piece));
            told.join().unwrap()
        });
        assert_eq!(all, Vec::from_iter::<Vec<_>>(told));
        assert!(arrivals.are_all_here());
    }

    #[test]
    fn each_member_is_handed_out_once_however_many_wait() {
        let (arrivals, all) = arrivals(8);
        let mut members = Members::new(100);
        (0..4).for_each(|_| members.push(2 * u64::from(PIECE), Begins::Entry));
        arrivals.plan(&members);
        let unpack = || {
            let each = std::iter::from_fn(|| arrivals.next_member());
            each.inspect(|member| arrivals.done(*member)).collect::<Vec<_>>()
        };
        let mut done = thread::scope(|scope| {
            let threads = [0; 3].map(|_| scope.spawn(unpack));
            all.iter().for_each(|piece| arrivals.arrived(*piece));
            threads.map(|thread| thread.join().unwrap()).concat()
        });
        done.sort_unstable();
        assert_eq!(done, [0, 1, 2, 3]);
    }

    #[test]
    fn whoever_waits_is_let_go_when_it_is_stopped() {
        let (arrivals, all) = arrivals(2);
        let mut members = Members::new(100);
        members.push(2 * u64::from(PIECE), Begins::Entry);
        arrivals.plan(&members);
        thread::scope(|scope| {
            let piece = scope.spawn(|| arrivals.next_piece());
            let member = scope.spawn(|| arrivals.next_member());
            let last = scope.spawn(|| arrivals.wait_for(all[1]));
            arrivals.stop();
            assert_eq!(piece.join().unwrap(), None);
            assert_eq!(member.join().unwrap(), None);
            assert_eq!(last.join().unwrap(), Err(Stopped));
        });
    }
}
