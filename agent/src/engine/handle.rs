//! Starting an engine, and what its owner sees of it.

use std::net::SocketAddr;
use std::sync::Arc;

use murder_swarm::metainfo::Metainfo;
use murder_swarm::torrent::Config;
use murder_swarm::wire::PeerId;
use murder_swarm::{PieceIndex, PieceSet};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::drive::{Drive, Input};
use super::listener::Listener;
use crate::disk::{Archive, DiskError};

/// What an engine works on.
#[derive(Debug)]
pub struct Options {
    /// The torrent.
    pub metainfo: Arc<Metainfo>,
    /// Its archive, open for reading, or for writing as well if pieces are missing.
    pub archive: Arc<Archive>,
    /// The pieces that are verified.
    pub have: PieceSet,
    /// This agent's name in the swarm.
    pub me: PeerId,
    /// Where it listens.
    pub listener: Listener,
    /// The core's numbers.
    pub config: Config,
    /// The core's chance.
    pub seed: u64,
}

/// What an engine tells its owner.
#[derive(Debug)]
pub enum Event {
    /// It could use more addresses.
    WantPeers,
    /// A piece is verified and in the file.
    Verified(PieceIndex),
    /// Every piece is verified and in the file.
    Complete,
    /// Something for the log.
    Note(String),
    /// The disk failed; the engine ended.
    Failed(DiskError),
}

/// How far an engine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of verified pieces.
    pub have: u64,
    /// Bytes of pieces sent.
    pub uploaded: u64,
    /// Bytes of pieces received, wasted ones included.
    pub downloaded: u64,
    /// Bytes of pieces received for nothing.
    pub wasted: u64,
    /// Open connections.
    pub connections: usize,
}

/// A running engine. Dropping it ends it.
#[derive(Debug)]
pub struct Engine {
    inputs: mpsc::Sender<Input>,
    progress: watch::Receiver<Progress>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Engine {
    /// Starts an engine. Must be called within a tokio runtime.
    pub fn start(options: Options) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, received) = mpsc::unbounded_channel();
        let (publish, progress) = watch::channel(Progress::default());
        let address = options.listener.address();
        let (drive, inputs) = Drive::new(options, events, publish);
        let task = tokio::spawn(drive.run());
        (Self { inputs, progress, address, task }, received)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How far it is now.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits until so many bytes are verified, or the engine has ended.
    pub async fn reached(&self, bytes: u64) {
        let _ = self.progress.clone().wait_for(|progress| progress.have >= bytes).await;
    }

    /// Passes on addresses of members of the swarm.
    pub async fn candidates(&self, peers: Vec<SocketAddr>) {
        // An engine that ended has said why.
        let _ = self.inputs.send(Input::Candidates(peers)).await;
    }

    /// Ends it, and returns once its sockets are closed and its disk threads are done.
    pub async fn stop(mut self) {
        let _ = self.inputs.send(Input::Stop).await;
        let _ = (&mut self.task).await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.task.abort();
    }
}
