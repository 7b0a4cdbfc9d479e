//! Fleets on one machine, for the tests and the benchmark: hosts that are network, mount, UTS and
//! PID namespaces, joined by a bridge, and a laptop.
//!
//! A fleet is a PID namespace whose first process reads a pipe from the program that set it up.
//! When that program ends, in whatever way, the pipe closes and the kernel ends all of the fleet:
//! processes, network, mounts and what is in the hosts' folders, which are in memory.
//!
//! All traffic stays inside the namespaces and no name is the machine's, so every fleet has the
//! same addresses and several can be up at once. Whatever can't be set up panics: nothing that
//! needs a fleet can go on without it.
//!
//! A [`Farm`] is another thing: one sshd in the place of thousands, to see what those cost the
//! workstation.

mod cost;
mod farm;
mod fleet;
mod host;
mod link;
mod setup;

pub use cost::Cost;
pub use farm::{Farm, Homes, missing_for_farm};
pub use fleet::{Fleet, Plan, missing};
pub use host::{Host, PROGRAMS, child_of};
pub use link::{Link, Socket, State, Traffic};
pub use setup::has;
