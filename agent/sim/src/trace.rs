//! The course of a run as one number.

use murder_swarm::Time;

/// FNV-1a over everything that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace(u64);

impl Trace {
    pub(crate) fn new() -> Self {
        Self(OFFSET)
    }

    /// Adds one event: when, of what kind, and its numbers.
    pub(crate) fn add(&mut self, at: Time, kind: u8, numbers: [u64; 2]) {
        for word in [at.as_micros(), kind.into(), numbers[0], numbers[1]] {
            self.0 = (self.0 ^ word).wrapping_mul(PRIME);
        }
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
