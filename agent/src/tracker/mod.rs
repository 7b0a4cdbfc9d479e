//! The tracker: who has what, and how far each host of a run is.

pub mod run;
mod serial;
mod verdict;
