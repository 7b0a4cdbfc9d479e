//! Our agents' standing connections.

use murder_agent::channel::{ChannelEvent, Part};
use murder_protocol::{HostOutcome, Phase, Secret};

use crate::harness::{Fixture, host};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_is_let_in_and_told_of_the_others() {
    let tracker = Fixture::new();
    let key = tracker.register(1).key;
    let mut seeder = tracker.seeder(&key);
    seeder.connected().await;
    let run = tracker.open(&[host(1)]).unwrap();
    let mut peer = tracker.agent(1, Part::Peer, &run.key, Some(&run.run));
    peer.connected().await;
    let seeders = ChannelEvent::Peers(vec![seeder.address]);
    peer.is_told(&seeders).await;
    peer.report(Phase::Done, 100, Some(HostOutcome::Ok));
    peer.is_told(&ChannelEvent::OutcomeSeen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_with_a_wrong_key_is_refused() {
    let tracker = Fixture::new();
    tracker.register(1);
    let mut seeder = tracker.seeder(&Secret("wrong".to_owned()));
    let why = "its key is not that of the torrent or run".to_owned();
    seeder.is_told(&ChannelEvent::Refused(why)).await;
}
