//! The agent of the machine where `murder` runs, for a verb that needs no folder of its own.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;

use murder_protocol::verbs::Verb;
use murder_protocol::{Blame, Failure};
use rustix::fs::{MemfdFlags, memfd_create};

use super::call::Stream;
use super::child::Child;
use crate::agents::Agents;

/// Starts a verb here. The agent is in memory only, so nothing of it is left, however this ends.
///
/// # Errors
///
/// There is no agent for this machine, or it can't be started.
pub async fn stream_here<V: Verb>(agents: &Agents, request: &V) -> Result<Stream<V>, Failure> {
    let uname = rustix::system::uname();
    let (system, machine) = (uname.sysname().to_string_lossy(), uname.machine().to_string_lossy());
    let agent = agents
        .for_machine(&format!("{system} {machine}"))
        .map_err(|failure| failure.hint(OTHERWISE))?;
    let start = || {
        let file = in_memory(&agent.unpacked()?)?;
        // The child's own descriptors are not ours, so it is named by our process.
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        Child::local(&path, &[V::NAME])
    };
    let child = start().map_err(|error| {
        let text = format!("the agent can't be started: {error}");
        Failure::new(Blame::Operator, text).hint(OTHERWISE)
    })?;
    Ok(Stream::of(child, "this machine".to_owned(), request).await)
}

fn in_memory(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(memfd_create(c"murder-agent", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

/// What works without an agent here.
const OTHERWISE: &str = "use files_path= with a path on the seeder";
