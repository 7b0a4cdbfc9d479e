//! Torrents that talk to each other over virtual links.

mod net;

use std::time::Duration;

use murder_swarm::Lengths;
use net::{MBIT_50, Net};

const MIB: u64 = 1 << 20;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How many times as long the last peer took as one link needs for everything.
fn last_ratio(net: &Net) -> f64 {
    let last = net.nodes.iter().filter_map(|node| node.completed).max().unwrap();
    last.as_micros() as f64 / 1e6 / (net.lengths.total() as f64 / MBIT_50 as f64)
}

#[test]
fn one_peer_gets_everything_from_one_seeder() {
    let mut net = Net::new(Lengths::new(20 * MIB + 12_345, 256 * 1024).unwrap(), 1);
    let seeder = net.seeder();
    let leech = net.leech();
    net.introduce(leech, &[seeder]);
    net.run_until_done(seconds(60));
    let stats = net.nodes[leech].torrent.stats(net.now);
    assert_eq!(stats.wasted, 0);
    assert_eq!(stats.downloaded, net.lengths.total());
    assert!(last_ratio(&net) < 1.1, "{} {}", last_ratio(&net), net.state());
}

#[test]
fn sixteen_peers_get_everything_from_one_seeder() {
    let mut net = Net::new(Lengths::new(48 * MIB, 256 * 1024).unwrap(), 1);
    let seeder = net.seeder();
    (0..16).for_each(|_| drop(net.leech()));
    net.introduce_all(16);
    net.run_until_done(seconds(60));
    let copies =
        net.nodes[seeder].torrent.stats(net.now).uploaded as f64 / net.lengths.total() as f64;
    println!("ratio {} copies {copies} messages {}", last_ratio(&net), net.messages);
    let mut times: Vec<_> =
        net.nodes.iter().filter_map(|n| n.completed).map(|t| t.as_micros() / 1000).collect();
    times.sort();
    println!("{times:?}");
    println!("{}", net.state());
    assert!(last_ratio(&net) < 1.3);
}
