//! A member's end: the URL to get, and what came back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{AnnounceQuery, percent};
use crate::bencode::{BencodeError, Dict, Keys, Value};
use crate::tracker::{Event, Tally};

/// The URL to get. `tracker` is the torrent's `announce`, which may have a query of its own. The
/// answer is always asked for in its compact form.
pub fn announce_url(tracker: &str, query: &AnnounceQuery) -> String {
    let mut url = String::from(tracker);
    url.push(if tracker.contains('?') { '&' } else { '?' });
    url.push_str("info_hash=");
    percent::encode(&query.info_hash.0, &mut url);
    url.push_str("&peer_id=");
    percent::encode(&query.peer_id.0, &mut url);
    let AnnounceQuery { port, uploaded, downloaded, numwant, .. } = query;
    url.push_str(&format!("&port={port}&uploaded={uploaded}&downloaded={downloaded}"));
    url.push_str(&format!("&left={}", query.left.unwrap_or(i64::MAX as u64)));
    url.push_str(&format!("&numwant={numwant}&compact=1"));
    if let Some(event) = event(query.event) {
        url.push_str(&format!("&event={event}"));
    }
    if let Some(ip) = query.ip {
        url.push_str("&ip=");
        percent::encode(ip.to_string().as_bytes(), &mut url);
    }
    url
}

/// What a tracker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerAnswer {
    /// When to announce again.
    pub interval: Duration,
    /// When to announce again at the earliest, if it says so.
    pub min_interval: Option<Duration>,
    /// How many are in the swarm, as far as it says.
    pub tally: Tally,
    /// Where the others listen.
    pub peers: Vec<SocketAddr>,
    /// What its operator should be told.
    pub warning: Option<String>,
}

/// Why there is no answer in what a tracker says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The tracker refuses.
    #[error("the tracker refuses: {0}")]
    Failure(String),
    /// The body is not bencoded.
    #[error("the tracker's answer can't be read")]
    Bencode(#[from] BencodeError),
    /// It is something else than a dictionary.
    #[error("the tracker's answer is not a dictionary")]
    NotDict,
    /// Something that must be there is not, or can not be.
    #[error("the tracker's answer has no usable {0}")]
    Unusable(&'static str),
}

impl TrackerAnswer {
    /// Reads the body of an answer to an announce.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        let value = Value::parse(body, Keys::Unsorted)?;
        let dict = value.as_dict().ok_or(AnswerError::NotDict)?;
        if let Some(reason) = dict.get("failure reason").and_then(Value::as_bytes) {
            return Err(AnswerError::Failure(printable(reason)));
        }
        Ok(Self {
            interval: seconds(dict, "interval").ok_or(AnswerError::Unusable("interval"))?,
            min_interval: seconds(dict, "min interval"),
            tally: Tally {
                complete: count(dict, "complete"),
                incomplete: count(dict, "incomplete"),
                downloaded: count(dict, "downloaded"),
            },
            peers: peers(dict)?,
            warning: dict.get("warning message").and_then(Value::as_bytes).map(printable),
        })
    }
}

fn peers(dict: &Dict<'_>) -> Result<Vec<SocketAddr>, AnswerError> {
    let mut peers = match dict.get("peers") {
        Some(Value::Bytes(bytes)) => compact_v4(bytes)?,
        Some(Value::List(list)) => list.iter().filter_map(listed).collect(),
        None => Vec::new(),
        Some(_) => return Err(AnswerError::Unusable("peers")),
    };
    match dict.get("peers6") {
        Some(Value::Bytes(bytes)) => peers.extend(compact_v6(bytes)?),
        None => {}
        Some(_) => return Err(AnswerError::Unusable("peers6")),
    }
    peers.retain(|addr| addr.port() != 0 && !addr.ip().is_unspecified());
    peers.truncate(MAX_PEERS);
    Ok(peers)
}

/// BEP 23.
fn compact_v4(bytes: &[u8]) -> Result<Vec<SocketAddr>, AnswerError> {
    let (entries, []) = bytes.as_chunks::<6>() else {
        return Err(AnswerError::Unusable("peers"));
    };
    let addr = |[a, b, c, d, high, low]: &[u8; 6]| {
        SocketAddr::new(Ipv4Addr::new(*a, *b, *c, *d).into(), u16::from_be_bytes([*high, *low]))
    };
    Ok(entries.iter().map(addr).collect())
}

/// BEP 7.
fn compact_v6(bytes: &[u8]) -> Result<Vec<SocketAddr>, AnswerError> {
    let (entries, []) = bytes.as_chunks::<18>() else {
        return Err(AnswerError::Unusable("peers6"));
    };
    let addr = |entry: &[u8; 18]| {
        let ip: [u8; 16] = std::array::from_fn(|i| entry[i]);
        SocketAddr::new(Ipv6Addr::from(ip).into(), u16::from_be_bytes([entry[16], entry[17]]))
    };
    Ok(entries.iter().map(addr).collect())
}

/// BEP 3. A DNS name in `ip` is passed over: agents resolve nothing.
fn listed(peer: &Value<'_>) -> Option<SocketAddr> {
    let dict = peer.as_dict()?;
    let ip: IpAddr = dict.get("ip")?.as_text()?.parse().ok()?;
    let port = u16::try_from(dict.get("port")?.as_integer()?).ok()?;
    Some(SocketAddr::new(ip, port))
}

fn seconds(dict: &Dict<'_>, key: &str) -> Option<Duration> {
    let seconds = u64::try_from(dict.get(key)?.as_integer()?).ok()?;
    Some(Duration::from_secs(seconds.min(MAX_INTERVAL)))
}

fn count(dict: &Dict<'_>, key: &str) -> u32 {
    let number = dict.get(key).and_then(Value::as_integer).unwrap_or(0);
    u32::try_from(number).unwrap_or(0)
}

/// Somebody else's text goes to a terminal or a log: no control characters, and not too much.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

fn event(event: Event) -> Option<&'static str> {
    match event {
        Event::Regular => None,
        Event::Started => Some("started"),
        Event::Completed => Some("completed"),
        Event::Stopped => Some("stopped"),
    }
}

/// A day; a tracker that says more is not believed.
const MAX_INTERVAL: u64 = 86_400;
/// What is taken of one answer; trackers send 200 at the most.
const MAX_PEERS: usize = 1000;
const MAX_TEXT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::http::{Form, Query, encode_answer, encode_failure};
    use crate::tracker::{Answer, PeerEntry};
    use crate::wire::{InfoHash, PeerId};

    fn query() -> AnnounceQuery {
        AnnounceQuery {
            info_hash: InfoHash(std::array::from_fn(|i| i as u8 * 13)),
            peer_id: PeerId(*b"-MU0100-\0\x01 &=%abcdef"),
            port: 6881,
            ip: Some("fd00::1".parse().unwrap()),
            uploaded: 1,
            downloaded: 2,
            left: Some(3),
            event: Event::Started,
            numwant: 16,
            form: Form::Compact,
        }
    }

    fn refused(body: &[u8]) -> String {
        TrackerAnswer::parse(body).unwrap_err().to_string()
    }

    #[test]
    fn our_tracker_reads_what_our_member_asks() {
        let url = announce_url("/announce", &query());
        assert_eq!(Query::parse(&url), Ok(Query::Announce(query())));
    }

    #[test]
    fn a_tracker_with_a_query_of_its_own_keeps_it() {
        let url = announce_url("http://t/announce?pass=x", &query());
        assert!(url.starts_with("http://t/announce?pass=x&info_hash=%00%0D%1A%27"), "{url}");
    }

    #[test]
    fn our_member_reads_what_our_tracker_answers_in_every_form() {
        let peer = |addr: &str| PeerEntry { peer_id: PeerId([7; 20]), addr: addr.parse().unwrap() };
        let answer = Answer {
            interval: Duration::from_secs(30),
            min_interval: Duration::from_secs(10),
            tally: Tally { complete: 1, incomplete: 2, downloaded: 3 },
            peers: vec![peer("10.0.0.1:6881"), peer("[fd00::1]:6882")],
        };
        for form in [Form::Compact, Form::Dicts, Form::DictsWithoutId] {
            let got = TrackerAnswer::parse(&encode_answer(&answer, form)).unwrap();
            let peers: Vec<_> = answer.peers.iter().map(|peer| peer.addr).collect();
            assert_eq!((got.peers, got.tally), (peers, answer.tally), "{form:?}");
            assert_eq!(
                (got.interval, got.min_interval),
                (answer.interval, Some(answer.min_interval))
            );
        }
    }

    #[test]
    fn peers_that_nobody_can_dial_are_passed_over() {
        let body = b"d8:intervali60e5:peersld2:ip4:host4:porti1eed2:ip8:10.0.0.14:porti0eee\
                     d2:ip7:0.0.0.04:porti1ei3eee";
        assert!(TrackerAnswer::parse(body).is_err());
        let body = b"d8:intervali60e5:peersld2:ip4:host4:porti1eed2:ip8:10.0.0.14:porti0ee\
                     d2:ip7:0.0.0.04:porti1eei3ed2:ip8:10.0.0.24:porti9eeee";
        let got = TrackerAnswer::parse(body).unwrap();
        assert_eq!(got.peers, ["10.0.0.2:9".parse().unwrap()]);
    }

    #[test]
    fn a_failure_is_told_without_control_characters() {
        assert_eq!(
            refused(&encode_failure("not\x1b[31m here")),
            "the tracker refuses: not[31m here"
        );
    }

    #[test]
    fn answers_that_can_not_be_used_say_why() {
        assert_eq!(refused(b"<html>"), "the tracker's answer can't be read");
        assert_eq!(refused(b"le"), "the tracker's answer is not a dictionary");
        assert_eq!(refused(b"de"), "the tracker's answer has no usable interval");
        assert_eq!(refused(b"d8:intervali-1ee"), "the tracker's answer has no usable interval");
        assert_eq!(
            refused(b"d8:intervali1e5:peers5:abcdee"),
            "the tracker's answer has no usable peers"
        );
        assert_eq!(
            refused(b"d8:intervali1e5:peersi1ee"),
            "the tracker's answer has no usable peers"
        );
        assert_eq!(
            refused(b"d8:intervali1e6:peers61:ae"),
            "the tracker's answer has no usable peers6"
        );
    }

    #[test]
    fn an_interval_beyond_reason_is_a_day() {
        let got = TrackerAnswer::parse(b"d8:intervali9223372036854775807e5:peers0:e").unwrap();
        assert_eq!(got.interval, Duration::from_secs(86_400));
    }

    #[test]
    fn broken_answers_never_panic() {
        let whole = b"d8:completei1e8:intervali60e5:peers6:abcdef6:peers618:abcdefghijklmnopqre";
        let mut chance = fastrand::Rng::with_seed(5);
        for _ in 0..20_000 {
            let mut broken = whole.to_vec();
            for _ in 0..chance.usize(1..4) {
                let at = chance.usize(..broken.len());
                broken[at] = b"0123456789-:ilde"[chance.usize(..16)];
            }
            let _ = TrackerAnswer::parse(&broken);
        }
    }
}
