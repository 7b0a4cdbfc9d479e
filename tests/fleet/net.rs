//! The fleet that these tests run on, with `murder` on its laptop.

use std::ops::Deref;

use murder_testfleet::Plan;
pub(crate) use murder_testfleet::{Host, Link, PROGRAMS as BIN, missing};

/// Hosts with a `sshd` each, and a laptop with `murder`.
pub(crate) struct Fleet(murder_testfleet::Fleet);

impl Fleet {
    /// Brings up so many hosts, each ready for SSH from the laptop.
    pub(crate) fn up(count: usize) -> Self {
        let programs = vec![env!("CARGO_BIN_EXE_murder").into()];
        Self(murder_testfleet::Fleet::up(&Plan { hosts: count, sshd: true, programs }))
    }
}

impl Deref for Fleet {
    type Target = murder_testfleet::Fleet;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
