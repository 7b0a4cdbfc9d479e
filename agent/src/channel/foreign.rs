//! A tracker of another make: plain announces over HTTP (BEP 3, 23 and 7) and no reports.
//!
//! What the agent reports goes nowhere, so the outcome stands in its status file alone.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use murder_swarm::tracker::Event;
use murder_swarm::tracker::http::{AnnounceQuery, AnswerError, Form, TrackerAnswer, announce_url};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::message::{Have, Hello};

/// What an agent says of itself in an announce.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    /// Bytes of pieces it sent.
    pub(super) uploaded: u64,
    /// Bytes of pieces it received.
    pub(super) downloaded: u64,
    /// Bytes it lacks, where it knows.
    pub(super) left: Option<u64>,
}

/// An announce that was answered.
pub(super) struct Announced {
    pub(super) answer: TrackerAnswer,
    /// The agent's end of the connection.
    pub(super) local_ip: IpAddr,
}

/// Announces once, over a connection of its own.
pub(super) async fn announce(
    mut stream: TcpStream,
    tracker: SocketAddr,
    hello: &Hello,
    count: Count,
    event: Event,
) -> Result<Announced, ForeignError> {
    let local_ip = stream.local_addr()?.ip();
    let query = AnnounceQuery {
        info_hash: hello.info_hash,
        peer_id: hello.peer_id,
        port: hello.port,
        // A tracker believes what it sees, so only another address is worth telling.
        ip: hello.announce_ip.filter(|ip| *ip != local_ip),
        uploaded: count.uploaded,
        downloaded: count.downloaded,
        left: if hello.have == Have::Full { Some(0) } else { count.left },
        event,
        numwant: WANTED,
        form: Form::Compact,
    };
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
