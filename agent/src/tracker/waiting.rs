//! The tracker's end of the connection of an agent that waits.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use murder_protocol::Secret;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::jobs::{Job, Owner, Task};
use super::keys;
use super::shared::Shared;
use crate::blamed::chain;
use crate::channel::{
    Answer, LineError, LineReader, Order, SealError, Sealed, Seals, Side, ToWaiting, Wait, Word,
    encode,
};

/// Why an agent that waits was not let in, or left.
#[derive(Debug, thiserror::Error)]
pub(super) enum WaitingError {
    /// `warm` did not name its host, or its time is over.
    #[error("no agent of host {0} is expected to wait here")]
    Unexpected(String),
    #[error("it does not speak as an agent that waits does")]
    Words,
    #[error("it is not to be trusted")]
    Seal(#[from] SealError),
    #[error("it was silent for {} s", SILENCE.as_secs())]
    Silent,
    #[error("it takes nothing")]
    Stuck,
    #[error("it closed the connection")]
    Closed,
    #[error("the kernel gives no random numbers")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    Line(#[from] LineError),
}

/// Speaks with an agent whose first message was read. An error says why it was not let in; it is
/// told so.
pub(super) async fn serve(
    shared: &Shared,
    lines: &mut LineReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
    wait: &Wait,
    from: IpAddr,
) -> Result<(), WaitingError> {
    let host = &wait.host;
    let key = shared.with(|state, now| state.warm.key(now, host).cloned());
    let key = key.ok_or_else(|| WaitingError::Unexpected(host.clone()))?;
    let mut talk = Talk::meet(&key, wait, lines, write).await?;
    let (number, jobs) = shared.waiting.enter(host.clone(), talk.until);
    // It may have been forgotten while it came.
    if shared.with(|state, now| state.warm.key(now, host).is_none()) {
        let error = WaitingError::Unexpected(host.clone());
        shared.waiting.leave(host, number, chain(&error));
        return Err(error);
    }
    shared.log.line(format_args!("host {host:?} waits, from {from}"));
    let end = talk.go_on(jobs).await;
    let end = end.err().map_or_else(|| "it was let go".to_owned(), |error| chain(&error));
    shared.log.line(format_args!("host {host:?} waits no longer: {end}"));
    shared.waiting.leave(host, number, end);
    Ok(())
}

struct Talk<'a> {
    lines: &'a mut LineReader<OwnedReadHalf>,
    write: &'a mut OwnedWriteHalf,
    seals: Seals,
    /// Orders without a result, by their numbers.
    open: BTreeMap<u64, Owner>,
    /// When the agent will have waited long enough.
    until: Instant,
    heard: Instant,
    spoke: Instant,
}

impl<'a> Talk<'a> {
    /// Lets the agent show that it knows the key.
    async fn meet(
        key: &Secret,
        wait: &Wait,
        lines: &'a mut LineReader<OwnedReadHalf>,
        write: &'a mut OwnedWriteHalf,
    ) -> Result<Self, WaitingError> {
        let chance = keys::hex::<16>()?;
        let seals = Seals::new(key, &wait.host, &wait.chance, &chance, Side::Tracker);
        let now = Instant::now();
        let open = BTreeMap::new();
        let mut talk = Self { lines, write, seals, open, until: now, heard: now, spoke: now };
        talk.send(&encode(&ToWaiting::Chance(chance))).await?;
        let first = timeout(SILENCE, talk.lines.next()).await.map_err(|_| WaitingError::Silent)?;
        let sealed: Sealed = first?.ok_or(WaitingError::Closed)?;
        match talk.seals.open(&sealed)? {
            Answer { order: 0, word: Word::Waits(seconds) } => {
                let until = now.checked_add(Duration::from_secs(seconds));
                talk.until = until.ok_or(WaitingError::Words)?;
                Ok(talk)
            }
            Answer { .. } => Err(WaitingError::Words),
        }
    }

    /// Shows the agent that the tracker knows the key and has let it in, and gives it its jobs
    /// until there can be no more, or it is gone.
    async fn go_on(&mut self, mut jobs: mpsc::Receiver<Job>) -> Result<(), WaitingError> {
        self.order(&Order::Meet).await?;
        loop {
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => self.give(job).await?,
                    None => return Ok(()),
                },
                message = self.lines.next() => {
                    self.heard = Instant::now();
                    let sealed: Sealed = message?.ok_or(WaitingError::Closed)?;
                    let answer = self.seals.open(&sealed)?;
                    self.hear(answer);
                }
                () = sleep_until(self.spoke + ALIVE_EVERY) => {
                    self.send(&encode(&ToWaiting::Alive)).await?;
                }
                () = sleep_until(self.heard + SILENCE) => return Err(WaitingError::Silent),
            }
        }
    }

    async fn give(&mut self, job: Job) -> Result<(), WaitingError> {
        let Job { task, owner } = job;
        let order = match task {
            Task::Peer { job, torrent } => {
                self.send(&torrent.line).await?;
                Order::Peer { job, torrent: torrent.digest }
            }
            Task::Release(order) => Order::Release { order, heard: self.seals.heard() },
        };
        let number = self.order(&order).await?;
        self.open.insert(number, owner);
        Ok(())
    }

    fn hear(&mut self, Answer { order, word }: Answer) {
        if let Some(owner) = self.open.get(&order) {
            let last = word != Word::Received;
            owner.tell(word);
            if last {
                self.open.remove(&order);
            }
        }
    }

    async fn order(&mut self, order: &Order) -> Result<u64, WaitingError> {
        let sealed = self.seals.seal(order);
        let number = sealed.number;
        self.send(&encode(&ToWaiting::Sealed(sealed))).await?;
        Ok(number)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), WaitingError> {
        self.spoke = Instant::now();
        match timeout(TAKING, self.write.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(WaitingError::Stuck),
        }
    }
}

/// Agents speak at least every five seconds, so this is three times missed.
const SILENCE: Duration = Duration::from_secs(20);

/// An agent takes a tracker that is silent for long for dead.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// A torrent may be larger than a socket's buffer.
const TAKING: Duration = Duration::from_secs(10);
