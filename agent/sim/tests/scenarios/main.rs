//! Swarms and what they come through. A run breaks off at the first thing that must never happen,
//! with the seed and the event that lead there again.

mod anything;
mod churn;
mod corruption;
mod flash_crowd;
mod least_time;
mod long_way;
mod slow_seeder;
mod tracker_restart;
mod unkind;

use std::time::Duration;

use murder_sim::{Report, Scenario};
use murder_swarm::Lengths;

/// So many pieces of 256 KiB, the last one shorter.
fn pieces(count: u64) -> Lengths {
    Lengths::new(count * PIECE - 1000, PIECE as u32).unwrap()
}

/// Equal links, and everybody begins within a tenth of a second.
fn equal(seed: u64, peers: u32, lengths: Lengths) -> Scenario {
    let mut scenario = Scenario::new(seed, peers, lengths);
    scenario.join_within = Duration::from_millis(100);
    scenario
}

/// The same with links of so many kbit/s.
fn equal_at(kbit: u64, seed: u64, peers: u32, lengths: Lengths) -> Scenario {
    let mut scenario = equal(seed, peers, lengths);
    scenario.access.up = kbit * 1000 / 8;
    scenario.access.down = scenario.access.up;
    scenario.seeder = scenario.access;
    scenario
}

/// The report of a scenario that everybody comes through.
fn all_complete(scenario: &Scenario) -> Report {
    let report = scenario.run().unwrap_or_else(|breach| panic!("{breach}"));
    assert_eq!(report.incomplete(), [], "{report}");
    println!("{report}");
    report
}

const PIECE: u64 = 256 * 1024;
