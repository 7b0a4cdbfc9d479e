//! Many hosts at once.

mod result;

pub use result::{HostResult, Outcome};
