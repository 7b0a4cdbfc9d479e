//! Everybody begins within a second, as in a deploy.

use murder_sim::Scenario;

use crate::{all_complete, equal, pieces};

#[test]
fn a_thousand_peers_complete_within_a_quarter_above_the_least_possible_time() {
    let report = all_complete(&Scenario::new(1, 1000, pieces(200)));
    assert!(report.ratio() < 1.25, "{report}");
    assert!(report.seeder_copies < 1.25, "{report}");
    assert!(report.received() < 1.03, "{report}");
}

#[test]
fn sixteen_peers_come_close_to_the_least_possible_time() {
    let report = all_complete(&equal(1, 16, pieces(192)));
    assert!(report.ratio() < 1.09, "{report}");
}

#[test]
fn one_peer_takes_the_time_of_its_link() {
    let report = all_complete(&Scenario::new(1, 1, pieces(100)));
    assert!(report.ratio() < 1.3, "{report}");
    assert!(report.seeder_copies < 1.01, "{report}");
}

#[test]
fn the_same_seed_takes_the_same_course_and_another_seed_another() {
    let trace = |seed| all_complete(&Scenario::new(seed, 60, pieces(50))).trace;
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

#[test]
fn a_torrent_of_one_piece_spreads() {
    for seed in 0..10 {
        all_complete(&Scenario::new(seed, 30, pieces(1)));
    }
}
