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
    changed: Condvar,
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
        Self { lengths, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The piece is here now too.
    pub fn arrived(&self, piece: PieceIndex) {
        let mut state = self.state();
        if state.have.insert(piece) {
            state.fresh.push_back(piece);
            if let Some(plan) = &mut state.plan {
                plan.arrived(&range(&self.lengths, piece));
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the next piece that was not here at the beginning; there is none any more when
    /// all are here, or when it was stopped.
    pub fn next_piece(&self) -> Option<PieceIndex> {
        let came = |state: &State| !state.fresh.is_empty() || state.have.is_full();
        self.wait(came).ok()?.fresh.pop_front()
    }

    /// Whether all are here.
    pub fn are_all_here(&self) -> bool {
        self.state().have.is_full()
    }

    /// Ends those that wait, and lets the others end soon.
    pub fn stop(&self) {
        self.state().is_stopped = true;
        self.changed.notify_all();
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
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The member is unpacked.
    pub(super) fn done(&self, member: usize) {
        if let Some(plan) = &mut self.state().plan {
            plan.done(member);
        }
        self.changed.notify_all();
    }

    /// Hands out members no more.
    pub(super) fn give_up_members(&self) {
        self.state().plan = None;
        self.changed.notify_all();
    }

    /// Waits for the piece.
    pub(super) fn wait_for(&self, piece: PieceIndex) -> Result<(), Stopped> {
        self.wait(|state| state.have.contains(piece)).map(drop)
    }

    fn wait(&self, is_so: impl Fn(&State) -> bool) -> Result<MutexGuard<'_, State>, Stopped> {
        let mut state = self.state();
        while !state.is_stopped && !is_so(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
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
