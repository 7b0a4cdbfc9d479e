//! How an agent's connection begins: an HTTP/1.1 upgrade (RFC 9110, section 7.8), so that the
//! tracker needs one port for agents and foreign clients alike.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the `Upgrade` header names.
pub const PROTOCOL_NAME: &str = "murder/1";

/// What the request line names.
pub const PATH: &str = "/agent";

/// The tracker's answer, after which lines follow.
pub const SWITCHING: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: murder/1\r\n\r\n";

/// Asks for the upgrade; gives what came after the tracker's answer.
pub(super) async fn request(
    stream: &mut TcpStream,
    tracker: SocketAddr,
) -> Result<Vec<u8>, UpgradeError> {
    let head = format!(
        "GET {PATH} HTTP/1.1\r\nHost: {tracker}\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL_NAME}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut buffer = Vec::with_capacity(LONGEST_HEAD);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(UpgradeError::Closed);
        }
        if let Some(length) = accepted(&buffer)? {
            return Ok(buffer.split_off(length));
        }
        if buffer.len() >= LONGEST_HEAD {
            return Err(UpgradeError::NotATracker);
        }
    }
}

/// The length of an answer that is complete and says yes.
fn accepted(buffer: &[u8]) -> Result<Option<usize>, UpgradeError> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(buffer) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) if response.code == Some(101) => Ok(Some(length)),
        Ok(httparse::Status::Complete(_)) => {
            Err(UpgradeError::Refused { status: response.code.unwrap_or(0) })
        }
        Err(_) => Err(UpgradeError::NotATracker),
    }
}

/// Why what listens there is no tracker of ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpgradeError {
    #[error("it closed the connection before it answered")]
    Closed,
    #[error("it answers HTTP, but with status {status}, so it is no murder tracker")]
    Refused { status: u16 },
    #[error("what answers there is no murder tracker")]
    NotATracker,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl UpgradeError {
    /// Whether a tracker of another make could have answered so.
    pub(super) fn may_be_foreign(&self) -> bool {
        matches!(self, Self::Closed | Self::Refused { .. } | Self::NotATracker)
    }
}

/// Our tracker's answer has 80 bytes.
const LONGEST_HEAD: usize = 4096;
const MOST_HEADERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trackers_answer_is_accepted_once_it_is_complete() {
        let whole = SWITCHING.as_bytes();
        assert!(accepted(&whole[..whole.len() - 1]).unwrap().is_none());
        assert_eq!(accepted(&[whole, b"{}\n"].concat()).unwrap(), Some(whole.len()));
    }

    #[test]
    fn another_web_server_is_told_apart() {
        let error = accepted(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "it answers HTTP, but with status 404, so it is no murder tracker"
        );
        let error = accepted(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap_err();
        assert_eq!(error.to_string(), "what answers there is no murder tracker");
    }
}
