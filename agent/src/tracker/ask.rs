//! The other end of the administrative socket: how a verb asks the tracker on its own host.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use murder_protocol::verbs::NoEvent;
use murder_protocol::{Blame, Decoded, Failure, Frame, decode};
use serde::de::DeserializeOwned;

use super::admin::{AdminRequest, short_path};
use crate::home::Home;

/// Asks, and waits for the reply.
pub fn ask<R: DeserializeOwned>(home: &Home, request: &AdminRequest) -> Result<R, Failure> {
    let mut connection = Asking::begin(home, request)?;
    match connection.frame::<NoEvent, R>() {
        Ok(Some(Frame::Reply(reply))) => Ok(reply),
        Ok(Some(Frame::Failed(failure))) => Err(failure),
        Ok(Some(Frame::Event(never))) => match never {},
        Ok(None) => Err(ended("it closed the connection")),
        Err(error) => Err(ended(&error.to_string())),
    }
}

/// A request that was sent, and whatever comes back.
#[derive(Debug)]
pub struct Asking {
    lines: BufReader<UnixStream>,
}

impl Asking {
    /// Connects and sends the request.
    pub fn begin(home: &Home, request: &AdminRequest) -> Result<Self, Failure> {
        let stream = connect(home).map_err(|_| not_running())?;
        let mut asking = Self { lines: BufReader::new(stream) };
        let stream = asking.lines.get_ref();
        let timeouts = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        timeouts.and_then(|()| asking.say(request)).map_err(|error| ended(&error.to_string()))?;
        Ok(asking)
    }

    /// Sends a further line.
    pub fn say(&mut self, line: &impl serde::Serialize) -> io::Result<()> {
        self.lines.get_mut().write_all(&crate::channel::encode(line))
    }

    /// Waits so long for each frame from now on.
    pub fn be_patient(&self, patience: Duration) -> io::Result<()> {
        self.lines.get_ref().set_read_timeout(Some(patience))
    }

    /// The same connection, for another thread to write to. Reads wait for ever from now on.
    pub fn split(&self) -> io::Result<UnixStream> {
        let stream = self.lines.get_ref();
        stream.set_read_timeout(None)?;
        stream.try_clone()
    }

    /// The next frame, or none if the tracker closed the connection.
    pub fn frame<E, R>(&mut self) -> io::Result<Option<Frame<E, R>>>
    where
        E: DeserializeOwned,
        R: DeserializeOwned,
    {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match decode(&line) {
            Decoded::Frame(frame) => Ok(Some(frame)),
            Decoded::Noise => Err(io::Error::other("it answers with something else")),
            Decoded::Garbled(error) => Err(error.into()),
        }
    }
}

fn connect(home: &Home) -> io::Result<UnixStream> {
    let (_folder, path) = short_path(home)?;
    UnixStream::connect(path)
}

fn not_running() -> Failure {
    Failure::new(Blame::Operator, "no tracker runs on this host").hint("run murder start_tracker")
}

fn ended(why: &str) -> Failure {
    Failure::new(Blame::Host, format!("the tracker gave no answer: {why}"))
        .hint("look at its log with murder logs, or restart it with murder start_tracker")
}

/// Opening a run waits for a seeder and for the disk.
const PATIENCE: Duration = Duration::from_secs(30);
