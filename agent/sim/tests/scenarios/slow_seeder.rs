//! The seeder's uplink is a fraction of everybody else's.

use murder_sim::{Access, Scenario};

use crate::{all_complete, pieces};

#[test]
fn a_slow_seeder_sends_some_pieces_twice_but_not_half_of_them() {
    for seed in 0..5 {
        let mut scenario = Scenario::new(seed, 50, pieces(100));
        scenario.seeder = Access { up: scenario.access.up / 5, ..scenario.seeder };
        let report = all_complete(&scenario);
        assert!(report.seeder_copies < 1.45, "seed {seed}: {report}");
        assert!(report.ratio() < 1.4, "seed {seed}: {report}");
    }
}
