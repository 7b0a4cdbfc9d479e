//! The peer: it fetches the archive, puts the tree in place, and then serves others for a while.
//!
//! [`prepare`] checks whatever can be checked before a byte moves, so that a request that can't
//! be met is refused at once. From then on the peer is on its own: [`life`] is the loop, `stage`
//! the work that blocks, [`terms`] how long it goes on.

mod life;
mod prepare;
mod stage;
mod terms;

use std::process::ExitCode;

use murder_protocol::verbs::{Destination, PeerStart, Role};
use serde::Serialize;

use super::post::{Post, runtime};
use crate::detach::Started;
use life::Life;
use prepare::Prepared;

/// What makes two peers of a tag the same.
#[derive(Serialize)]
pub(crate) struct PeerJob<'a> {
    pub(crate) info_hash: String,
    pub(crate) destination: &'a Destination,
}

/// Plays the role, from its request on stdin to its end.
pub(super) fn run() -> ExitCode {
    let (started, request) = match Started::receive::<PeerStart>() {
        Ok(both) => both,
        Err(error) => {
            eprintln!("murder-agent: the request can't be read: {error}");
            return ExitCode::from(2);
        }
    };
    let post = Post::take(Role::Peer, &request.tag);
    match post.and_then(|post| Ok((post, runtime()?))) {
        Ok((post, runtime)) => {
            let code = runtime.block_on(play(started, request, post));
            // A thread that hangs in the kernel must not hold the process.
            runtime.shutdown_background();
            code
        }
        Err(failure) => {
            started.failed(failure);
            ExitCode::FAILURE
        }
    }
}

async fn play(started: Started, request: PeerStart, post: Post) -> ExitCode {
    post.outlast_panics();
    let prepared = match Prepared::check(&request, &post) {
        Ok(prepared) => prepared,
        Err(failure) => {
            post.log.line(format_args!("refused: {failure}"));
            started.failed(failure);
            return ExitCode::FAILURE;
        }
    };
    let life = Life::begin(request, prepared, post);
    if let Err(error) = started.ready(&(), life.log()) {
        life.log().line(format_args!("could not let go of the parent: {error}"));
        return ExitCode::FAILURE;
    }
    // Beside the engine: the first thread would have to be woken for each piece.
    let life = tokio::spawn(life.run());
    life.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
