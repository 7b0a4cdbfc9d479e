//! The tools that are measured, each behind the same few questions.

pub(crate) mod aria2;
pub(crate) mod chain;
pub(crate) mod foreign;
pub(crate) mod libtorrent;
pub(crate) mod murder;
pub(crate) mod rqbit;
pub(crate) mod simulated;
pub(crate) mod udpcast;

use crate::Outcome;
use crate::field::Field;
use crate::record::Sample;

/// A way to get a file from one host to many.
pub(crate) trait Tool {
    /// What it is called in tables.
    fn name(&self) -> String;
    /// Which one it is.
    fn version(&self) -> String;
    /// How it is set, for whoever wants to repeat it.
    fn settings(&self) -> String;
    /// Distributes the field's file once. Processes and files that it leaves are swept away.
    fn run(&self, field: &Field) -> Outcome<Sample>;
}
