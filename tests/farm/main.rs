//! `murder` and many hosts that one sshd plays: how it gets in where too many come at once, what
//! it costs here, and what it leaves. Needs sshd, but not root.

mod crowd;
mod strange;

use std::io::Write as _;

use murder_testfleet::{Farm, missing_for_farm};

/// A farm, or `None` where there can't be one, after saying so past the test's captured output.
fn farm(settings: &str) -> Option<Farm> {
    match missing_for_farm() {
        // The default key exchange costs three times the CPU, and is not what is tested.
        None => Some(Farm::up(&format!("KexAlgorithms curve25519-sha256\n{settings}"))),
        Some(why) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            writeln!(std::io::stderr(), "LEFT OUT: {test}: farm tests can't run here: {why}")
                .expect("stderr can be written");
            None
        }
    }
}
