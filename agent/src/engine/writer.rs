//! The task that writes one connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use murder_swarm::Block;
use murder_swarm::torrent::ConnId;
use murder_swarm::wire::{self, Message};
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::drive::Input;
use crate::disk::Archive;

/// What the core wants sent.
#[derive(Debug)]
pub(super) enum Outgoing {
    Message(Message),
    Block(Block),
}

/// Why writing ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteEnd {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the other side took nothing for {} s", STALLED.as_secs())]
    Stalled,
    #[error("the archive became shorter while it was served")]
    Truncated,
    #[error("the engine stopped")]
    Stopped,
}

/// What one connection's writer works with.
pub(super) struct Writer {
    pub(super) conn: ConnId,
    pub(super) stream: OwnedWriteHalf,
    pub(super) queue: mpsc::Receiver<Outgoing>,
    pub(super) archive: Arc<Archive>,
    pub(super) inputs: mpsc::Sender<Input>,
}

impl Writer {
    /// Sends what is queued, until the connection ends.
    pub(super) async fn run(mut self) -> WriteEnd {
        loop {
            match self.batch().await {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    /// Waits for something to send, and sends all there is. Messages leave together, and the
    /// header of a block with its payload.
    async fn batch(&mut self) -> Result<(), WriteEnd> {
        let mut bytes = Vec::new();
        let mut next = Some(self.queue.recv().await.ok_or(WriteEnd::Stopped)?);
        while let Some(outgoing) = next {
            match outgoing {
                Outgoing::Message(message) => wire::encode(&message, &mut bytes),
                Outgoing::Block(block) => {
                    let header =
                        wire::encode_block_header(block.piece.get(), block.begin, block.len);
                    bytes.extend(header);
                    self.send(&bytes, SendFlags::MORE).await?;
                    bytes.clear();
                    self.send_file(block).await?;
                    let sent = Input::Sent { conn: self.conn, block };
                    self.inputs.send(sent).await.map_err(|_| WriteEnd::Stopped)?;
                }
            }
            next = self.queue.try_recv().ok();
        }
        self.send(&bytes, SendFlags::empty()).await
    }

    async fn send(&self, mut bytes: &[u8], flags: SendFlags) -> Result<(), WriteEnd> {
        let stream: &TcpStream = self.stream.as_ref();
        while !bytes.is_empty() {
            let attempt = || {
                let sent = rustix::net::send(stream, bytes, flags | SendFlags::NOSIGNAL)?;
                Ok::<_, io::Error>(sent)
            };
            let sent = taken(timeout(STALLED, stream.async_io(Interest::WRITABLE, attempt)).await)?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Sends a payload from the page cache to the socket without a copy through this process.
    async fn send_file(&self, block: Block) -> Result<(), WriteEnd> {
        let stream: &TcpStream = self.stream.as_ref();
        let lengths = self.archive.lengths();
        let piece = lengths.offset(block.piece);
        if block.begin == 0 {
            // Whoever asks for a piece's beginning wants the rest as well.
            self.archive.will_need(piece, u64::from(lengths.size(block.piece)));
        }
        let mut at = piece + u64::from(block.begin);
        let end = at + u64::from(block.len);
        while at < end {
            let count = usize::try_from(end - at).expect("a block's length has 32 bits");
            let attempt = || {
                let mut offset = at;
                let sent =
                    rustix::fs::sendfile(stream, self.archive.file(), Some(&mut offset), count)?;
                Ok::<_, io::Error>(sent)
            };
            let sent = taken(timeout(STALLED, stream.async_io(Interest::WRITABLE, attempt)).await)?;
            if sent == 0 {
                return Err(WriteEnd::Truncated);
            }
            at += sent as u64;
        }
        Ok(())
    }
}

fn taken(sent: Result<io::Result<usize>, tokio::time::error::Elapsed>) -> Result<usize, WriteEnd> {
    match sent {
        Err(_) => Err(WriteEnd::Stalled),
        Ok(Err(error)) => Err(error.into()),
        Ok(Ok(count)) => Ok(count),
    }
}

/// How long a peer may take nothing of what is sent to it.
const STALLED: Duration = Duration::from_secs(60);
