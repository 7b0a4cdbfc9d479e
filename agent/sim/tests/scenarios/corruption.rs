//! Somebody sends wrong bytes.

use murder_sim::{HostId, Scenario};

use crate::{all_complete, pieces};

#[test]
fn a_peer_that_spoils_every_block_is_banned_and_nobody_else_is() {
    for seed in 0..5 {
        let mut scenario = Scenario::new(seed, 30, pieces(60));
        scenario.corrupting = vec![(HostId(3), 1000)];
        let report = all_complete(&scenario);
        assert!(report.bans > 0, "seed {seed}: {report}");
    }
}

#[test]
fn peers_that_spoil_some_blocks_stop_nobody() {
    for seed in 0..5 {
        let mut scenario = Scenario::new(seed, 30, pieces(60));
        scenario.corrupting = vec![(HostId(3), 100), (HostId(4), 10), (HostId(5), 500)];
        all_complete(&scenario);
    }
}
