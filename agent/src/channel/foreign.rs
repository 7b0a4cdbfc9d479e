//! A tracker of another make: plain announces over HTTP (BEP 3, 23 and 7) and no reports.
//!
//! What the agent reports goes nowhere, so the outcome stands in its status file alone.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use murder_swarm::tracker::Event;
use murder_swarm::tracker::http::{AnnounceQuery, AnswerError, Form, TrackerAnswer, announce_url};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::client::ChannelEvent;
use super::dial::{CONNECTING, dial};
use super::message::{Have, Hello};
use super::news::{ASK_EVERY, Said};

/// Announces what was said on a channel to a tracker that hears nothing else.
pub(super) struct Announcer<'a> {
    pub(super) tracker: SocketAddr,
    pub(super) hello: &'a Hello,
    pub(super) said: &'a mut watch::Receiver<Said>,
    pub(super) events: &'a mpsc::Sender<ChannelEvent>,
    /// When the tracker was last heard of.
    pub(super) heard: &'a mut Instant,
}

/// An announce that was answered.
pub(super) struct Announced {
    answer: TrackerAnswer,
    /// The agent's end of the connection.
    local_ip: IpAddr,
}

impl Announcer<'_> {
    /// Goes on after a first announce until the channel is closed, or the tracker is lost.
    pub(super) async fn run(mut self, first: Announced) -> Result<(), ForeignError> {
        let Announced { mut answer, local_ip } = first;
        let tracker = self.tracker;
        self.emit(ChannelEvent::Connected { tracker, observed_ip: local_ip, local_ip }).await;
        let mut told = Told { wants: self.said.borrow().wants, full: false };
        loop {
            *self.heard = Instant::now();
            self.emit(ChannelEvent::Peers(answer.peers)).await;
            let Some(event) = self.next(answer.interval, &mut told).await else {
                // A tracker that does not hear it will find out by itself.
                let _ = self.announce(Event::Stopped).await;
                return Ok(());
            };
            answer = self.announce(event).await?.answer;
        }
    }

    /// Waits until an announce is due, and says which; `None` if the channel is closed.
    async fn next(&mut self, interval: Duration, told: &mut Told) -> Option<Event> {
        let mut next = *self.heard + interval;
        loop {
            tokio::select! {
                () = sleep_until(next) => return Some(Event::Regular),
                changed = self.said.changed() => changed.ok()?,
            }
            let said = self.said.borrow_and_update().clone();
            if said.wants > told.wants {
                told.wants = said.wants;
                next = next.min(*self.heard + ASK_EVERY);
            }
            if said.report.as_ref().is_some_and(|report| report.outcome.is_some()) {
                // Nobody here collects outcomes, so nobody is waited for.
                self.emit(ChannelEvent::OutcomeSeen).await;
            }
            if !told.full && said.is_full() {
                told.full = true;
                return Some(Event::Completed);
            }
        }
    }

    /// Announces once, over a connection of its own.
    pub(super) async fn announce(&self, event: Event) -> Result<Announced, ForeignError> {
        let tracker = self.tracker;
        let connecting = timeout(CONNECTING, dial(tracker, self.hello.announce_ip));
        let mut stream = connecting.await.map_err(|_| ForeignError::Slow)??;
        let local_ip = stream.local_addr()?.ip();
        let query = query(self.hello, local_ip, &self.said.borrow(), event);
        let asking = async {
            let target = announce_url("/announce", &query);
            let head = format!("GET {target} HTTP/1.0\r\nHost: {tracker}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
            Ok(Announced { answer: TrackerAnswer::parse(body(&answer)?)?, local_ip })
        };
        timeout(ANSWERING, asking).await.map_err(|_| ForeignError::Slow)?
    }

    /// An engine that no longer listens is about to drop its channel too.
    async fn emit(&self, event: ChannelEvent) {
        let _ = self.events.send(event).await;
    }
}

/// What the tracker was told of what is told once.
struct Told {
    wants: u64,
    full: bool,
}

fn query(hello: &Hello, local_ip: IpAddr, said: &Said, event: Event) -> AnnounceQuery {
    let report = said.report.as_ref();
    let left = report.map(|report| report.total - report.bytes);
    AnnounceQuery {
        info_hash: hello.info_hash,
        peer_id: hello.peer_id,
        port: hello.port,
        // A tracker believes what it sees, so only another address is worth telling.
        ip: hello.announce_ip.filter(|ip| *ip != local_ip),
        uploaded: report.map_or(said.uploaded, |report| report.uploaded),
        downloaded: report.map_or(0, |report| report.downloaded),
        left: if hello.have == Have::Full { Some(0) } else { left },
        event,
        numwant: WANTED,
        form: Form::Compact,
    }
}

/// The body of an HTTP answer that ends with its connection.
fn body(answer: &[u8]) -> Result<&[u8], ForeignError> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(answer) {
        Ok(httparse::Status::Complete(length)) if response.code == Some(200) => {
            Ok(&answer[length..])
        }
        Ok(httparse::Status::Complete(_)) => {
            Err(ForeignError::Status(response.code.unwrap_or_default()))
        }
        Ok(httparse::Status::Partial) | Err(_) => Err(ForeignError::NotHttp),
    }
}

/// Why an announce had no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForeignError {
    #[error("what answers there is no tracker")]
    NotHttp,
    #[error("it answers an announce with HTTP status {0}")]
    Status(u16),
    #[error("it did not answer an announce within {} s", ANSWERING.as_secs())]
    Slow,
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// As many as the swarm's core keeps connections to, and some to choose from.
const WANTED: u32 = 50;
const ANSWERING: Duration = Duration::from_secs(10);
/// 2,000 peers of both families take less than 50 kB.
const LONGEST_ANSWER: u64 = 256 * 1024;
const MOST_HEADERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_of_an_answer_comes_after_its_head() {
        let answer = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nd8:intervali9ee";
        assert_eq!(body(answer).unwrap(), b"d8:intervali9ee");
    }

    #[test]
    fn an_error_status_and_another_protocol_are_told_apart() {
        let error = body(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap_err();
        assert_eq!(error.to_string(), "it answers an announce with HTTP status 403");
        let error = body(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap_err();
        assert_eq!(error.to_string(), "what answers there is no tracker");
    }
}
