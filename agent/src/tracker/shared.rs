//! The tracker's state as its connections share it.
//!
//! Every call locks it for a moment, and delivers what the state wants said. Nothing waits while
//! it holds the lock.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use murder_swarm::Time;
use tokio::sync::{Notify, mpsc};

use super::jobs::Waiting;
use super::members::Refusal;
use super::run::AgentConn;
use super::state::{Change, State};
use crate::channel::{Hello, ToAgent};
use crate::log::Log;

/// What all connections of a tracker work on.
#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    clock: Clock,
    /// Wakes the keeper of the file.
    pub(super) unkept: Notify,
    /// Held by whoever writes the file, until it is written even if nobody waits for that.
    pub(super) writing: Arc<tokio::sync::Mutex<()>>,
    /// Agents that wait for jobs.
    pub(super) waiting: Waiting,
    pub(super) log: Log,
}

#[derive(Debug)]
struct Inner {
    state: State,
    mailboxes: HashMap<AgentConn, mpsc::Sender<ToAgent>>,
}

/// Microseconds since 1970 at the process's start, and from then on by a clock that never jumps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
    unix: Duration,
}

impl Clock {
    /// A clock that begins now.
    pub(super) fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), unix }
    }

    /// The time.
    pub(super) fn now(&self) -> Time {
        Time::ZERO + self.unix + self.began.elapsed()
    }
}

impl Shared {
    /// Shares a state.
    pub(super) fn new(state: State, clock: Clock, log: Log) -> Self {
        let inner = Mutex::new(Inner { state, mailboxes: HashMap::new() });
        let waiting = Waiting::default();
        Self { inner, clock, unkept: Notify::new(), writing: Arc::default(), waiting, log }
    }

    /// Does something with the state, and delivers what follows from it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State, Time) -> T) -> T {
        let now = self.clock.now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut inner.state, now);
        inner.deliver();
        let notes = inner.state.take_notes();
        let unkept = inner.state.change() != Change::Nothing;
        drop(inner);
        notes.iter().for_each(|note| self.log.line(note));
        if unkept {
            self.unkept.notify_one();
        }
        result
    }

    /// Lets an agent in, and gives it a mailbox that ends when the connection is to be closed.
    pub(super) fn enter(
        &self,
        observed: IpAddr,
        hello: Hello,
    ) -> Result<(AgentConn, mpsc::Receiver<ToAgent>), Refusal> {
        let (mailbox, mail) = mpsc::channel(MAIL);
        let now = self.clock.now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let conn = inner.state.hello(now, observed, hello)?;
        inner.mailboxes.insert(conn, mailbox);
        inner.deliver();
        self.unkept.notify_one();
        Ok((conn, mail))
    }

    /// An agent's connection ended.
    pub(super) fn leave(&self, conn: AgentConn) {
        self.with(|state, now| state.lost(now, conn));
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).mailboxes.remove(&conn);
    }

    /// Where the fleet may find the tracker, best first.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.with(|state, _| state.addresses.clone())
    }
}

impl Inner {
    fn deliver(&mut self) {
        for (conn, message) in self.state.take_outbox() {
            let full =
                self.mailboxes.get(&conn).is_some_and(|mail| mail.try_send(message).is_err());
            if full {
                // An agent that takes nothing is as good as gone; it will come back.
                self.mailboxes.remove(&conn);
            }
        }
        for conn in self.state.take_closing() {
            self.mailboxes.remove(&conn);
        }
    }
}

/// Messages to an agent are few; a mailbox this full is not being read.
const MAIL: usize = 32;
