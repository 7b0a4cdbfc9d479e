//! Members that lie, fall silent or are in the wrong place.

use murder_swarm::torrent::Config;
use murder_swarm::wire::{
    Handshake, InfoHash, Message, PeerId, Reserved, Span, encode, encode_block_header,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::foreign::Foreign;
use crate::hosts::Swarm;

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_wrong_bytes_is_banned_and_the_rest_comes_from_others() {
    let swarm = Swarm::new(4 << 20, 256 * 1024);
    let (seeder, mut peer) = (swarm.seeder(), swarm.peer("a"));
    let liar = Foreign::new(&swarm).await;
    peer.engine.candidates(vec![liar.address()]).await;
    let pieces = swarm.metainfo.lengths().pieces();
    let lying = tokio::spawn(async move {
        let mut caller = liar.accept(pieces).await;
        while let Some(span) = caller.request().await {
            caller.block(span, &vec![0xbd; span.len as usize]).await;
        }
        // Nobody listens here any more, so that the test notices if it is dialled again.
    });
    peer.says("with wrong bytes, and is banned").await;
    lying.await.unwrap();
    peer.engine.candidates(vec![seeder.address()]).await;
    peer.complete().await;
    assert!(swarm.is_at(&peer.path));
    assert!(peer.progress().wasted > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_falls_silent_does_not_hold_the_download_up() {
    let swarm = Swarm::new(4 << 20, 256 * 1024);
    let (seeder, mut peer) = (swarm.seeder(), swarm.peer("a"));
    let silent = Foreign::new(&swarm).await;
    peer.engine.candidates(vec![silent.address()]).await;
    let mut caller = silent.accept(swarm.metainfo.lengths().pieces()).await;
    let first = caller.request().await.expect("it asks");
    let begin = first.index as usize * 256 * 1024 + first.begin as usize;
    caller.block(first, &swarm.bytes[begin..][..first.len as usize]).await;
    peer.engine.candidates(vec![seeder.address()]).await;
    peer.complete().await;
    assert!(swarm.is_at(&peer.path));
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_send_half_a_block_do_not_hold_the_download_up() {
    let swarm = Swarm::new(4 << 20, 256 * 1024);
    let (seeder, mut peer) = (swarm.seeder(), swarm.peer("a"));
    let mut callers = Vec::new();
    // As many as it takes, but for one.
    for caller in 1..Config::default().max_connections {
        let mut stream = TcpStream::connect(peer.address()).await.unwrap();
        let ours = Handshake {
            reserved: Reserved::default(),
            info_hash: swarm.metainfo.info_hash(),
            peer_id: PeerId([u8::try_from(caller).unwrap(); 20]),
        };
        stream.write_all(&ours.encode()).await.unwrap();
        stream.read_exact(&mut [0; Handshake::LEN]).await.unwrap();
        stream.write_all(&encode_block_header(0, 0, 128 * 1024)).await.unwrap();
        stream.write_all(&[0xbd; 64 * 1024]).await.unwrap();
        callers.push(stream);
    }
    seeder.engine.candidates(vec![peer.address()]).await;
    peer.complete().await;
    assert!(swarm.is_at(&peer.path));
    drop(callers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_asks_and_never_reads_is_hung_up_on() {
    let swarm = Swarm::new(1 << 20, 64 * 1024);
    let mut seeder = swarm.seeder();
    let mut stream = TcpStream::connect(seeder.address()).await.unwrap();
    let ours = Handshake {
        reserved: Reserved::OURS,
        info_hash: swarm.metainfo.info_hash(),
        peer_id: PeerId([2; 20]),
    };
    stream.write_all(&ours.encode()).await.unwrap();
    // It is not its turn, so each request is answered with a rejection (BEP 6).
    let mut requests = Vec::new();
    for _ in 0..1000 {
        encode(&Message::Request(Span { index: 0, begin: 0, len: 16 * 1024 }), &mut requests);
    }
    let asking = tokio::spawn(async move { while stream.write_all(&requests).await.is_ok() {} });
    seeder.says("asks and does not listen").await;
    asking.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_for_another_torrent_is_hung_up_on() {
    let swarm = Swarm::new(100_000, 16 * 1024);
    let seeder = swarm.seeder();
    let mut stream = TcpStream::connect(seeder.address()).await.unwrap();
    let stranger = Handshake {
        reserved: Reserved::OURS,
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId([2; 20]),
    };
    stream.write_all(&stranger.encode()).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    assert!(said.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_told_its_own_address_goes_on() {
    let swarm = Swarm::new(1 << 20, 64 * 1024);
    let (seeder, mut peer) = (swarm.seeder(), swarm.peer("a"));
    peer.engine.candidates(vec![peer.address()]).await;
    peer.says("dialled").await;
    peer.engine.candidates(vec![seeder.address()]).await;
    peer.complete().await;
}
