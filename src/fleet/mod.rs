//! Many hosts at once: a bounded window of them at a time, and one outcome for each.

mod fan_out;
mod result;

pub use fan_out::{Done, Ended, FanOut, Job, Limits};
pub use result::{HostResult, Outcome};
