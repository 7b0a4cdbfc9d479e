//! One torrent as one of its peers sees it.

mod config;
mod output;

use std::net::SocketAddr;

use crate::wire::{Message, PeerId};
use crate::{Block, Lengths, PieceIndex, PieceSet, Time};

pub use config::Config;
pub use output::{
    BlockUse, Check, ConnId, Deadline, Direction, DisconnectReason, Link, Output, Refused, Stats,
    Violation, Wait,
};

/// A torrent without IO.
///
/// The driver calls one of the `handle_*` methods for each thing that happens, then
/// [`Torrent::poll_output`] until it returns `None`, then reads [`Torrent::poll_deadline`] and
/// calls [`Torrent::handle_timeout`] when that time has come.
pub struct Torrent {
    have: PieceSet,
    outputs: std::collections::VecDeque<Output>,
}

impl Torrent {
    /// A torrent of which these pieces are here and verified.
    pub fn new(
        _lengths: Lengths,
        have: PieceSet,
        _me: PeerId,
        _config: Config,
        _seed: u64,
        _now: Time,
    ) -> Self {
        Self { have, outputs: std::collections::VecDeque::new() }
    }

    /// The tracker knows of these peers.
    pub fn handle_candidates(&mut self, _now: Time, _peers: &[SocketAddr]) {}

    /// A dial did not end in a connection.
    pub fn handle_dial_failed(&mut self, _now: Time, _addr: SocketAddr) {}

    /// Handshakes were exchanged.
    pub fn handle_connected(&mut self, _now: Time, _link: Link) -> Result<ConnId, Refused> {
        Err(Refused::Full(0))
    }

    /// A message came.
    pub fn handle_message(&mut self, _now: Time, _conn: ConnId, _message: Message) {}

    /// A block came whole.
    pub fn handle_block(
        &mut self,
        _now: Time,
        _conn: ConnId,
        _index: u32,
        _begin: u32,
        _len: u32,
    ) -> BlockUse {
        BlockUse::Discard
    }

    /// A [`Output::SendBlock`] has left for the kernel.
    pub fn handle_block_sent(&mut self, _now: Time, _conn: ConnId, _block: Block) {}

    /// A [`Output::CheckPiece`] was carried out.
    pub fn handle_piece_checked(&mut self, _now: Time, _piece: PieceIndex, _check: Check) {}

    /// The other side closed the connection, or it broke.
    pub fn handle_disconnected(&mut self, _now: Time, _conn: ConnId) {}

    /// The time of [`Torrent::poll_deadline`] has come.
    pub fn handle_timeout(&mut self, _now: Time) {}

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Torrent::handle_timeout`].
    pub fn poll_deadline(&self) -> Option<Deadline> {
        None
    }

    /// The pieces that are here and verified.
    pub fn have(&self) -> &PieceSet {
        &self.have
    }

    /// How it is doing at this time.
    pub fn stats(&self, _now: Time) -> Stats {
        Stats::default()
    }
}
