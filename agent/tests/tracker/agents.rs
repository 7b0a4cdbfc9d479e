//! Our agents' standing connections.

use std::net::SocketAddr;

use murder_agent::channel::{
    ChannelConfig, ChannelEvent, Hello, PROTOCOL_NAME, Part, ToTracker, connect, encode,
};
use murder_protocol::{HostOutcome, HostReport, Phase, RunId, Secret};
use murder_swarm::wire::InfoHash;

use crate::harness::{Agent, Fixture, hello, host, info_hash};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_is_let_in_and_told_of_the_others() {
    let tracker = Fixture::new();
    let seeder = tracker.seeded().await;
    let run = tracker.open(&[host(1)]).unwrap();
    let mut peer = tracker.peer(1, &run);
    peer.connected().await;
    let seeders = ChannelEvent::Peers(vec![seeder.address]);
    peer.is_told(&seeders).await;
    peer.report(Phase::Done, 100, Some(HostOutcome::Ok));
    peer.is_told(&ChannelEvent::OutcomeSeen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_that_does_not_belong_is_refused_and_told_why() {
    let tracker = Fixture::new();
    let key = tracker.register(1).key;
    let _seeder = tracker.seeded().await;
    let run = tracker.open(&[host(1)]).unwrap();
    tracker.register(2);
    let peer = || hello(1, Part::Peer, &run.key, Some(&run.run));
    let wrong = Secret("wrong".to_owned());
    let id = &run.run;
    let cases = [
        (Hello { key: wrong.clone(), ..peer() }, WRONG_KEY.to_owned()),
        (hello(1, Part::Seeder, &run.key, None), WRONG_KEY.to_owned()),
        (Hello { key: key.clone(), ..peer() }, WRONG_KEY.to_owned()),
        (Hello { port: 0, ..peer() }, "port 0 is no port".to_owned()),
        (Hello { run: None, ..peer() }, "a peer has to name its run".to_owned()),
        (
            Hello { run: Some(RunId("v1-x".to_owned())), ..peer() },
            "this tracker remembers no run v1-x".to_owned(),
        ),
        (
            Hello { host: "other".to_owned(), ..peer() },
            format!("host other is no part of run {id}"),
        ),
        (Hello { info_hash: info_hash(2), ..peer() }, format!("run {id} is about another torrent")),
        (
            Hello { info_hash: InfoHash([0xab; 20]), ..peer() },
            format!("this tracker knows no torrent {}", "ab".repeat(20)),
        ),
    ];
    for (hello, why) in cases {
        refused(&tracker, hello, why).await;
    }
}

async fn refused(tracker: &Fixture, hello: Hello, why: String) {
    let (host, address) = (hello.host.clone(), SocketAddr::from(([127, 0, 0, 1], hello.port)));
    let (channel, events) = connect(ChannelConfig { trackers: vec![tracker.address], hello });
    let mut agent = Agent { channel, events, host, address };
    agent.is_told(&ChannelEvent::Refused(why)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_that_leaves_is_handed_to_nobody() {
    let tracker = Fixture::new();
    let seeder = tracker.seeded().await;
    let run = tracker.open(&[host(1), host(2)]).unwrap();
    let mut first = tracker.peer(1, &run);
    first.connected().await;
    first.channel.close().await;
    let mut second = tracker.peer(2, &run);
    let peers = second
        .wait_for(|event| match event {
            ChannelEvent::Peers(peers) => Some(peers.clone()),
            _ => None,
        })
        .await;
    assert_eq!(peers, [seeder.address]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_that_asks_again_hears_of_those_who_came_since() {
    let tracker = Fixture::new();
    let seeder = tracker.seeded().await;
    let run = tracker.open(&[host(1), host(2)]).unwrap();
    let mut first = tracker.peer(1, &run);
    first.is_told(&ChannelEvent::Peers(vec![seeder.address])).await;
    let (_, foreign) = tracker.get(&format!(
        "/announce?info_hash={}&peer_id=aaaaaaaaaaaaaaaaaaaa&port=1001&left=5&numwant=0",
        info_hash(1).0.iter().map(|byte| format!("%{byte:02x}")).collect::<String>()
    ));
    assert!(foreign.starts_with(b"d8:complete"));
    first.channel.want_peers();
    first.is_told(&ChannelEvent::Peers(vec!["127.0.0.1:1001".parse().unwrap()])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_that_breaks_the_rules_is_put_out() {
    let tracker = Fixture::new();
    let _seeder = tracker.seeded().await;
    let run = tracker.open(&[host(1)]).unwrap();
    let hello = ToTracker::Hello(Box::new(hello(1, Part::Peer, &run.key, Some(&run.run))));
    let report = HostReport {
        host: host(2),
        phase: Phase::Done,
        bytes: 0,
        total: 0,
        uploaded: 0,
        downloaded: 0,
        elapsed_ms: 0,
        outcome: None,
    };
    for (next, why) in [
        (hello.clone(), "a second hello"),
        (ToTracker::Report(Box::new(report)), "a report about another host"),
    ] {
        let answer = exchange(&tracker, &[hello.clone(), next]);
        assert!(answer.ends_with(&format!("{{\"refused\":{{\"why\":\"{why}\"}}}}\n")), "{answer}");
    }
    let answer = exchange(&tracker, &[ToTracker::Alive]);
    assert_eq!(answer, "{\"refused\":{\"why\":\"the first message is not a hello\"}}\n");
}

fn exchange(tracker: &Fixture, messages: &[ToTracker]) -> String {
    let mut bytes = format!("GET /agent HTTP/1.1\r\nUpgrade: {PROTOCOL_NAME}\r\n\r\n").into_bytes();
    bytes.extend(messages.iter().flat_map(encode));
    String::from_utf8(tracker.say(&bytes).1).unwrap()
}

const WRONG_KEY: &str = "its key is not that of the torrent or run";
