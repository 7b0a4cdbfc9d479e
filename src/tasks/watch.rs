//! Following one run through its tracker: one stream, which is picked up again where it breaks.

use std::time::Duration;

use murder_protocol::verbs::{Watch, WatchInput, WatchReply};
use murder_protocol::{Failure, FleetEvent, RunId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::context::Context;
use crate::ssh::{CallError, Connection, Step, Stream};

/// What is new of a run.
#[derive(Debug)]
pub(super) enum News {
    /// Hosts moved on.
    Event(FleetEvent),
    /// The tracker does not answer; it is tried again. Said once per break.
    Lost(Failure),
    /// Every host has its outcome. The last news.
    Over(WatchReply),
    /// The tracker did not come back. The last news.
    GaveUp(Failure),
}

/// A run that is being followed. Dropping it ends that, and nothing on the hosts.
#[derive(Debug)]
pub(super) struct Watcher {
    inputs: Option<mpsc::UnboundedSender<WatchInput>>,
    news: mpsc::Receiver<News>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Follows a run over a connection to its tracker.
    pub(super) fn start(context: Context, connection: Connection, run: RunId) -> Self {
        let (inputs, received) = mpsc::unbounded_channel();
        let (news, taken) = mpsc::channel(NEWS_QUEUED);
        let line = Line { context, run, said: Vec::new(), inputs: received, news };
        let task = tokio::spawn(line.follow(connection));
        Self { inputs: Some(inputs), news: taken, task }
    }

    /// Tells the tracker something. It is told again after a break.
    pub(super) fn tell(&self, input: WatchInput) {
        if let Some(inputs) = &self.inputs {
            // A run that is over needs no further words.
            let _ = inputs.send(input);
        }
    }

    /// The next news; `None` after the last. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }

    /// Sends what was told, for a moment at the most, and lets go.
    pub(super) async fn finish(mut self) {
        self.inputs = None;
        self.news.close();
        // Whether the tracker heard it in time changes nothing for us.
        let _ = tokio::time::timeout(FINISH, &mut self.task).await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Line {
    context: Context,
    run: RunId,
    /// What the tracker was told, to tell it again.
    said: Vec<WatchInput>,
    inputs: mpsc::UnboundedReceiver<WatchInput>,
    news: mpsc::Sender<News>,
}

/// Why following one stream ended.
enum Break {
    /// Nobody wants to know any more, or there is nothing further to know.
    End,
    /// The stream broke.
    Error(Failure),
}

impl Line {
    async fn follow(mut self, mut connection: Connection) {
        loop {
            let broken = match self.open(&connection).await {
                Ok(mut stream) => self.pass_on(&mut stream).await,
                Err(error) => Break::Error(error.failure()),
            };
            let Break::Error(failure) = broken else { return };
            let failure = self.context.at_tracker(failure);
            if self.news.send(News::Lost(failure.clone())).await.is_err() {
                return;
            }
            match self.reconnect(failure).await {
                Ok(again) => connection = again,
                Err(failure) => {
                    let _ = self.news.send(News::GaveUp(failure)).await;
                    return;
                }
            }
        }
    }

    async fn open(&self, connection: &Connection) -> Result<Stream<Watch>, CallError> {
        let mut stream = connection.stream(&Watch { run: self.run.clone() }).await?;
        for input in &self.said {
            stream.send(input).await;
        }
        Ok(stream)
    }

    async fn pass_on(&mut self, stream: &mut Stream<Watch>) -> Break {
        loop {
            let step = tokio::select! {
                // What was told before `finish` is sent before the stream is let go.
                biased;
                input = self.inputs.recv() => match input {
                    Some(input) => {
                        stream.send(&input).await;
                        self.said.push(input);
                        continue;
                    }
                    None => return Break::End,
                },
                step = stream.next() => step,
            };
            let news = match step {
                Ok(Step::Event(event)) => News::Event(event),
                Ok(Step::Reply(reply)) => {
                    let _ = self.news.send(News::Over(reply)).await;
                    return Break::End;
                }
                Err(error) => return Break::Error(error.failure()),
            };
            if self.news.send(news).await.is_err() {
                return Break::End;
            }
        }
    }

    /// Until the tracker answers for the run again.
    async fn reconnect(&mut self, mut failure: Failure) -> Result<Connection, Failure> {
        let deadline = Instant::now() + COMES_BACK;
        let mut pause = FIRST_PAUSE;
        while Instant::now() + pause < deadline {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let connection = match self.context.open_tracker().await {
                Ok(connection) => connection,
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            let mut probe = match self.open(&connection).await {
                Ok(stream) => stream,
                Err(error) => {
                    failure = self.context.at_tracker(error.failure());
                    continue;
                }
            };
            match probe.next().await {
                Ok(_) => return Ok(connection),
                Err(error) => failure = self.context.at_tracker(error.failure()),
            }
        }
        Err(failure)
    }
}

/// News that nobody has read yet; beyond it the tracker waits.
const NEWS_QUEUED: usize = 64;
/// A tracker that was killed may be started again by hand.
const COMES_BACK: Duration = Duration::from_secs(180);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For the last words to the tracker.
const FINISH: Duration = Duration::from_secs(2);
