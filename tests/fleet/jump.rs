//! A fleet behind a bastion: the laptop reaches the other hosts through it alone.

use std::fs;

use crate::faults::in_place;
use crate::fleet_of;
use crate::net::{Fleet, Link};
use crate::session::small_tree_on_the_seeder;

#[test]
fn hosts_behind_a_bastion_are_reached_by_proxy_jump() {
    let Some(fleet) = fleet_of(4) else { return };
    behind_the_first(&fleet);

    fleet.ok("distribute tag=v1 files_path=~/files destination_path=/srv/app");

    in_place(&fleet, &[1, 2, 3, 4]);
}

#[test]
fn what_a_bastion_says_of_a_host_behind_it_is_that_hosts_error() {
    let Some(fleet) = fleet_of(3) else { return };
    behind_the_first(&fleet);
    fleet.host(3).set_link(Link::Down);

    let ended = fleet.run("--json distribute_files").code(3);

    let outcomes = ended.outcomes();
    assert_eq!((&*outcomes["h1"], &*outcomes["h2"]), ("ok", "ok"));
    assert_eq!(outcomes["h3"], "unreachable");
    ended.says("no way to the host: connect failed: No route to host");
}

#[test]
fn a_bastion_that_is_down_makes_every_host_behind_it_unreachable() {
    let Some(fleet) = fleet_of(3) else { return };
    behind_the_first(&fleet);
    fleet.laptop().sh("ip route add unreachable 10.77.0.2");

    let ended = fleet.run("--json distribute_files").code(3);

    assert!(ended.outcomes().values().all(|outcome| outcome == "unreachable"));
    ended.says("no way to the host: connect to host h1 port 22");
}

/// Everyone but `h1` can be reached from the laptop through `h1` only.
fn behind_the_first(fleet: &Fleet) {
    small_tree_on_the_seeder(fleet);
    for host in &fleet.hosts()[1..] {
        fleet.laptop().sh(&format!("ip route add unreachable {}", host.address()));
    }
    let reached = fleet.laptop().try_sh("ssh h2 true").status;
    assert!(!reached.success(), "h2 can be reached without the bastion");
    let config = fleet.laptop().path("/root/.ssh/config");
    let before = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("Host h* !h1\n  ProxyJump h1\n{before}")).unwrap();
}
