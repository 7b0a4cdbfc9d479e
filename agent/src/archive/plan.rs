//! Which members of an archive can be unpacked now: those whose bytes are all here, and whose
//! first entry was begun if they go on with it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::members::{Begins, Members};

/// The members that are still to be unpacked.
#[derive(Debug)]
pub(super) struct Plan {
    members: Members,
    waiting: Vec<Waiting>,
    ready: VecDeque<usize>,
    /// Members that are here and whose head is not unpacked, by that.
    behind: BTreeMap<usize, Vec<usize>>,
    /// Members that are not done.
    left: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// For so many more bytes.
    For(u64),
    Here,
    Done,
}

impl Plan {
    /// Nothing of the archive is here.
    pub(super) fn new(members: Members) -> Self {
        let bytes = |member| {
            let Range { start, end } = members.range(member);
            Waiting::For(end - start)
        };
        Self {
            waiting: (0..members.len()).map(bytes).collect(),
            ready: VecDeque::new(),
            behind: BTreeMap::new(),
            left: members.len(),
            members,
        }
    }

    /// A range of the archive is here now, which was not before.
    pub(super) fn arrived(&mut self, range: &Range<u64>) {
        for member in self.members.in_range(range) {
            let of_member = self.members.range(member);
            let bytes = of_member.end.min(range.end) - of_member.start.max(range.start);
            if let Waiting::For(missing) = &mut self.waiting[member] {
                *missing -= bytes;
                if *missing == 0 {
                    self.waiting[member] = Waiting::Here;
                    self.here(member);
                }
            }
        }
    }

    /// Takes the next member that can be unpacked.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.ready.pop_front()
    }

    /// Whether a member can be unpacked.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The member is unpacked.
    pub(super) fn done(&mut self, member: usize) {
        self.waiting[member] = Waiting::Done;
        self.left -= 1;
        self.ready.extend(self.behind.remove(&member).unwrap_or_default());
    }

    /// Whether all members are unpacked.
    pub(super) const fn is_over(&self) -> bool {
        self.left == 0
    }

    fn here(&mut self, member: usize) {
        let head = self.members.head(member);
        if self.members.begins(member) == Begins::Entry || self.waiting[head] == Waiting::Done {
            self.ready.push_back(member);
        } else {
            self.behind.entry(head).or_default().push(member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of ten bytes each.
    fn plan(begins: &[Begins]) -> Plan {
        let mut members = Members::new(100);
        begins.iter().for_each(|begins| members.push(10, *begins));
        Plan::new(members)
    }

    fn ready(plan: &mut Plan) -> Vec<usize> {
        std::iter::from_fn(|| plan.next()).collect()
    }

    #[test]
    fn a_member_is_ready_when_all_its_bytes_are_here_whatever_else_is() {
        let mut plan = plan(&[Begins::Entry; 4]);
        plan.arrived(&(16..32));
        assert_eq!(ready(&mut plan), [2]);
        plan.arrived(&(32..40));
        assert_eq!(ready(&mut plan), [3]);
        plan.arrived(&(0..16));
        assert_eq!(ready(&mut plan), [0, 1]);
        [0, 1, 2].into_iter().for_each(|member| plan.done(member));
        assert!(!plan.is_over());
        plan.done(3);
        assert!(plan.is_over());
    }

    #[test]
    fn a_member_that_goes_on_waits_for_the_one_that_began() {
        let mut plan = plan(&[Begins::Entry, Begins::Entry, Begins::Content, Begins::Content]);
        plan.arrived(&(20..40));
        plan.arrived(&(0..10));
        assert_eq!(ready(&mut plan), [0]);
        plan.done(0);
        assert_eq!(plan.next(), None);
        plan.arrived(&(10..20));
        assert_eq!(ready(&mut plan), [1]);
        plan.done(1);
        assert_eq!(ready(&mut plan), [2, 3]);
    }
}
