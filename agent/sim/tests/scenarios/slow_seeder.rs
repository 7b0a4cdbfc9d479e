//! The seeder's uplink is a fraction of everybody else's.

use murder_sim::{Access, Scenario};

use crate::{all_complete, pieces};

#[test]
fn a_slow_seeder_sends_few_pieces_twice() {
    for seed in 0..5 {
        let mut scenario = Scenario::new(seed, 50, pieces(100));
        scenario.seeder = Access { up: scenario.access.up / 5, ..scenario.seeder };
        let report = all_complete(&scenario);
        assert!(report.seeder_copies < 1.15, "seed {seed}: {report}");
        assert!(report.ratio() < 1.1, "seed {seed}: {report}");
    }
}
