//! The task that reads one connection.

use std::io;

use murder_swarm::torrent::ConnId;
use murder_swarm::wire::{self, Decoded, Limits, Span, WireError};
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;

use super::buffers::Buffers;
use super::drive::Input;
use super::low_water;

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadEnd {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the other side closed the connection")]
    Closed,
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the engine stopped")]
    Stopped,
}

/// What one connection's reader works with.
pub(super) struct Reader {
    pub(super) conn: ConnId,
    pub(super) stream: OwnedReadHalf,
    pub(super) limits: Limits,
    pub(super) buffers: Buffers,
    pub(super) inputs: mpsc::Sender<Input>,
}

impl Reader {
    /// Passes on what comes, until the connection ends. The core drops a peer that says nothing.
    pub(super) async fn run(mut self) -> ReadEnd {
        let mut inbox = Inbox::default();
        loop {
            if let Err(end) = self.next(&mut inbox).await {
                return end;
            }
        }
    }

    async fn next(&mut self, inbox: &mut Inbox) -> Result<(), ReadEnd> {
        match wire::decode(inbox.bytes(), &self.limits)? {
            Decoded::NeedMore => inbox.fill(&mut self.stream).await,
            Decoded::Unknown { consumed, .. } => {
                inbox.consume(consumed);
                Ok(())
            }
            Decoded::Message { message, consumed } => {
                inbox.consume(consumed);
                self.pass_on(Input::Message { conn: self.conn, message }).await
            }
            Decoded::BlockHeader { span, consumed } => {
                inbox.consume(consumed);
                self.block(inbox, span).await
            }
        }
    }

    /// Reads a payload straight into the buffer that the disk will write from.
    async fn block(&mut self, inbox: &mut Inbox, span: Span) -> Result<(), ReadEnd> {
        let len = span.len as usize;
        let mut payload = self.buffers.take();
        let bytes = payload.bytes();
        bytes.reserve_exact(len);
        inbox.take_into(bytes, len);
        let mut low_water = 1;
        while bytes.len() < len {
            let missing = len - bytes.len();
            let mut part = (&mut self.stream).take(missing as u64);
            heard(part.read_buf(bytes).await)?;
            // What comes in slowly need not wake anybody with every packet.
            let wanted = (len - bytes.len()).clamp(1, MOST_WANTED);
            if wanted != low_water {
                low_water::set(self.stream.as_ref(), wanted)?;
                low_water = wanted;
            }
        }
        // Only now: a peer that sends half a block must not take the place of others.
        payload.wait_for_room().await;
        self.pass_on(Input::Block { conn: self.conn, span, payload }).await
    }

    async fn pass_on(&self, input: Input) -> Result<(), ReadEnd> {
        self.inputs.send(input).await.map_err(|_| ReadEnd::Stopped)
    }
}

/// Bytes that were read and not yet understood.
#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Inbox {
    fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Moves up to `len` bytes, those of a payload that were read with its header.
    fn take_into(&mut self, payload: &mut Vec<u8>, len: usize) {
        let count = len.min(self.bytes().len());
        payload.extend_from_slice(&self.bytes()[..count]);
        self.consume(count);
    }

    async fn fill(&mut self, stream: &mut OwnedReadHalf) -> Result<(), ReadEnd> {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.reserve(AT_ONCE);
        let mut part = stream.take(AT_ONCE as u64);
        heard(part.read_buf(&mut self.bytes).await)
    }
}

fn heard(read: io::Result<usize>) -> Result<(), ReadEnd> {
    match read? {
        0 => Err(ReadEnd::Closed),
        _ => Ok(()),
    }
}

/// Bytes read when a message is expected. What follows a block's header is copied once more, so
/// this is small against a block.
const AT_ONCE: usize = 4096;

/// Bytes that a reader waits for at the most. The kernel makes twice as much room for them.
const MOST_WANTED: usize = 64 * 1024;
