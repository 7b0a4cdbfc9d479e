//! The tracker is killed and started again, and has forgotten its swarm.

use std::time::Duration;

use murder_sim::{HostId, Scenario, Trouble};
use murder_swarm::Time;

use crate::{all_complete, pieces};

#[test]
fn those_who_met_before_go_on_and_those_who_come_meanwhile_get_in_afterwards() {
    for seed in 0..5 {
        let mut scenario = Scenario::new(seed, 60, pieces(100));
        let meanwhile = |n| (HostId(n), Time::ZERO + Duration::from_millis(2500));
        scenario.late = (51..=60).map(meanwhile).collect();
        let scenario = scenario.fault(2000, Trouble::TrackerDown).fault(6000, Trouble::TrackerUp);
        let report = all_complete(&scenario);
        let early = report.peers[..50].iter().filter_map(|peer| peer.completed).max().unwrap();
        let bound = scenario.bound() * 2;
        assert!(early - Time::ZERO < bound, "seed {seed}: {report}");
    }
}

#[test]
fn a_tracker_that_is_late_holds_everybody_up_and_nobody_off() {
    let scenario = Scenario::new(4, 30, pieces(20))
        .fault(0, Trouble::TrackerDown)
        .fault(30_000, Trouble::TrackerUp);
    let report = all_complete(&scenario);
    assert!(report.makespan() > Duration::from_secs(30), "{report}");
}
