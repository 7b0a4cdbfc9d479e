//! Swarms, links and faults by chance.

use std::time::Duration;

use murder_sim::{Access, HostId, Scenario, Trouble};
use murder_swarm::{Lengths, Time};

#[test]
fn whatever_happens_those_who_can_complete_do_and_nothing_forbidden_happens() {
    for seed in 0..60 {
        let scenario = anything(seed);
        let report = scenario.run().unwrap_or_else(|breach| panic!("{breach}"));
        let stuck: Vec<_> =
            report.incomplete().into_iter().filter(|host| is_safe(&scenario, *host)).collect();
        assert_eq!(stuck, [], "seed {seed}: {report}");
    }
}

/// Nothing happens to it that it does not come back from.
fn is_safe(scenario: &Scenario, host: HostId) -> bool {
    let last = scenario.faults.iter().rev().map(|fault| fault.what).find(|what| {
        [Trouble::Kill(host), Trouble::Vanish(host), Trouble::Restart(host)].contains(what)
    });
    matches!(last, None | Some(Trouble::Restart(_)))
}

fn anything(seed: u64) -> Scenario {
    let mut chance = fastrand::Rng::with_seed(seed);
    let piece = [16_384, 50_000, 262_144, 1 << 20][chance.usize(..4)];
    let total = chance.u64(1..u64::from(piece) * 60);
    let peers = chance.u32(1..40);
    let mut scenario = Scenario::new(seed, peers, Lengths::new(total, piece).unwrap());
    scenario.access = access(&mut chance);
    scenario.seeder = access(&mut chance);
    scenario.join_within = Duration::from_millis(chance.u64(0..5000));
    for _ in 0..chance.u32(0..8) {
        let host = HostId(chance.u32(1..=peers));
        let at = chance.u64(0..10_000);
        scenario = match chance.u8(..6) {
            0 => scenario.fault(at, Trouble::Kill(host)),
            1 => scenario.fault(at, Trouble::Vanish(host)),
            2 => scenario.fault(at, Trouble::Restart(host)),
            3 => scenario.fault(at, Trouble::TrackerDown),
            4 => late(scenario, host, at),
            _ => spoil(scenario, host, chance.u32(1..=1000)),
        };
    }
    // Faults of one host happen in order, and a tracker comes back.
    scenario = scenario.fault(12_000, Trouble::TrackerUp);
    scenario.faults.sort_by_key(|fault| fault.at);
    scenario
}

fn late(mut scenario: Scenario, host: HostId, at: u64) -> Scenario {
    scenario.late.push((host, Time::ZERO + Duration::from_millis(at)));
    scenario
}

fn spoil(mut scenario: Scenario, host: HostId, chance: u32) -> Scenario {
    scenario.corrupting.push((host, chance));
    scenario
}

fn access(chance: &mut fastrand::Rng) -> Access {
    Access {
        up: chance.u64(500_000..125_000_000),
        down: chance.u64(500_000..125_000_000),
        delay: Duration::from_micros(chance.u64(20..50_000)),
    }
}
