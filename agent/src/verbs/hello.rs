//! `hello`: says who the agent is.

use murder_protocol::verbs::{Hello, HelloReply};
use murder_protocol::{Blame, Failure, PROTOCOL};
use sha2::{Digest as _, Sha256};

use crate::home::Home;
use crate::verbs::Replies;

pub(super) fn run(_: Hello, home: &Home, _: &mut Replies<Hello>) -> Result<HelloReply, Failure> {
    let executable = std::fs::read("/proc/self/exe").map_err(|error| {
        Failure::new(Blame::Host, format!("could not read the agent's own executable: {error}"))
    })?;
    let digest = Sha256::digest(&executable);
    Ok(HelloReply {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        home: home.root().to_string_lossy().into_owned(),
    })
}
