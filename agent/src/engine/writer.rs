//! The task that writes one connection.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use murder_swarm::Block;
use murder_swarm::torrent::{ConnId, SHORT_BLOCK};
use murder_swarm::wire::{self, Message};
use rustix::net::SendFlags;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

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
    /// Bytes that the kernel may hold beyond the congestion window until the socket counts as full.
    pub(super) unsent: Option<u32>,
}

impl Writer {
    /// Sends what is queued, until the connection ends. The core drops a peer that reads nothing.
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
        let mut outbox = Outbox::default();
        outbox.put(self.queue.recv().await.ok_or(WriteEnd::Stopped)?);
        loop {
            while let Ok(outgoing) = self.queue.try_recv() {
                outbox.put(outgoing);
            }
            match outbox.later.pop_front() {
                Some(Outgoing::Message(message)) => wire::encode(&message, &mut outbox.bytes),
                Some(Outgoing::Block(block)) => {
                    let header =
                        wire::encode_block_header(block.piece.get(), block.begin, block.len);
                    outbox.bytes.extend(header);
                    self.send(&outbox.bytes, SendFlags::MORE).await?;
                    outbox.bytes.clear();
                    self.leave_unsent(unsent_before(block))?;
                    self.send_file(block).await?;
                    let sent = Input::Sent { conn: self.conn, block };
                    self.inputs.send(sent).await.map_err(|_| WriteEnd::Stopped)?;
                }
                None => return self.send(&outbox.bytes, SendFlags::empty()).await,
            }
        }
    }

    fn leave_unsent(&mut self, bytes: u32) -> io::Result<()> {
        if self.unsent != Some(bytes) {
            SockRef::from(self.stream.as_ref()).set_tcp_notsent_lowat(bytes)?;
            self.unsent = Some(bytes);
        }
        Ok(())
    }

    async fn send(&self, mut bytes: &[u8], flags: SendFlags) -> Result<(), WriteEnd> {
        let stream: &TcpStream = self.stream.as_ref();
        while !bytes.is_empty() {
            let attempt = || {
                let sent = rustix::net::send(stream, bytes, flags | SendFlags::NOSIGNAL)?;
                Ok::<_, io::Error>(sent)
            };
            let sent = stream.async_io(Interest::WRITABLE, attempt).await?;
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
            let sent = stream.async_io(Interest::WRITABLE, attempt).await?;
            if sent == 0 {
                return Err(WriteEnd::Truncated);
            }
            at += sent as u64;
        }
        Ok(())
    }
}

/// What waits to be sent. Messages go before blocks, as somebody waits for most of them. A choke
/// stays behind the blocks that were promised before it, and so does what comes after it: who is
/// choked may take no more (BEP 3).
#[derive(Debug, Default)]
struct Outbox {
    /// Messages that go first.
    bytes: Vec<u8>,
    later: VecDeque<Outgoing>,
}

impl Outbox {
    fn put(&mut self, outgoing: Outgoing) {
        let is_choke = |one: &Outgoing| matches!(one, Outgoing::Message(Message::Choke));
        match outgoing {
            Outgoing::Message(message)
                if self.later.is_empty()
                    || message != Message::Choke && !self.later.iter().any(is_choke) =>
            {
                wire::encode(&message, &mut self.bytes);
            }
            outgoing => self.later.push_back(outgoing),
        }
    }
}

/// How much of what goes before a block the kernel may hold. The block is written at once even so,
/// so the wire is busy between two wakes, and messages wait behind no more than that. Who asks for
/// long blocks takes them in no time, and each wake costs as much as on a slow link.
fn unsent_before(block: Block) -> u32 {
    if block.len <= SHORT_BLOCK { SHORT_BLOCK } else { UNSENT_FAST }
}

/// What the kernel may hold for who asks for long blocks. 1 Gbit/s carries it in 2 ms.
const UNSENT_FAST: u32 = 256 * 1024;

#[cfg(test)]
mod tests {
    use murder_swarm::{Lengths, PieceIndex};

    use super::*;

    #[test]
    fn messages_go_before_blocks_but_not_before_a_choke_that_waits_behind_some() {
        let lengths = Lengths::new(16, 16).unwrap();
        let piece: PieceIndex = lengths.piece(0).unwrap();
        let block = Block { piece, begin: 0, len: 16 };
        let mut outbox = Outbox::default();
        for message in [Message::Choke, Message::Unchoke] {
            outbox.put(Outgoing::Message(message));
        }
        outbox.put(Outgoing::Block(block));
        outbox.put(Outgoing::Message(Message::Have(7)));
        assert_eq!(outbox.later.len(), 1);
        for message in [Message::Choke, Message::Have(8), Message::Unchoke] {
            outbox.put(Outgoing::Message(message));
        }
        let mut first = Vec::new();
        for message in [Message::Choke, Message::Unchoke, Message::Have(7)] {
            wire::encode(&message, &mut first);
        }
        assert_eq!(outbox.bytes, first);
        let later: Vec<_> = outbox.later.iter().map(|one| format!("{one:?}")).collect();
        assert_eq!(later[1..], ["Message(Choke)", "Message(Have(8))", "Message(Unchoke)"]);
    }
}
