//! A fleet that waits, and what it is spared.

use crate::faults::{FETCH, in_place, kill_role, seeded};
use crate::fleet_of;
use crate::net::{Fleet, Host};

const ALL: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn a_warm_fleet_needs_ssh_to_the_trackers_host_alone() {
    let Some(fleet) = fleet_of(8) else { return };
    seeded(&fleet, 1);
    fleet.ok("warm").says("8 ok");
    for host in fleet.hosts() {
        assert_eq!(host.processes("role-warm").len(), 1, "{}", host.name());
    }
    for host in &fleet.hosts()[1..] {
        host.sh("mv /root/.ssh/authorized_keys /root/.ssh/hidden");
    }

    fleet.ok(FETCH).says("8 ok");

    in_place(&fleet, &ALL);
    let refused = fleet.run(&format!("--json {FETCH}")).code(3);
    assert!(refused.outcomes().values().all(|outcome| outcome == "failed"));
    refused.says("unsafe_please_delete=1");
    assert_eq!(fleet.run("--json status").code(3).outcomes()["h2"], "unreachable");

    for host in &fleet.hosts()[1..] {
        host.sh("mv /root/.ssh/hidden /root/.ssh/authorized_keys");
    }
    fleet.ok("cool").says("8 ok");
    no_agent_waits(&fleet);
}

#[test]
fn hosts_where_nobody_waits_any_more_are_reached_by_ssh_in_the_same_run() {
    let Some(fleet) = fleet_of(4) else { return };
    seeded(&fleet, 1);
    fleet.ok("warm");
    kill_role(fleet.host(2), "role-warm");
    let frozen = fleet.host(3).processes("role-warm")[0].0;
    fleet.host(3).sh(&format!("kill -STOP {frozen}"));

    let ended = fleet.run(&format!("--json {FETCH}")).code(0);

    assert_eq!(ended.outcomes().len(), 4);
    in_place(&fleet, &[1, 2, 3, 4]);
    // What it finds when it wakes up is done already.
    fleet.host(3).sh(&format!("kill -CONT {frozen}"));
    fleet.ok("status").says("done");
}

#[test]
fn a_fleet_cools_down_by_itself_when_its_time_is_over() {
    let Some(fleet) = fleet_of(2) else { return };
    seeded(&fleet, 1);
    fleet.ok("warm for=1s");
    no_agent_waits(&fleet);
    fleet.ok(FETCH);
    in_place(&fleet, &[1, 2]);
}

/// Waits until it is so.
fn no_agent_waits(fleet: &Fleet) {
    let waits = |host: &Host| !host.processes("role-warm").is_empty();
    while fleet.hosts().iter().any(waits) {
        std::thread::yield_now();
    }
}
