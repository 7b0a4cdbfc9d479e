//! Worlds that are not all of equal links, and what they cost the hosts that nothing is wrong with:
//! of those all but one in twenty are done within a fifth above the least possible time.

use std::time::Duration;

use murder_sim::{Access, HostId, Rack, Report, Scenario, Trouble};

use crate::{equal, pieces};

/// The seeder sends no piece earlier than its link lets it, and a peer receives none faster than
/// its own link does, so [`Scenario::bound`] of equal links holds for the hosts that are left: a
/// slow peer takes less than it would give, and the seeder makes up for what it does not give.
#[test]
fn slow_hosts_cost_the_others_little() {
    let mut scenario = equal(1, 60, pieces(512));
    let slow = scenario.access.up / 10;
    let slow = Access { up: slow, down: slow, ..scenario.access };
    scenario.apart = (1..=3).map(|n| (HostId(n), slow)).collect();
    holds(&scenario, |host| host.0 > 3);
}

/// Who comes late needs S/B from its own beginning, however many have everything by then.
#[test]
fn hosts_that_start_over_half_a_minute_each_take_little_more_than_their_link_needs() {
    let mut scenario = equal(1, 60, pieces(512));
    scenario.join_within = Duration::from_secs(30);
    holds(&scenario, |_| true);
}

/// The dead take and give nothing, so the bound is that of the others.
#[test]
fn hosts_that_die_cost_the_others_little() {
    let scenario = equal(1, 100, pieces(512))
        .fault(3000, Trouble::Kill(HostId(1)))
        .fault(9000, Trouble::Vanish(HostId(2)));
    holds(&scenario, |host| host.0 > 2);
}

/// Each piece leaves the seeder once, at half the rate: 2 S/B, and the last piece's way.
#[test]
fn a_seeder_of_half_the_rate_takes_twice_the_time() {
    let mut scenario = equal(1, 60, pieces(512));
    scenario.seeder.up /= 2;
    holds(&scenario, |_| true);
}

/// A quarter of the hosts are in a rack whose link has a quarter of what theirs have together. Those
/// outside need nothing that is inside, so the bound of equal links holds for them. It holds for
/// those inside too: one copy has to go in, which takes the link of R hosts S/(R/4)B, less than the
/// seeder needs when they are more than four, and can be passed on within the rack.
///
/// Hosts outside have to serve others beside those inside, who receive slowly. Nobody knows who is
/// near: as many copies go in as the link lets in.
#[test]
fn a_rack_behind_a_quarter_of_its_sum_costs_the_others_little() {
    const INSIDE: u32 = 16;
    for seed in 1..=5 {
        let mut scenario = equal(seed, 60, pieces(512));
        let quarter = scenario.access.up * u64::from(INSIDE) / 4;
        let hosts = (1..=INSIDE).map(HostId).collect();
        scenario.racks = vec![Rack { hosts, up: quarter, down: quarter }];
        let report = holds(&scenario, |host| host.0 > INSIDE);
        let inside = report.p95(|host| host.0 <= INSIDE).as_secs_f64() / report.bound.as_secs_f64();
        let copies = report.into_racks[0];
        println!("inside {inside:.3} x bound, {copies:.2} copies into the rack");
        assert!(inside < 1.4, "{inside:.3}: {report}");
    }
}

fn holds(scenario: &Scenario, unaffected: impl Fn(HostId) -> bool) -> Report {
    let report = scenario.run().unwrap_or_else(|breach| panic!("{breach}"));
    let ratio = report.p95(unaffected).as_secs_f64() / report.bound.as_secs_f64();
    println!("p95 of the unaffected {ratio:.3} x bound; {report}");
    assert!(ratio < 1.2, "{ratio:.3}: {report}");
    report
}
