//! JSON lines over a stream, none longer than its reader allows.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Reads one message a line. Dropping a read that waits loses nothing.
#[derive(Debug)]
pub struct LineReader<R> {
    from: R,
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where there is no line feed.
    scanned: usize,
    limit: usize,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Reads lines of at most `limit` bytes. `before` was read from the stream already.
    pub fn new(from: R, before: Vec<u8>, limit: usize) -> Self {
        Self { from, buffer: before, start: 0, scanned: 0, limit }
    }

    /// The next message, or none once the other end has closed after a whole line.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        loop {
            if let Some(end) = self.line_end()? {
                let message = serde_json::from_slice(&self.buffer[self.start..end]);
                self.start = end + 1;
                self.scanned = self.start;
                return Ok(Some(message?));
            }
            self.make_room();
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(LineError::Cut) };
            }
        }
    }

    fn line_end(&mut self) -> Result<Option<usize>, LineError> {
        let found = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n');
        let end = found.map_or(self.buffer.len(), |at| self.scanned + at);
        if end - self.start > self.limit {
            return Err(LineError::Long { limit: self.limit });
        }
        self.scanned = end;
        Ok(found.map(|_| end))
    }

    fn make_room(&mut self) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        if self.buffer.capacity() - self.buffer.len() < ROOM {
            self.buffer.reserve(ROOM);
        }
    }
}

/// A message as the line to send, with its line feed.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("every message has a JSON form");
    line.push(b'\n');
    line
}

/// Why a stream of lines is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The line has no end where it must have one.
    #[error("a line is longer than {limit} bytes")]
    Long {
        /// Bytes.
        limit: usize,
    },
    /// The stream ended within a line.
    #[error("the stream ended within a line")]
    Cut,
    /// The line is no message.
    #[error("a line is no message")]
    Message(#[from] serde_json::Error),
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
}

/// Most messages are shorter; ten thousand agents must not cost the tracker more than 20 MB.
const ROOM: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8], limit: usize) -> (Vec<u32>, Result<(), LineError>) {
        let mut reader = LineReader::new(bytes, Vec::new(), limit);
        let mut got = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(value)) => got.push(value),
                Ok(None) => return (got, Ok(())),
                Err(error) => return (got, Err(error)),
            }
        }
    }

    #[tokio::test]
    async fn several_messages_in_one_read_are_told_apart() {
        let (got, end) = read(b"1\n22\n333\n", 3).await;
        assert_eq!(got, [1, 22, 333]);
        assert!(end.is_ok());
    }

    #[tokio::test]
    async fn what_was_read_before_comes_first() {
        let mut reader = LineReader::new(&b"2\n3\n"[..], b"1\n1".to_vec(), 10);
        assert_eq!(reader.next::<u32>().await.unwrap(), Some(1));
        assert_eq!(reader.next::<u32>().await.unwrap(), Some(12));
        assert_eq!(reader.next::<u32>().await.unwrap(), Some(3));
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused_at_the_limit() {
        let (got, end) = read(&[b'7'; 5000], 4).await;
        assert!(got.is_empty());
        assert_eq!(end.unwrap_err().to_string(), "a line is longer than 4 bytes");
    }

    #[tokio::test]
    async fn a_long_line_that_has_an_end_is_refused_too() {
        let (got, end) = read(b"1\n123456\n", 4).await;
        assert_eq!(got, [1]);
        assert_eq!(end.unwrap_err().to_string(), "a line is longer than 4 bytes");
    }

    #[tokio::test]
    async fn a_stream_that_ends_within_a_line_says_so() {
        let (got, end) = read(b"1\n2", 4).await;
        assert_eq!(got, [1]);
        assert_eq!(end.unwrap_err().to_string(), "the stream ended within a line");
    }

    #[tokio::test]
    async fn a_line_that_is_no_message_says_so() {
        let (_, end) = read(b"x\n", 4).await;
        assert_eq!(end.unwrap_err().to_string(), "a line is no message");
    }
}
