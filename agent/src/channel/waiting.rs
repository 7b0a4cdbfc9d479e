//! The agent's end of the connection of an agent that waits: finds the tracker, makes it show that
//! it knows the key, and passes its orders on.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use murder_protocol::Secret;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep_until, timeout};

use super::dial::{CONNECTING, dial};
use super::line::{LineError, LineReader, encode};
use super::message::ToTracker;
use super::order::{Answer, Order, ToWaiting, Wait, Word};
use super::seal::{SealError, Seals, Side, digest};
use super::sent::{Sent, Uptime};
use super::upgrade::{self, UpgradeError};

/// A tracker that has shown that it knows the key.
#[derive(Debug)]
pub struct Waiting {
    lines: LineReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    seals: Seals,
    sent: Sent,
    torrent: Vec<u8>,
    heard: Instant,
    spoke: Instant,
}

/// Who waits for whom.
#[derive(Clone, Debug)]
pub struct Waiter {
    /// The inventory's name for the host.
    pub host: String,
    /// What the host and its tracker know.
    pub key: Secret,
    /// The address to speak from, if the inventory gives it.
    pub announce_ip: Option<IpAddr>,
    /// Until when it waits.
    pub until: Instant,
}

/// An order with its number and whatever came with it.
#[derive(Debug)]
pub struct Ordered {
    /// Its number.
    pub number: u64,
    /// What is to be done.
    pub order: Order,
    /// The torrent that the order names; empty if it names none.
    pub torrent: Vec<u8>,
    /// Until when the host may switch by it; not at all without.
    pub holds_until: Option<Uptime>,
}

/// Why there is no tracker that could give orders.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// Nobody there, or slow.
    #[error("it did not {what} within {seconds} s")]
    Slow {
        /// What it was to do.
        what: &'static str,
        /// How long it had.
        seconds: u64,
    },
    /// It ended.
    #[error("it closed the connection")]
    Closed,
    /// It takes no agent from here.
    #[error("it refused this agent: {0}")]
    Refused(String),
    /// It says something else than it has to.
    #[error("it does not speak as a tracker does")]
    Unexpected,
    /// It does not know the key.
    #[error("it is not to be trusted")]
    Seal(#[from] SealError),
    /// The torrent is not the one that the order names.
    #[error("a torrent came that the order does not name")]
    OtherTorrent,
    /// The kernel gave no chance.
    #[error("the kernel gives no random numbers")]
    Random(#[from] getrandom::Error),
    /// It is no tracker of ours.
    #[error(transparent)]
    Upgrade(UpgradeFailed),
    /// It sends no lines.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Why what answers is no tracker of ours.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct UpgradeFailed(UpgradeError);

impl Waiter {
    /// Connects to one address, and returns once what answers there has shown that it knows the
    /// key and has let the agent in.
    pub async fn meet(&self, tracker: SocketAddr) -> Result<Waiting, WaitError> {
        let slow = |what, span: Duration| WaitError::Slow { what, seconds: span.as_secs() };
        let dialling = timeout(CONNECTING, dial(tracker, self.announce_ip));
        let mut stream = dialling.await.map_err(|_| slow("take the connection", CONNECTING))??;
        stream.set_nodelay(true)?;
        let asking = async {
            let rest = upgrade::request(&mut stream, tracker).await;
            let rest = rest.map_err(|error| WaitError::Upgrade(UpgradeFailed(error)))?;
            let (read, mut write) = stream.into_split();
            let mut lines = LineReader::new(read, rest, LONGEST_LINE);
            let mine = chance()?;
            let wait = Wait { host: self.host.clone(), chance: mine.clone() };
            write.write_all(&encode(&ToTracker::Wait(wait))).await?;
            let theirs = match lines.next().await? {
                Some(ToWaiting::Chance(chance)) => chance,
                Some(ToWaiting::Refused { why }) => return Err(WaitError::Refused(why)),
                Some(_) => return Err(WaitError::Unexpected),
                None => return Err(WaitError::Closed),
            };
            let seals = Seals::new(&self.key, &self.host, &mine, &theirs, Side::Agent);
            let now = Instant::now();
            let (sent, torrent) = (Sent::default(), Vec::new());
            let mut waiting =
                Waiting { lines, write, seals, sent, torrent, heard: now, spoke: now };
            let rest = self.until.saturating_duration_since(now);
            waiting.answer(0, Word::Waits(rest.as_secs())).await?;
            match waiting.next().await? {
                Some(Ordered { order: Order::Meet, .. }) => Ok(waiting),
                _ => Err(WaitError::Unexpected),
            }
        };
        timeout(ANSWERING, asking).await.map_err(|_| slow("answer", ANSWERING))?
    }
}

impl Waiting {
    /// The next order, which is to be answered; none if it is time to call [`Self::alive`].
    /// Cancelling it loses nothing.
    pub async fn next(&mut self) -> Result<Option<Ordered>, WaitError> {
        loop {
            let message = tokio::select! {
                message = self.lines.next() => message?.ok_or(WaitError::Closed)?,
                () = sleep_until(self.spoke + ALIVE_EVERY) => return Ok(None),
                () = sleep_until(self.heard + SILENCE) => {
                    let seconds = SILENCE.as_secs();
                    return Err(WaitError::Slow { what: "say anything", seconds });
                }
            };
            self.heard = Instant::now();
            match message {
                ToWaiting::Sealed(sealed) => {
                    let order: Order = self.seals.open(&sealed)?;
                    let torrent = std::mem::take(&mut self.torrent);
                    if let Order::Peer { torrent: named, .. } = &order
                        && *named != digest(&torrent)
                    {
                        return Err(WaitError::OtherTorrent);
                    }
                    let holds_until = match order {
                        Order::Release { heard, .. } => self.sent.holds_until(heard),
                        Order::Meet | Order::Peer { .. } => None,
                    };
                    let number = sealed.number;
                    return Ok(Some(Ordered { number, order, torrent, holds_until }));
                }
                ToWaiting::Torrent(torrent) => self.torrent = torrent.0,
                ToWaiting::Alive => {}
                ToWaiting::Refused { why } => return Err(WaitError::Refused(why)),
                ToWaiting::Chance(_) => return Err(WaitError::Unexpected),
            }
        }
    }

    /// Says that the agent lives.
    pub async fn alive(&mut self) -> Result<(), WaitError> {
        self.answer(0, Word::Alive).await
    }

    /// Says how far an order is.
    pub async fn answer(&mut self, order: u64, word: Word) -> Result<(), WaitError> {
        let sealed = self.seals.seal(&Answer { order, word });
        self.spoke = Instant::now();
        self.sent.note(sealed.number, Uptime::now());
        match timeout(SILENCE, self.write.write_all(&encode(&sealed))).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(WaitError::Slow { what: "take anything", seconds: SILENCE.as_secs() }),
        }
    }
}

/// A word that was never used before: 128 bits of chance.
fn chance() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// As for agents of a swarm: a tracker that a whole fleet returns to at once is slow to answer.
const ANSWERING: Duration = Duration::from_secs(15);

/// How often an agent that has nothing to say shows that it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// The other end speaks at least every five seconds, so this is three times missed.
const SILENCE: Duration = Duration::from_secs(20);

/// A torrent of a terabyte in base64.
const LONGEST_LINE: usize = 64 << 20;
