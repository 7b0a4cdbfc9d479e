//! Whole downloads among agents of ours.

use crate::hosts::Swarm;

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_gets_the_archive_from_the_seeder() {
    let swarm = Swarm::new(64 * MIB + 12_345, MIB as u32);
    let (seeder, mut peer) = (swarm.seeder(), swarm.peer("a"));
    peer.engine.candidates(vec![seeder.address()]).await;
    peer.complete().await;
    assert!(swarm.is_at(&peer.path));
    let (sent, got) = (seeder.progress(), peer.progress());
    assert_eq!(got.have, swarm.bytes.len() as u64);
    assert_eq!(got.wasted, 0);
    assert_eq!(sent.uploaded, swarm.bytes.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_peers_get_it_from_each_other() {
    let swarm = Swarm::new(12 * MIB, 128 * 1024);
    let seeder = swarm.seeder();
    let mut peers: Vec<_> = (0..16).map(|n| swarm.peer(&n.to_string())).collect();
    let everyone: Vec<_> =
        peers.iter().map(|peer| peer.address()).chain([seeder.address()]).collect();
    for peer in &peers {
        let others = everyone.iter().copied().filter(|address| *address != peer.address());
        peer.engine.candidates(others.collect()).await;
    }
    for peer in &mut peers {
        peer.complete().await;
        assert!(swarm.is_at(&peer.path));
    }
    let copies = seeder.progress().uploaded as f64 / swarm.bytes.len() as f64;
    assert!(copies < 8.0, "the seeder sent {copies} copies: the peers did not help each other");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_verified_is_not_fetched_again_after_an_abort() {
    let swarm = Swarm::new(64 * MIB, MIB as u32);
    let (seeder, peer) = (swarm.seeder(), swarm.peer("a"));
    peer.engine.candidates(vec![seeder.address()]).await;
    peer.engine.reached(16 * MIB as u64).await;
    // As SIGKILL would: nothing is told, nothing is flushed by us.
    drop(peer);
    let mut again = reopened(&swarm).await;
    let before = again.progress().have;
    assert!(before >= 16 * MIB as u64, "{before}");
    again.engine.candidates(vec![seeder.address()]).await;
    again.complete().await;
    assert!(swarm.is_at(&again.path));
    assert_eq!(again.progress().downloaded, swarm.bytes.len() as u64 - before);
}

/// The partial file is free once the tasks of the engine before are gone.
async fn reopened(swarm: &Swarm) -> crate::hosts::Host {
    let free = || std::fs::File::open(swarm.partial("a")).unwrap().try_lock().is_ok();
    while !free() {
        tokio::task::yield_now().await;
    }
    swarm.peer("a")
}
