//! The agent's end of the connection: a task that finds the tracker, and finds it again.
//!
//! Whoever holds the [`Channel`] says what is so, as often as it likes. The task sends what
//! changed, no more often than the tracker asked for, and everything anew after a reconnect.

use std::net::SocketAddr;
use std::time::Duration;

use murder_protocol::HostReport;
use murder_swarm::tracker::Event;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::dial::{CONNECTING, dial};
use super::foreign::{Announced, Announcer};
use super::line::{LineError, LineReader, encode};
use super::message::{Have, Hello, ToAgent, ToTracker};
use super::news::{Said, Sent};
use super::upgrade::{self, UpgradeError};

/// Which tracker, and who the agent is.
#[derive(Clone, Debug)]
pub struct ChannelConfig {
    /// Where the tracker may be, best first.
    pub trackers: Vec<SocketAddr>,
    /// The first message. Without an `announce_ip` it gets the connection's local end.
    pub hello: Hello,
}

/// What the tracker said, or that it is out of reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// The tracker let the agent in.
    Connected {
        /// Which of the configured addresses it was.
        tracker: SocketAddr,
        /// The agent's address as the tracker sees it.
        observed_ip: std::net::IpAddr,
        /// The agent's address as its own kernel sees it.
        local_ip: std::net::IpAddr,
    },
    /// Members of the swarm to connect to.
    Peers(Vec<SocketAddr>),
    /// The host's outcome is safely kept.
    OutcomeSeen,
    /// Nobody needs this agent's pieces any more.
    SwarmDone,
    /// The operator wants the agent to end.
    Stop,
    /// The tracker does not let the agent in. The task goes on asking, seldom.
    Refused(String),
    /// The connection broke, or could not be had; the task goes on trying. Comes once a failed
    /// round over all addresses.
    Lost {
        /// When the tracker was last heard of, or the channel began.
        since: Instant,
        /// What happened last, with the address.
        why: String,
    },
}

/// Tells the tracker how the agent is. Dropping it ends the task after a last message.
#[derive(Debug)]
pub struct Channel {
    said: watch::Sender<Said>,
    task: JoinHandle<()>,
}

impl Channel {
    /// How far the host is. Call it as often as you like; a new phase and the outcome go at once.
    pub fn report(&self, report: HostReport) {
        self.said.send_if_modified(|said| {
            let new = said.report.as_ref() != Some(&report);
            said.report = Some(report);
            new
        });
    }

    /// Bytes of pieces sent to others since the process began, for an agent without reports.
    pub fn uploaded(&self, bytes: u64) {
        self.said.send_if_modified(|said| std::mem::replace(&mut said.uploaded, bytes) != bytes);
    }

    /// The same, which goes at once: the tracker asked for it.
    pub fn counted(&self, bytes: u64) {
        self.said.send_modify(|said| {
            said.uploaded = bytes;
            said.counts += 1;
        });
    }

    /// Asks for more addresses. They come as [`ChannelEvent::Peers`].
    pub fn want_peers(&self) {
        self.said.send_modify(|said| said.wants += 1);
    }

    /// Sends what is left to say, and ends. Takes at most a second or two.
    pub async fn close(self) {
        let Self { said, mut task } = self;
        drop(said);
        if timeout(CLOSING, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Starts the task. Must be called within a tokio runtime.
pub fn connect(config: ChannelConfig) -> (Channel, mpsc::Receiver<ChannelEvent>) {
    let (said, hears) = watch::channel(Said::default());
    let (events, received) = mpsc::channel(EVENTS);
    let client = Client { config, said: hears, events, heard: Instant::now(), first: 0 };
    let task = tokio::spawn(client.run());
    (Channel { said, task }, received)
}

struct Client {
    config: ChannelConfig,
    said: watch::Receiver<Said>,
    events: mpsc::Sender<ChannelEvent>,
    /// When the tracker was last heard of.
    heard: Instant,
    /// The address that worked last.
    first: usize,
}

/// How a connection that was let in came to its end.
enum End {
    /// The agent has no more to say.
    Closed,
    /// It broke.
    Lost(String),
}

impl Client {
    async fn run(mut self) {
        let mut backoff = SHORTEST_BACKOFF;
        loop {
            let why = match self.round().await {
                Ok(met) => {
                    backoff = SHORTEST_BACKOFF;
                    let end = match met {
                        Met::Ours(link) => self.talk(link).await,
                        Met::Foreign(tracker, first) => self.announce(tracker, first).await,
                    };
                    match end {
                        End::Closed => return,
                        End::Lost(why) => why,
                    }
                }
                Err(why) => why,
            };
            self.emit(ChannelEvent::Lost { since: self.heard, why }).await;
            tokio::select! {
                () = sleep(jittered(backoff)) => backoff = (backoff * 2).min(LONGEST_BACKOFF),
                () = dropped(&mut self.said) => return,
            }
        }
    }

    /// Tries each address once, the one that worked last first.
    async fn round(&mut self) -> Result<Met, String> {
        let trackers = self.config.trackers.clone();
        let mut why = "no address of a tracker is known".to_owned();
        for step in 0..trackers.len() {
            let index = (self.first + step) % trackers.len();
            let tracker = trackers[index];
            match self.enter(tracker).await {
                Ok(link) => {
                    self.first = index;
                    return Ok(Met::Ours(link));
                }
                Err(EnterError::Upgrade(upgrade)) if upgrade.may_be_foreign() => {
                    match self.announcer(tracker).announce(Event::Started).await {
                        Ok(first) => {
                            self.first = index;
                            return Ok(Met::Foreign(tracker, first));
                        }
                        Err(_) => why = format!("tracker {tracker}: {}", chain(&upgrade)),
                    }
                }
                Err(error) => {
                    if let EnterError::Refused(why) = &error {
                        self.emit(ChannelEvent::Refused(why.clone())).await;
                    }
                    why = format!("tracker {tracker}: {}", chain(&error));
                }
            }
        }
        Err(why)
    }

    async fn enter(&mut self, tracker: SocketAddr) -> Result<Link, EnterError> {
        let mut stream =
            timeout(CONNECTING, dial(tracker, self.config.hello.announce_ip)).await.map_err(
                |_| EnterError::Slow { what: "take the connection", seconds: CONNECTING.as_secs() },
            )??;
        stream.set_nodelay(true)?;
        let local_ip = stream.local_addr()?.ip();
        let hello = ToTracker::Hello(Box::new(self.hello(local_ip)));
        let asking = async {
            let rest = upgrade::request(&mut stream, tracker).await?;
            let (read, mut write) = stream.into_split();
            write.write_all(&encode(&hello)).await?;
            let mut lines = LineReader::new(read, rest, LONGEST_LINE);
            match lines.next().await? {
                Some(ToAgent::Welcome { observed_ip, report_every_ms }) => {
                    let every = Duration::from_millis(report_every_ms);
                    Ok((Link { lines, write, every }, observed_ip))
                }
                Some(ToAgent::Refused { why }) => Err(EnterError::Refused(why)),
                Some(_) | None => Err(EnterError::Closed),
            }
        };
        let (link, observed_ip) = timeout(ANSWERING, asking)
            .await
            .map_err(|_| EnterError::Slow { what: "answer", seconds: ANSWERING.as_secs() })??;
        self.heard = Instant::now();
        self.emit(ChannelEvent::Connected { tracker, observed_ip, local_ip }).await;
        Ok(link)
    }

    fn hello(&self, local_ip: std::net::IpAddr) -> Hello {
        let mut hello = self.config.hello.clone();
        hello.announce_ip.get_or_insert(local_ip);
        if self.said.borrow().is_full() {
            hello.have = Have::Full;
        }
        hello
    }

    /// Sends what changes and passes on what comes, until the connection ends.
    async fn talk(&mut self, mut link: Link) -> End {
        let mut sent = Sent::new();
        loop {
            let (due, next) = sent.due(&self.said.borrow_and_update(), link.every, Instant::now());
            for message in due {
                if let Err(why) = link.send(&message).await {
                    return End::Lost(why);
                }
            }
            tokio::select! {
                got = link.lines.next() => match got {
                    Ok(Some(message)) => self.hear(message, &mut link).await,
                    Ok(None) => return End::Lost("the tracker closed the connection".to_owned()),
                    Err(error) => return End::Lost(chain(&error)),
                },
                changed = self.said.changed() => if changed.is_err() {
                    return self.last_words(&mut sent, &mut link).await;
                },
                () = sleep_until(next) => {}
                () = sleep_until(self.heard + SILENCE) => {
                    let seconds = SILENCE.as_secs();
                    return End::Lost(format!("the tracker was silent for {seconds} s"));
                }
            }
        }
    }

    async fn last_words(&self, sent: &mut Sent, link: &mut Link) -> End {
        let (due, _) = sent.due(&self.said.borrow(), Duration::ZERO, Instant::now());
        for message in due.iter().chain([&ToTracker::Leaving]) {
            if link.send(message).await.is_err() {
                break;
            }
        }
        // A reset would take the last lines with it, so the tracker reads up to the end first.
        let _ = link.write.shutdown().await;
        let reading = async { while let Ok(Some(_)) = link.lines.next::<ToAgent>().await {} };
        let _ = timeout(CLOSING, reading).await;
        End::Closed
    }

    /// Announces to a tracker of another make until the channel is closed or the tracker is lost.
    async fn announce(&mut self, tracker: SocketAddr, first: Announced) -> End {
        match self.announcer(tracker).run(first).await {
            Ok(()) => End::Closed,
            Err(error) => End::Lost(format!("tracker {tracker}: {}", chain(&error))),
        }
    }

    fn announcer(&mut self, tracker: SocketAddr) -> Announcer<'_> {
        let Self { config, said, events, heard, .. } = self;
        Announcer { tracker, hello: &config.hello, said, events, heard }
    }

    async fn hear(&mut self, message: ToAgent, link: &mut Link) {
        self.heard = Instant::now();
        let event = match message {
            ToAgent::Peers { peers } => ChannelEvent::Peers(peers),
            ToAgent::OutcomeSeen => ChannelEvent::OutcomeSeen,
            ToAgent::SwarmDone => ChannelEvent::SwarmDone,
            ToAgent::Stop => ChannelEvent::Stop,
            ToAgent::Refused { why } => ChannelEvent::Refused(why),
            ToAgent::ReportEvery { ms } | ToAgent::Welcome { report_every_ms: ms, .. } => {
                link.every = Duration::from_millis(ms);
                return;
            }
            ToAgent::Alive => return,
        };
        self.emit(event).await;
    }

    /// An engine that no longer listens is about to drop its [`Channel`] too.
    async fn emit(&self, event: ChannelEvent) {
        let _ = self.events.send(event).await;
    }
}

/// What answers at a tracker's address.
enum Met {
    /// A murder tracker that let the agent in.
    Ours(Link),
    /// Any other tracker, with its first answer.
    Foreign(SocketAddr, Announced),
}

/// A connection that the tracker let in.
struct Link {
    lines: LineReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    every: Duration,
}

impl Link {
    async fn send(&mut self, message: &ToTracker) -> Result<(), String> {
        match timeout(SILENCE, self.write.write_all(&encode(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the tracker took nothing for {} s", SILENCE.as_secs())),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum EnterError {
    #[error("it did not {what} within {seconds} s")]
    Slow { what: &'static str, seconds: u64 },
    #[error("it closed the connection")]
    Closed,
    #[error("it refused this agent: {0}")]
    Refused(String),
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Waits until the [`Channel`] is gone.
async fn dropped(said: &mut watch::Receiver<Said>) {
    while said.changed().await.is_ok() {}
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Between half of it and all of it, so that ten thousand agents do not return as one.
fn jittered(backoff: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness agents only come back closer together.
    let _ = getrandom::fill(&mut byte);
    backoff / 2 + backoff / 2 * u32::from(byte[0]) / 255
}

/// A tracker that ten thousand agents return to at once is slow to answer.
const ANSWERING: Duration = Duration::from_secs(15);

/// The other end speaks at least every five seconds, so this is three times missed.
const SILENCE: Duration = Duration::from_secs(20);

const CLOSING: Duration = Duration::from_secs(2);
const SHORTEST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// The longest line is a list of peers, far below.
const LONGEST_LINE: usize = 64 * 1024;
const EVENTS: usize = 64;
