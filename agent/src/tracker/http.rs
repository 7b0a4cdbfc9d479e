//! HTTP/1.1 (RFC 9112), as much of it as a tracker needs: one GET request a connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A request that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The request target.
    pub(super) target: String,
    /// What the `Upgrade` header names, if there is one.
    pub(super) upgrade: Option<String>,
    /// What came after the request.
    pub(super) rest: Vec<u8>,
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

/// Reads one request, within limits of size and time.
pub(super) async fn read(stream: &mut TcpStream) -> Result<Head, Bad> {
    timeout(PATIENCE, read_unhurried(stream)).await.unwrap_or(Err(Bad::Slow))
}

async fn read_unhurried(stream: &mut TcpStream) -> Result<Head, Bad> {
    let mut buffer = Vec::with_capacity(1024);
    loop {
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return Err(Bad::Request),
            Ok(_) => {}
        }
        if let Some((length, mut head)) = parse(&buffer)? {
            head.rest = buffer.split_off(length);
            return Ok(head);
        }
        if buffer.len() > LONGEST_HEAD {
            return Err(Bad::Long);
        }
    }
}

fn parse(buffer: &[u8]) -> Result<Option<(usize, Head)>, Bad> {
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
    let head = Head {
        target: request.path.unwrap_or_default().to_owned(),
        upgrade: upgrade.map(|header| String::from_utf8_lossy(header.value).into_owned()),
        rest: Vec::new(),
    };
    Ok(Some((length, head)))
}

/// Answers a request, and closes the connection so that the answer is not lost.
pub(super) async fn answer(stream: &mut TcpStream, status: &str, body: &[u8]) {
    let mut response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend_from_slice(body);
    let writing = async {
        stream.write_all(&response).await?;
        stream.shutdown().await?;
        // What was sent and not read would turn the close into a reset.
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(LINGER, writing).await;
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
        let (length, head) = parse(whole).unwrap().unwrap();
        assert_eq!(&whole[length..], b"{}");
        assert_eq!(head.target, "/announce?x=%20");
        assert_eq!(head.upgrade.as_deref(), Some("murder/1"));
    }

    #[test]
    fn what_is_no_get_request_is_told_so() {
        assert_eq!(parse(b"POST / HTTP/1.1\r\n\r\n"), Err(Bad::Method));
        assert_eq!(parse(b"\x13BitTorrent protocol"), Err(Bad::Request));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
        assert_eq!(parse(many.as_bytes()), Err(Bad::Long));
    }
}
