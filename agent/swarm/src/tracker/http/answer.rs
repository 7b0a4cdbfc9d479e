//! What the tracker answers over HTTP: the bodies, which are bencoded.

use std::net::SocketAddr;
use std::time::Duration;

use super::Form;
use crate::bencode::{Dict, Value};
use crate::tracker::{Answer, PeerEntry, ScrapeEntry, Tally};

/// The body of an answer to `/announce`.
pub fn encode_answer(answer: &Answer, form: Form) -> Vec<u8> {
    let dict = tally(&answer.tally)
        .with("interval", seconds(answer.interval))
        .with("min interval", seconds(answer.min_interval));
    if form != Form::Compact {
        let ips: Vec<_> = answer.peers.iter().map(|peer| peer.addr.ip().to_string()).collect();
        let peers = answer.peers.iter().zip(&ips).map(|(peer, ip)| peer_dict(peer, ip, form));
        return encode(&dict.with("peers", Value::List(peers.collect())));
    }
    let (v4, v6) = compact(&answer.peers);
    let dict = dict.with("peers", Value::Bytes(&v4));
    if v6.is_empty() {
        return encode(&dict);
    }
    encode(&dict.with("peers6", Value::Bytes(&v6)))
}

/// The body of an answer to `/scrape` (BEP 48).
pub fn encode_scrape(entries: &[ScrapeEntry]) -> Vec<u8> {
    let mut files = Dict::default();
    for entry in entries {
        // Whoever names a torrent twice hears of it once.
        if files.get(entry.info_hash.0).is_none() {
            files = files.with(&entry.info_hash.0, Value::Dict(tally(&entry.tally)));
        }
    }
    encode(&Dict::default().with("files", Value::Dict(files)))
}

/// The body of an answer that says why there is none (BEP 3).
pub fn encode_failure(reason: &str) -> Vec<u8> {
    encode(&Dict::default().with("failure reason", Value::Bytes(reason.as_bytes())))
}

fn tally(tally: &Tally) -> Dict<'static> {
    Dict::default()
        .with("complete", Value::Integer(tally.complete.into()))
        .with("downloaded", Value::Integer(tally.downloaded.into()))
        .with("incomplete", Value::Integer(tally.incomplete.into()))
}

fn peer_dict<'a>(peer: &'a PeerEntry, ip: &'a str, form: Form) -> Value<'a> {
    let mut dict = Dict::default()
        .with("ip", Value::Bytes(ip.as_bytes()))
        .with("port", Value::Integer(peer.addr.port().into()));
    if form == Form::Dicts {
        dict = dict.with("peer id", Value::Bytes(&peer.peer_id.0));
    }
    Value::Dict(dict)
}

/// IPv4 peers in 6 bytes each (BEP 23), IPv6 peers in 18 (BEP 7).
fn compact(peers: &[PeerEntry]) -> (Vec<u8>, Vec<u8>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for peer in peers {
        match peer.addr {
            SocketAddr::V4(addr) => {
                v4.extend(addr.ip().octets());
                v4.extend(addr.port().to_be_bytes());
            }
            SocketAddr::V6(addr) => {
                v6.extend(addr.ip().octets());
                v6.extend(addr.port().to_be_bytes());
            }
        }
    }
    (v4, v6)
}

fn seconds(span: Duration) -> Value<'static> {
    Value::Integer(i64::try_from(span.as_secs()).unwrap_or(i64::MAX))
}

fn encode(dict: &Dict<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL);
    dict.encode(&mut out);
    out
}

/// Bytes of an answer with fifty peers of IPv4.
const USUAL: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{InfoHash, PeerId};

    fn answer() -> Answer {
        let peer = |name: u8, addr: &str| PeerEntry {
            peer_id: PeerId([name; 20]),
            addr: addr.parse().unwrap(),
        };
        Answer {
            interval: Duration::from_secs(30),
            min_interval: Duration::from_secs(10),
            tally: Tally { complete: 1, incomplete: 2, downloaded: 3 },
            peers: vec![peer(b'a', "48.49.50.51:13365"), peer(b'b', "[3031::3839]:12592")],
        }
    }

    const HEAD: &str =
        "d8:completei1e10:downloadedi3e10:incompletei2e8:intervali30e12:min intervali10e";

    #[test]
    fn a_compact_answer_has_the_bytes_of_bep_23_and_7() {
        let expected = format!("{HEAD}5:peers6:0123456:peers618:01{}8910e", "\0".repeat(12));
        assert_eq!(String::from_utf8(encode_answer(&answer(), Form::Compact)).unwrap(), expected);
    }

    #[test]
    fn an_answer_of_dictionaries_has_the_bytes_of_bep_3() {
        let peers = |a: &str, b: &str| {
            format!(
                "{HEAD}5:peersld2:ip11:48.49.50.51{a}4:porti13365eed2:ip10:3031::3839{b}\
                 4:porti12592eeee"
            )
        };
        let id = |name: &str| format!("7:peer id20:{}", name.repeat(20));
        let with_ids = encode_answer(&answer(), Form::Dicts);
        assert_eq!(String::from_utf8(with_ids).unwrap(), peers(&id("a"), &id("b")));
        let without = encode_answer(&answer(), Form::DictsWithoutId);
        assert_eq!(String::from_utf8(without).unwrap(), peers("", ""));
    }

    #[test]
    fn a_scrape_has_the_bytes_of_bep_48() {
        let tally = Tally { complete: 1, incomplete: 2, downloaded: 3 };
        let entry = ScrapeEntry { info_hash: InfoHash([b'h'; 20]), tally };
        let expected = format!(
            "d5:filesd20:{}d8:completei1e10:downloadedi3e10:incompletei2eeee",
            "h".repeat(20)
        );
        let body = encode_scrape(&[entry, entry]);
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        assert_eq!(encode_scrape(&[]), b"d5:filesdee");
    }

    #[test]
    fn a_failure_gives_its_reason() {
        assert_eq!(encode_failure("no"), b"d14:failure reason2:noe");
    }
}
