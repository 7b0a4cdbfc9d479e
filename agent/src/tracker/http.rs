//! HTTP/1.1 (RFC 9112), as much of it as a tracker needs: one GET request a connection.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A request that was read, within the bytes that it came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// The request target.
    pub(super) target: &'a str,
    /// What the `Upgrade` header names, if there is one.
    pub(super) upgrade: Option<&'a [u8]>,
    /// How many of the bytes it takes.
    pub(super) length: usize,
}

/// Why there is no request. Each has the status that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It can't be read, or ended too early.
    Request,
    /// It was not complete in time.
    Slow,
    /// It is too long, or has too many headers.
    Long,
    /// Another method than GET.
    Method,
}

/// What a connection has sent by the time that it is taken.
pub(super) enum Early {
    /// A whole request and nothing else, in so many bytes.
    Request(usize),
    /// So many bytes of something else.
    Part(usize),
    /// Nothing yet.
    Nothing,
    /// It has ended.
    End,
}

/// Looks at what has come already, and waits for nothing.
pub(super) fn peek(stream: &mut std::net::TcpStream, buffer: &mut [u8]) -> Early {
    match stream.read(buffer) {
        Ok(0) => Early::End,
        Ok(count) => match parse(&buffer[..count]) {
            Ok(Some(head)) if head.length == count => Early::Request(count),
            _ => Early::Part(count),
        },
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Early::Nothing,
        Err(_) => Early::End,
    }
}

/// Answers a request that was all there was to read; gives back what did not fit into the socket.
/// Nothing is left unread, so closing the connection takes nothing from the answer.
pub(super) fn answer_at_once(
    stream: &mut std::net::TcpStream,
    status: &str,
    body: &[u8],
) -> Option<Vec<u8>> {
    let mut response = response(status, body);
    match stream.write(&response) {
        Ok(count) if count == response.len() => None,
        Ok(count) => Some(response.split_off(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(response),
        Err(_) => {
            let _ = stream.shutdown(Shutdown::Both);
            None
        }
    }
}

/// Reads on until there is a whole request, within limits of size and time.
pub(super) async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Bad> {
    timeout(PATIENCE, read_unhurried(stream, buffer)).await.unwrap_or(Err(Bad::Slow))
}

async fn read_unhurried(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Bad> {
    while parse(buffer)?.is_none() {
        if buffer.len() > LONGEST_HEAD {
            return Err(Bad::Long);
        }
        buffer.reserve(ROOM);
        match stream.read_buf(buffer).await {
            Ok(0) | Err(_) => return Err(Bad::Request),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// The request that bytes begin with, if it is whole.
pub(super) fn parse(buffer: &[u8]) -> Result<Option<Head<'_>>, Bad> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Bad::Long),
        Err(_) => return Err(Bad::Request),
    };
    if request.method != Some("GET") {
        return Err(Bad::Method);
    }
    let upgrade = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("upgrade"));
    let target = request.path.unwrap_or_default();
    Ok(Some(Head { target, upgrade: upgrade.map(|header| header.value), length }))
}

/// Answers a request, and closes the connection so that the answer is not lost.
pub(super) async fn answer(stream: &mut TcpStream, status: &str, body: &[u8]) {
    finish(stream, &response(status, body)).await;
}

/// Sends the rest of an answer, and closes the connection so that it is not lost.
pub(super) async fn finish(stream: &mut TcpStream, rest: &[u8]) {
    let writing = async {
        stream.write_all(rest).await?;
        stream.shutdown().await?;
        // What was sent and not read would turn the close into a reset.
        let mut rest = [0; 512];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, writing).await;
}

fn response(status: &str, body: &[u8]) -> Vec<u8> {
    let mut response = Vec::with_capacity(ROOM + body.len());
    // Writing to memory does not fail.
    let _ = write!(
        response,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    response.extend_from_slice(body);
    response
}

impl Bad {
    /// The status that says so (RFC 9110, section 15; RFC 6585 for 431).
    pub(super) const fn status(self) -> &'static str {
        match self {
            Self::Request => "400 Bad Request",
            Self::Slow => "408 Request Timeout",
            Self::Long => "431 Request Header Fields Too Large",
            Self::Method => "405 Method Not Allowed",
        }
    }
}

/// How long a request may take; it fits in one packet.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may take, and the other end's goodbye.
const LINGER: Duration = Duration::from_secs(5);

/// Twice what the most talkative client sends.
const LONGEST_HEAD: usize = 8 * 1024;
/// Most requests, and the head of an answer, are shorter.
const ROOM: usize = 512;
const MOST_HEADERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_once_it_is_complete() {
        let whole = b"GET /announce?x=%20 HTTP/1.1\r\nHost: t\r\nUPGRADE: murder/1\r\n\r\n{}";
        for cut in 0..whole.len() - 2 {
            assert_eq!(parse(&whole[..cut]), Ok(None), "{cut}");
        }
        let head = parse(whole).unwrap().unwrap();
        assert_eq!(&whole[head.length..], b"{}");
        assert_eq!(head.target, "/announce?x=%20");
        assert_eq!(head.upgrade, Some(b"murder/1".as_slice()));
    }

    #[test]
    fn what_is_no_get_request_is_told_so() {
        assert_eq!(parse(b"POST / HTTP/1.1\r\n\r\n"), Err(Bad::Method));
        assert_eq!(parse(b"\x13BitTorrent protocol"), Err(Bad::Request));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
        assert_eq!(parse(many.as_bytes()), Err(Bad::Long));
    }
}
