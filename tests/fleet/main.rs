//! The main job on hosts with a real `sshd` each. Needs root; `tests/run` installs the rest.

mod deploy;
mod disk_full;
mod doctor;
mod faults;
mod interop;
mod jump;
mod murder;
mod net;
mod readme;
mod session;
mod ssh;
#[path = "../common/tree.rs"]
mod tree;
mod warm;

use std::io::Write as _;

use net::Fleet;

/// A fleet, or `None` where there can't be one, after saying so past the test's captured output.
fn fleet_of(hosts: usize) -> Option<Fleet> {
    match net::missing() {
        None => Some(Fleet::up(hosts)),
        Some(why) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            writeln!(std::io::stderr(), "LEFT OUT: {test}: fleet tests can't run here: {why}")
                .expect("stderr can be written");
            None
        }
    }
}
