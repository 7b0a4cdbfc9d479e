//! Torrents that talk to each other over virtual links.

mod net;

use std::collections::BTreeSet;
use std::time::Duration;

use murder_swarm::torrent::DisconnectReason;
use murder_swarm::wire::Reserved;
use murder_swarm::{Lengths, PieceSet, Time};
use net::{MBIT_50, Manner, Net};

const MIB: u64 = 1 << 20;

fn net(mib: u64, seed: u64) -> Net {
    // Neither the last piece nor the last block is a whole one.
    Net::new(Lengths::new(mib * MIB - 12_345, 256 * 1024).unwrap(), seed)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn leeches(net: &mut Net, number: usize) -> Vec<usize> {
    (0..number).map(|_| net.leech()).collect()
}

/// How many times as long the last peer took as one link needs for everything.
fn last_ratio(net: &Net) -> f64 {
    let last = net.nodes.iter().filter_map(|node| node.completed).max().unwrap();
    last.since(Time::ZERO).as_secs_f64() / (net.lengths.total() as f64 / MBIT_50 as f64)
}

fn copies_sent(net: &Net, node: usize) -> f64 {
    net.nodes[node].torrent.totals().uploaded as f64 / net.lengths.total() as f64
}

fn wasted_part(net: &Net) -> f64 {
    let wasted: u64 = net.nodes.iter().map(|node| node.torrent.totals().wasted).sum();
    let needed = net.lengths.total() * net.nodes.len() as u64;
    wasted as f64 / needed as f64
}

#[test]
fn one_peer_gets_everything_from_one_seeder_at_the_rate_of_the_link() {
    let mut net = net(20, 1);
    let seeder = net.seeder();
    let leech = net.leech();
    net.introduce(leech, &[seeder]);
    net.run_until_done(seconds(60));
    let totals = net.nodes[leech].torrent.totals();
    assert_eq!((totals.wasted, totals.downloaded), (0, net.lengths.total()));
    assert!(last_ratio(&net) < 1.05, "{}", last_ratio(&net));
}

#[test]
fn sixteen_peers_get_everything_in_little_more_than_the_time_of_one() {
    let mut net = net(48, 1);
    let seeder = net.seeder();
    leeches(&mut net, 16);
    net.introduce_all(16);
    net.run_until_done(seconds(60));
    let (ratio, copies) = (last_ratio(&net), copies_sent(&net, seeder));
    println!("last / S {ratio:.3}, copies {copies:.3}, wasted {:.4}", wasted_part(&net));
    assert!(ratio < 1.2 && copies < 1.15 && wasted_part(&net) < 0.01, "{ratio} {copies}");
}

#[test]
fn every_waiting_peer_is_served_within_a_bounded_time() {
    let mut net = net(40, 2);
    let seeder = net.seeder();
    let all = leeches(&mut net, 12);
    // They know nobody but the seeder.
    for leech in &all {
        net.introduce(*leech, &[seeder]);
        net.nodes[*leech].knows_nobody = true;
    }
    net.run_for(seconds(12));
    for leech in all {
        let totals = net.nodes[leech].torrent.totals();
        assert!(totals.downloaded > 0, "{leech} starves: {}", net.state());
    }
}

#[test]
fn a_connection_lost_in_mid_piece_costs_no_more_than_what_was_on_its_way() {
    let mut net = net(10, 3);
    let seeders = [net.seeder(), net.seeder()];
    let leech = net.leech();
    net.introduce(leech, &seeders);
    for _ in 0..10 {
        net.run_for(Duration::from_millis(130));
        net.cut(leech, seeders[0]);
    }
    net.run_until_done(seconds(60));
    let totals = net.nodes[leech].torrent.totals();
    assert_eq!(totals.downloaded, net.lengths.total() + totals.wasted);
    assert!(wasted_part(&net) < 0.01);
}

#[test]
fn what_a_slow_peer_owes_is_asked_elsewhere() {
    let mut net = net(10, 4);
    let slow = net.seeder();
    net.nodes[slow].up = 20_000;
    let fast = net.seeder();
    let leech = net.leech();
    net.introduce(leech, &[slow]);
    net.run_for(seconds(1));
    net.introduce(leech, &[fast]);
    net.run_until_done(seconds(60));
    assert!(last_ratio(&net) < 4.0, "{}", last_ratio(&net));
    assert!(wasted_part(&net) < 0.03, "{}", wasted_part(&net));
}

#[test]
fn a_silent_peer_is_replaced_within_seconds() {
    let mut net = net(40, 5);
    let silent = net.seeder();
    net.nodes[silent].manner = Manner::Silent;
    let honest = net.seeder();
    let leech = net.leech();
    net.introduce(leech, &[silent]);
    net.run_for(seconds(1));
    net.introduce(leech, &[honest]);
    net.run_until_done(seconds(20));
    let addr = net.nodes[silent].addr;
    assert!(net.nodes[leech].disconnects.contains(&(addr, DisconnectReason::Silent)));
}

#[test]
fn a_peer_that_vanishes_does_not_stop_the_others() {
    let mut net = net(20, 6);
    let seeder = net.seeder();
    let all = leeches(&mut net, 8);
    net.introduce_all(8);
    net.run_for(seconds(2));
    net.kill(all[3]);
    net.run_until_done(seconds(60));
    assert!(net.nodes[seeder].torrent.is_complete());
}

#[test]
fn the_swarm_completes_without_its_seeder_once_every_piece_is_out() {
    let mut net = net(20, 7);
    let seeder = net.seeder();
    leeches(&mut net, 8);
    net.introduce_all(8);
    let all_out = |net: &Net| {
        let out: BTreeSet<_> =
            net.nodes[1..].iter().flat_map(|node| node.torrent.have().iter()).collect();
        out.len() == net.lengths.pieces() as usize
    };
    net.run_until(seconds(60), all_out);
    net.kill(seeder);
    net.run_until_done(seconds(60));
}

#[test]
fn a_corrupting_seeder_is_banned_and_the_download_completes() {
    let mut net = net(10, 8);
    let corrupt = net.seeder();
    net.nodes[corrupt].manner = Manner::Corrupt;
    let honest = [net.seeder(), net.seeder()];
    let leech = net.leech();
    net.introduce(leech, &[corrupt, honest[0], honest[1]]);
    net.run_until_done(seconds(60));
    let stats = net.nodes[leech].torrent.stats(net.now);
    assert_eq!(stats.banned, 1, "{}", net.state());
    let banned = net.nodes[leech].disconnects.iter().find(|(_, why)| is_bad_piece(why)).unwrap();
    assert_eq!(banned.0, net.nodes[corrupt].addr);
}

fn is_bad_piece(why: &DisconnectReason) -> bool {
    matches!(why, DisconnectReason::BadPiece(_))
}

#[test]
fn corrupting_peers_in_a_swarm_are_banned_by_all_and_no_honest_one_is() {
    for seed in 0..5 {
        let mut net = net(10, seed);
        net.seeder();
        let all = leeches(&mut net, 10);
        for corrupt in &all[..2] {
            net.nodes[*corrupt].manner = Manner::Corrupt;
        }
        net.introduce_all(10);
        net.run_until_done(seconds(120));
        let corrupt: BTreeSet<_> = all[..2].iter().map(|node| net.nodes[*node].addr).collect();
        let ended = net.nodes.iter().flat_map(|node| &node.disconnects);
        let banned: BTreeSet<_> =
            ended.filter(|(_, why)| is_bad_piece(why)).map(|(addr, _)| *addr).collect();
        assert!(!banned.is_empty() && banned.is_subset(&corrupt), "{banned:?}");
    }
}

#[test]
fn hardly_a_block_is_sent_twice_when_sources_differ() {
    let mut net = net(20, 9);
    for part in [1, 2, 5, 20] {
        let seeder = net.seeder();
        net.nodes[seeder].up = MBIT_50 / part;
    }
    let leech = net.leech();
    net.introduce(leech, &[0, 1, 2, 3]);
    net.run_until_done(seconds(60));
    let totals = net.nodes[leech].torrent.totals();
    assert!(totals.wasted * 100 < net.lengths.total() * 3, "{}", totals.wasted);
    assert!(last_ratio(&net) < 1.5, "{}", last_ratio(&net));
}

#[test]
fn peers_without_any_extension_take_part() {
    let mut net = net(10, 10);
    let plain = Reserved::default();
    net.node(PieceSet::full(&net.lengths), plain);
    let foreign = net.node(PieceSet::empty(&net.lengths), plain);
    leeches(&mut net, 4);
    net.introduce_all(8);
    net.run_until_done(seconds(60));
    assert!(net.nodes[foreign].requests.iter().all(|(_, _, len)| *len <= 16 * 1024));
}

#[test]
fn agents_ask_each_other_for_long_blocks() {
    let mut net = net(10, 10);
    let seeder = net.seeder();
    let leech = net.leech();
    net.introduce(leech, &[seeder]);
    net.run_until_done(seconds(60));
    let long = net.nodes[leech].requests.iter().filter(|(_, _, len)| *len == 32 * 1024).count();
    assert!(long * 2 > net.nodes[leech].requests.len(), "{long}");
}

#[test]
fn a_resumed_peer_asks_only_for_what_it_lacks() {
    let mut net = net(10, 11);
    net.seeder();
    let mut have = PieceSet::empty(&net.lengths);
    net.lengths.iter().filter(|piece| piece.get() % 3 != 0).for_each(|piece| {
        have.insert(piece);
    });
    let resumed = net.node(have.clone(), Reserved::OURS);
    net.introduce_all(1);
    net.run_until_done(seconds(60));
    let node = &net.nodes[resumed];
    assert!(node.requests.iter().all(|(index, _, _)| index % 3 == 0));
    let totals = node.torrent.totals();
    assert_eq!((totals.wasted, totals.verified), (0, net.lengths.total()));
}

#[test]
fn a_late_peer_finds_a_place_and_is_quick() {
    let mut net = net(10, 12);
    net.seeder();
    leeches(&mut net, 30);
    net.introduce_all(30);
    net.run_for(seconds(2));
    let late = net.leech();
    let came = net.now;
    net.introduce(late, &(0..20).collect::<Vec<_>>());
    net.run_until_done(seconds(60));
    let took = net.nodes[late].completed.unwrap() - came;
    assert!(took < seconds(6), "{took:?}");
}

#[test]
fn two_seeds_part_and_do_not_come_back() {
    let mut net = net(10, 13);
    let seeder = net.seeder();
    let leech = net.leech();
    net.introduce_all(1);
    net.run_until_done(seconds(60));
    net.run_for(seconds(30));
    for node in [seeder, leech] {
        assert_eq!(net.nodes[node].torrent.stats(net.now).connections, 0);
    }
    let ended = net.nodes.iter().flat_map(|node| &node.disconnects);
    let partings = ended.filter(|(_, why)| *why == DisconnectReason::BothSeeds);
    assert!((1..=2).contains(&partings.count()));
}

#[test]
fn peers_that_dial_each_other_at_once_keep_one_connection() {
    let mut net = net(40, 14);
    net.seeder();
    net.leech();
    net.leech();
    net.introduce(0, &[1, 2]);
    net.introduce(1, &[0, 2]);
    net.introduce(2, &[0, 1]);
    net.run_for(seconds(1));
    for node in &net.nodes {
        assert_eq!(node.torrent.stats(net.now).connections, 2, "{}", net.state());
    }
}

#[test]
fn connections_that_break_at_random_never_keep_anybody_from_completing() {
    for seed in 0..12 {
        let mut net = net(6, seed);
        net.seeder();
        leeches(&mut net, 6);
        if seed % 3 == 0 {
            net.node(PieceSet::empty(&net.lengths), Reserved::default());
        }
        net.introduce_all(4);
        for _ in 0..100 {
            let span = net.chance.u64(1..100);
            net.run_for(Duration::from_millis(span));
            net.cut_any();
        }
        net.run_until_done(seconds(120));
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut net = net(6, seed);
        net.seeder();
        leeches(&mut net, 6);
        net.introduce_all(4);
        net.run_until_done(seconds(60));
        (net.now, net.messages)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
