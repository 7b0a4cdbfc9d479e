//! One verb of the agent: the request, whatever comes before the reply, and the reply.

use std::marker::PhantomData;
use std::time::Duration;

use murder_protocol::verbs::Verb;
use murder_protocol::{Decoded, Frame, decode, encode_request};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};

use super::child::Child;
use super::error::CallError;

/// A verb that is running. Dropping it closes the agent's stdin, which ends verbs that wait.
pub struct Stream<V: Verb> {
    child: Option<Child>,
    /// The agent whose last word was read.
    over: Option<Child>,
    path: String,
    /// A line that is not whole yet: what was read stays here if a read is cancelled.
    line: Vec<u8>,
    noise: String,
    verb: PhantomData<fn() -> V>,
}

/// One step of a verb.
pub enum Step<V: Verb> {
    /// Something happened.
    Event(V::Event),
    /// It is done. Nothing follows.
    Reply(V::Reply),
}

impl<V: Verb> Stream<V> {
    /// Sends the request to an agent that was just started; `path` is for messages.
    pub(super) async fn of(mut child: Child, path: String, request: &V) -> Self {
        child.send(encode_request(request).as_bytes()).await;
        Self {
            child: Some(child),
            over: None,
            path,
            line: Vec::new(),
            noise: String::new(),
            verb: PhantomData,
        }
    }

    /// The next step. Cancelling it loses nothing.
    ///
    /// # Errors
    ///
    /// The agent's refusal, or its end without a reply. Nothing follows an error.
    pub async fn next(&mut self) -> Result<Step<V>, CallError> {
        while let Some(child) = &mut self.child {
            // One byte more than the limit tells a line that is too long from one that just fits.
            let room = (LONGEST_LINE + 1).saturating_sub(self.line.len()) as u64;
            let read = (&mut child.stdout).take(room).read_until(b'\n', &mut self.line).await;
            let at_end = match read {
                Ok(n) => n == 0 && !self.line.ends_with(b"\n"),
                Err(_) => true,
            };
            if self.line.len() > LONGEST_LINE {
                self.child = None;
                return Err(CallError::Garbled("a line of it is too long".into()));
            }
            let line = std::mem::take(&mut self.line);
            // A line without its end was cut off, and what ended the agent says more than it does.
            if line.ends_with(b"\n")
                && let Some(step) = self.read(&String::from_utf8_lossy(&line))?
            {
                return Ok(step);
            }
            if at_end {
                break;
            }
        }
        Err(self.end().await)
    }

    /// So many bytes that follow an event's line as they are. Must not be cancelled, unless the
    /// stream is dropped.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    pub async fn bytes(&mut self, length: usize) -> Result<Vec<u8>, CallError> {
        let mut bytes = vec![0; length];
        if let Some(child) = &mut self.child
            && child.stdout.read_exact(&mut bytes).await.is_ok()
        {
            return Ok(bytes);
        }
        Err(self.end().await)
    }

    /// Why nothing more comes.
    async fn end(&mut self) -> CallError {
        let Some(child) = self.child.take() else {
            return CallError::Lost("it has ended".into());
        };
        match tokio::time::timeout(END_GRACE, child.end()).await {
            Ok(ended) => CallError::of_end(&self.path, ended, self.noise.trim()),
            Err(_) => CallError::Lost("it closed its output".into()),
        }
    }

    /// Sends one more line, such as [`murder_protocol::verbs::WatchInput`].
    pub async fn send(&mut self, input: &impl Serialize) {
        if let Some(child) = &mut self.child {
            let json = serde_json::to_string(input).unwrap_or_default();
            child.send(format!("{json}\n").as_bytes()).await;
        }
    }

    /// Sends bytes as they are. False if the agent no longer reads; [`Self::next`] says why.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> bool {
        match &mut self.child {
            Some(child) => {
                child.send(bytes).await;
                child.takes_input()
            }
            None => false,
        }
    }

    /// Closes the agent's stdin: a verb that waits goes on to its reply.
    pub fn close_input(&mut self) {
        if let Some(child) = &mut self.child {
            child.close_stdin();
        }
    }

    /// The reply, without the events.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    pub async fn reply(&mut self) -> Result<V::Reply, CallError> {
        loop {
            if let Step::Reply(reply) = self.next().await? {
                return Ok(reply);
            }
        }
    }

    /// Waits until nothing of an agent that has said its last word is left here, so that it does
    /// not cost a process beside those of others.
    pub(super) async fn let_go(mut self) {
        if let Some(child) = self.over.take() {
            let _ = tokio::time::timeout(LET_GO, child.end()).await;
        }
    }

    fn read(&mut self, line: &str) -> Result<Option<Step<V>>, CallError> {
        match decode::<V::Event, V::Reply>(line) {
            Decoded::Noise => {
                self.noise.push_str(line);
                let mut surplus = self.noise.len().saturating_sub(NOISE_KEPT);
                while !self.noise.is_char_boundary(surplus) {
                    surplus += 1;
                }
                self.noise.drain(..surplus);
                Ok(None)
            }
            Decoded::Garbled(error) => {
                self.child = None;
                Err(CallError::Garbled(error.to_string()))
            }
            Decoded::Frame(Frame::Event(event)) => Ok(Some(Step::Event(event))),
            Decoded::Frame(Frame::Reply(reply)) => {
                self.over = self.child.take();
                Ok(Some(Step::Reply(reply)))
            }
            Decoded::Frame(Frame::Failed(failure)) => {
                self.over = self.child.take();
                Err(CallError::Refused(failure))
            }
        }
    }
}

/// In bytes. The longest honest line is the first event of a watch: 100,000 hosts of 300 bytes.
const LONGEST_LINE: usize = 64 << 20;
/// So much of what is not the agent's is kept for an error message, in bytes.
const NOISE_KEPT: usize = 1024;
/// A connection whose agent has replied has so long to close.
const LET_GO: Duration = Duration::from_secs(2);
/// An agent that has closed its stdout has so long to end.
const END_GRACE: Duration = Duration::from_secs(10);
