//! Hosts die, vanish, come back and come late.

use std::time::Duration;

use murder_sim::{HostId, Scenario, Trouble};
use murder_swarm::Time;

use crate::{all_complete, pieces};

#[test]
fn those_who_stay_complete_while_others_die_vanish_and_come_back() {
    for seed in 0..5 {
        let mut scenario = Scenario::new(seed, 80, pieces(100));
        for n in 0..15_u32 {
            let at = 1000 + 300 * u64::from(n);
            scenario = match n % 3 {
                0 => scenario.fault(at, Trouble::Kill(HostId(1 + n))),
                1 => scenario.fault(at, Trouble::Vanish(HostId(1 + n))),
                _ => scenario
                    .fault(at, Trouble::Kill(HostId(1 + n)))
                    .fault(at + 2000, Trouble::Restart(HostId(1 + n))),
            };
        }
        let report = scenario.run().unwrap_or_else(|breach| panic!("{breach}"));
        let lost: Vec<_> = (0..15).filter(|n| n % 3 != 2).map(|n| HostId(1 + n)).collect();
        let incomplete = report.incomplete();
        assert!(incomplete.iter().all(|host| lost.contains(host)), "seed {seed}: {incomplete:?}");
        println!("{report}");
    }
}

#[test]
fn a_peer_that_begins_when_all_others_are_done_is_served_at_once() {
    let mut scenario = Scenario::new(3, 40, pieces(50));
    let late = Time::ZERO + Duration::from_secs(20);
    scenario.late = vec![(HostId(40), late)];
    let report = all_complete(&scenario);
    let took = report.peers[39].completed.unwrap() - late;
    assert!(took < scenario.bound() * 3 / 2, "{took:?}");
}

#[test]
fn the_others_complete_when_the_seeder_dies_after_one_more_full_copy_exists() {
    for seed in 0..5 {
        let mut scenario = Scenario::new(seed, 20, pieces(50));
        // Who begins early has a copy long before those who begin late.
        let late = |n| (HostId(n), Time::ZERO + Duration::from_secs(8));
        scenario.late = (11..=20).map(late).collect();
        all_complete(&scenario.fault(7000, Trouble::Kill(HostId::SEEDER)));
    }
}

#[test]
fn the_others_complete_when_the_seeder_vanishes_without_a_word() {
    for seed in 0..5 {
        let mut scenario = Scenario::new(seed, 20, pieces(50));
        let late = |n| (HostId(n), Time::ZERO + Duration::from_secs(8));
        scenario.late = (11..=20).map(late).collect();
        all_complete(&scenario.fault(7000, Trouble::Vanish(HostId::SEEDER)));
    }
}

#[test]
fn a_restarted_peer_goes_on_with_what_it_had() {
    let restart = Trouble::Restart(HostId(1));
    let report = all_complete(&Scenario::new(2, 1, pieces(100)).fault(2500, restart));
    assert!(report.seeder_copies < 1.2, "{report}");
}
