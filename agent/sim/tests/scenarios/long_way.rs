//! Hosts around the world: what is said comes late, and every answer waits for two ways.

use std::time::Duration;

use murder_swarm::Lengths;

use crate::{all_complete, equal_at};

/// Peers were given up to 0.3 s to ask for something when they were let in. Where the way there and
/// back takes longer, all came too late, and the swarm never ended.
#[test]
fn whoever_answers_late_is_served_all_the_same() {
    assert!(time_over_bound(Duration::from_millis(200), 10) <= 1.4);
}

/// So little was asked for ahead that a source sent two blocks and waited for the next requests: this
/// took 2.05 and 3.5 times as long as it had to.
#[test]
fn more_is_asked_for_ahead_where_the_way_is_long() {
    assert!(time_over_bound(Duration::from_millis(50), 50) <= 1.45);
    assert!(time_over_bound(Duration::from_millis(100), 50) <= 1.9);
}

/// The last one's time over the least possible one for 32 peers, 50 MiB, so long a way between any
/// two and links of so many Mbit/s.
fn time_over_bound(way: Duration, mbit: u64) -> f64 {
    let lengths = Lengths::new(400 * PIECE, PIECE as u32).unwrap();
    let mut scenario = equal_at(mbit * 1000, 1, 32, lengths);
    scenario.access.delay = way / 2;
    scenario.seeder = scenario.access;
    let ratio = all_complete(&scenario).ratio();
    println!("{way:?}, {mbit} Mbit/s: {ratio:.3} x bound");
    ratio
}

const PIECE: u64 = 128 * 1024;
