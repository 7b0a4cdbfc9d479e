//! The clock that all processes of the machine share.

use rustix::time::{ClockId, clock_gettime};

/// Seconds since the machine booted.
pub(crate) fn now() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
