//! Clients of other people, and what is worse.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use murder_agent::channel::ChannelEvent;
use murder_swarm::tracker::http::{AnswerError, TrackerAnswer};
use murder_swarm::wire::InfoHash;

use crate::harness::{Fixture, WAIT, host, info_hash};

fn escaped(hash: InfoHash) -> String {
    hash.0.iter().map(|byte| format!("%{byte:02x}")).collect()
}

fn announce(hash: InfoHash, peer_id: &str, port: u16, more: &str) -> String {
    let hash = escaped(hash);
    format!("/announce?info_hash={hash}&peer_id={peer_id}&port={port}&left=5{more}")
}

#[test]
fn plain_clients_meet_through_compact_answers() {
    let tracker = Fixture::new();
    tracker.register(1);
    tracker.get(&announce(info_hash(1), "aaaaaaaaaaaaaaaaaaaa", 1001, "&event=started"));
    let (status, body) =
        tracker.get(&announce(info_hash(1), "bbbbbbbbbbbbbbbbbbbb", 1002, "&compact=1"));
    assert_eq!(status, "HTTP/1.1 200 OK");
    let answer = TrackerAnswer::parse(&body).unwrap();
    assert_eq!(answer.peers, ["127.0.0.1:1001".parse::<SocketAddr>().unwrap()]);
    assert!(body.windows(9).any(|window| window == b"5:peers6:"));
}

#[test]
fn plain_clients_meet_through_dictionaries() {
    let tracker = Fixture::new();
    tracker.register(1);
    tracker.get(&announce(info_hash(1), "aaaaaaaaaaaaaaaaaaaa", 1001, ""));
    let (_, body) =
        tracker.get(&announce(info_hash(1), "bbbbbbbbbbbbbbbbbbbb", 1002, "&compact=0"));
    let text = String::from_utf8(body).unwrap();
    let peer = "d2:ip9:127.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti1001ee";
    assert!(text.contains(peer), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_plain_client_and_an_agent_meet() {
    let tracker = Fixture::new();
    let seeder = tracker.seeded().await;
    let (_, body) = tracker.get(&announce(info_hash(1), "aaaaaaaaaaaaaaaaaaaa", 1001, ""));
    assert_eq!(TrackerAnswer::parse(&body).unwrap().peers, [seeder.address]);
    let run = tracker.open(&[host(1)]).unwrap();
    let mut peer = tracker.peer(1, &run);
    let told = peer
        .wait_for(|event| match event {
            ChannelEvent::Peers(peers) => Some(peers.clone()),
            _ => None,
        })
        .await;
    assert!(told.contains(&"127.0.0.1:1001".parse().unwrap()), "{told:?}");
}

#[test]
fn a_torrent_that_was_not_registered_is_not_tracked() {
    let tracker = Fixture::new();
    let (status, body) = tracker.get(&announce(info_hash(1), "aaaaaaaaaaaaaaaaaaaa", 1001, ""));
    assert_eq!(status, "HTTP/1.1 200 OK");
    let reason = "the torrent is not registered with this tracker".to_owned();
    assert_eq!(TrackerAnswer::parse(&body), Err(AnswerError::Failure(reason)));
}

#[test]
fn a_scrape_counts_members_and_gives_no_list_of_torrents() {
    let tracker = Fixture::new();
    tracker.register(1);
    tracker.get(&announce(info_hash(1), "aaaaaaaaaaaaaaaaaaaa", 1001, ""));
    let (_, body) = tracker.get(&format!("/scrape?info_hash={}", escaped(info_hash(1))));
    let end = b"d8:completei0e10:downloadedi0e10:incompletei1eeee";
    assert!(body.ends_with(end), "{}", String::from_utf8_lossy(&body));
    let (_, body) = tracker.get("/scrape");
    assert_eq!(body, b"d14:failure reason27:a scrape names its torrentse");
}

#[test]
fn other_requests_are_refused_with_their_status() {
    let tracker = Fixture::new();
    let status = |request: &[u8]| tracker.say(request).0;
    assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
    assert_eq!(status(b"GET /agent HTTP/1.1\r\n\r\n"), "HTTP/1.1 426 Upgrade Required");
    assert_eq!(status(b"POST /announce HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(status(b"\x13BitTorrent protocol\0\0\r\n\r\n"), "HTTP/1.1 400 Bad Request");
}

#[test]
fn a_request_without_end_is_cut_off_at_its_limit() {
    let tracker = Fixture::new();
    let endless = [b"GET /announce?".as_slice(), &[b'a'; 1 << 20]].concat();
    // What it had not yet read may take the answer with it; what counts is that it closed.
    let (status, _) = tracker.say(&endless);
    assert!(matches!(status.as_str(), "" | "HTTP/1.1 431 Request Header Fields Too Large"));
}

#[test]
fn an_agent_line_without_end_is_refused() {
    let tracker = Fixture::new();
    let mut bytes = b"GET /agent HTTP/1.1\r\nUpgrade: murder/1\r\n\r\n".to_vec();
    bytes.extend([b'{'; 70_000]);
    let (status, body) = tracker.say(&bytes);
    assert_eq!(status, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(
        String::from_utf8(body).unwrap(),
        "{\"refused\":{\"why\":\"a line is longer than 65536 bytes\"}}\n"
    );
}

#[test]
fn whoever_says_nothing_is_dropped_and_holds_nobody_up() {
    let tracker = Fixture::new();
    tracker.register(1);
    let mut silent: Vec<_> =
        (0..100).map(|_| TcpStream::connect(tracker.address).unwrap()).collect();
    for stream in &mut silent {
        stream.write_all(b"GET /announce").unwrap();
    }
    let (status, _) = tracker.get(&announce(info_hash(1), "aaaaaaaaaaaaaaaaaaaa", 1001, ""));
    assert_eq!(status, "HTTP/1.1 200 OK");
    let mut answer = String::new();
    silent[0].set_read_timeout(Some(WAIT)).unwrap();
    silent[0].read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
}
