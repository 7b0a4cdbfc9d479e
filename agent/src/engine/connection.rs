//! One connection: its two tasks, and the queue of what it is to send.

use std::net::SocketAddr;
use std::sync::Arc;

use murder_swarm::torrent::ConnId;
use murder_swarm::wire::Limits;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::AbortHandle;

use super::buffers::Buffers;
use super::drive::Input;
use super::reader::Reader;
use super::writer::{Outgoing, Writer};
use crate::blamed::chain;
use crate::disk::Archive;

/// A connection that the core knows. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) addr: SocketAddr,
    outgoing: mpsc::Sender<Outgoing>,
    tasks: [AbortHandle; 2],
}

/// What all connections share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) archive: Arc<Archive>,
    pub(super) limits: Limits,
    pub(super) buffers: Buffers,
    pub(super) inputs: mpsc::Sender<Input>,
}

impl Connection {
    /// Starts the tasks. Each says once why it ended.
    pub(super) fn start(
        shared: &Shared,
        conn: ConnId,
        addr: SocketAddr,
        stream: TcpStream,
    ) -> Self {
        let (read, write) = stream.into_split();
        let (outgoing, queue) = mpsc::channel(UNREAD);
        let reader = Reader {
            conn,
            stream: read,
            limits: shared.limits,
            buffers: shared.buffers.clone(),
            inputs: shared.inputs.clone(),
        };
        let writer = Writer {
            conn,
            stream: write,
            queue,
            archive: shared.archive.clone(),
            inputs: shared.inputs.clone(),
            unsent: None,
        };
        let inputs = shared.inputs.clone();
        let reading = tokio::spawn(async move {
            let why = chain(&reader.run().await);
            let _ = inputs.send(Input::Closed { conn, why }).await;
        });
        let inputs = shared.inputs.clone();
        let writing = tokio::spawn(async move {
            let why = chain(&writer.run().await);
            let _ = inputs.send(Input::Closed { conn, why }).await;
        });
        Self { addr, outgoing, tasks: [reading.abort_handle(), writing.abort_handle()] }
    }

    /// Queues something to be sent. On a connection that is about to end it is lost, as it would
    /// be a moment later.
    pub(super) fn send(&self, outgoing: Outgoing) -> Result<(), Deaf> {
        match self.outgoing.try_send(outgoing) {
            Err(TrySendError::Full(_)) => Err(Deaf),
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
        }
    }
}

/// Why a connection is to be closed.
#[derive(Debug, thiserror::Error)]
#[error("the other side asks and does not listen")]
pub(super) struct Deaf;

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Messages that wait for a peer to read. Each request of a peer may cost an answer, so without an
/// end to it one that asks and never reads could fill the memory. The most that a peer has a
/// reason to let wait is one answer to each request that it may have waiting, and one `have` a
/// piece.
const UNREAD: usize = 4096;
