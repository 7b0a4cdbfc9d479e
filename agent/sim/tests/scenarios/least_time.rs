//! Equal links, everybody beginning within a tenth of a second: how close the last peer comes to the
//! least possible time, in the worst of five seeds.

use murder_sim::Report;
use murder_swarm::Lengths;

use crate::{PIECE, all_complete, equal, equal_at};

/// So many peers take at most so many times the least possible time. This is what holds, with a
/// little to spare, and to be lowered with every better policy; 1.05 is aimed at.
const LIMITS: [(u32, f64); 5] =
    [(16, 1.035), (64, 1.06), (100, 1.065), (1000, 1.11), (10_000, 1.15)];
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
const PIECES: u64 = 512;
/// What pieces have where there is less to send.
const SHORT: u64 = 64 * 1024;

#[test]
fn sixteen_peers_come_close_to_the_least_possible_time() {
    the_worst_stays_below(LIMITS[0], &SEEDS);
}

#[test]
fn sixty_four_peers_come_close_to_the_least_possible_time() {
    the_worst_stays_below(LIMITS[1], &SEEDS);
}

#[test]
fn a_hundred_peers_come_close_to_the_least_possible_time() {
    the_worst_stays_below(LIMITS[2], &SEEDS);
}

#[test]
#[ignore = "takes two minutes of a core: cargo test --release -p murder-sim -- --ignored a_thousand"]
fn a_thousand_peers_come_close_to_the_least_possible_time() {
    the_worst_stays_below(LIMITS[3], &SEEDS);
}

#[test]
#[ignore = "takes three quarters of an hour of a core: cargo test --release -p murder-sim -- --ignored ten_thousand"]
fn ten_thousand_peers_come_close_to_the_least_possible_time() {
    the_worst_stays_below(LIMITS[4], &SEEDS);
}

/// On slow links a block takes longer than what peers are judged by on fast ones: 64 peers took up to
/// 1.9 of the bound with links of 4 Mbit/s, because everybody seemed slow and was given company. With
/// longer pieces turns were over after the first one, and they took 1.14 and, at half that rate, 1.47.
#[test]
fn slow_links_take_their_own_time_and_no_more() {
    let (short, long) = (SHORT, 2 * SHORT);
    for (kbit, piece, limit) in
        [(4000, short, 1.098), (8000, short, 1.08), (4000, long, 1.08), (2000, long, 1.15)]
    {
        let lengths = Lengths::new(512 * piece, piece as u32).unwrap();
        let ratio = |seed| all_complete(&equal_at(kbit, seed, 64, lengths)).ratio();
        let mean = (1..=3).map(ratio).sum::<f64>() / 3.0;
        println!("64 peers, pieces of {piece} bytes, links of {kbit} kbit/s: {mean:.4} x bound");
        assert!(mean <= limit, "{piece} bytes, {kbit} kbit/s: {mean:.4} of the least time");
    }
}

fn the_worst_stays_below((peers, limit): (u32, f64), seeds: &[u64]) {
    let ratios = seeds.iter().map(|seed| ratio(&run(*seed, peers), peers));
    let worst = ratios.fold(0.0, f64::max);
    println!("{peers} peers, worst of {} seeds: {worst:.4} x bound", seeds.len());
    assert!(worst <= limit, "{peers} peers took {worst:.4} of the least possible time");
}

fn run(seed: u64, peers: u32) -> Report {
    let lengths = Lengths::new(PIECES * PIECE, PIECE as u32).unwrap();
    let report = all_complete(&equal(seed, peers, lengths));
    assert!(report.seeder_copies < 1.15, "{report}");
    assert!(report.received() <= 1.03, "{report}");
    report
}

/// The last peer's time over the bound of Mundinger, Weber and Weiss for equal links of rate B: the
/// seeder needs S/B to send each of M pieces once, and the last of them, which takes S/BM to be sent
/// once more, has to double floor(log2 N) times until all N have it.
fn ratio(report: &Report, peers: u32) -> f64 {
    let rate = 6_250_000.0;
    let once = (PIECES * PIECE) as f64 / rate;
    let bound = once * (1.0 + f64::from(peers.ilog2()) / PIECES as f64);
    report.makespan().as_secs_f64() / bound
}
