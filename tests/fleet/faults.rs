//! What happens when something breaks in mid-run. The seeder's uplink is slow in these, so that
//! there is a middle.

use std::fs;

use crate::net::{Fleet, Host, Link};
use crate::{fleet_of, tree};

pub(crate) const FETCH: &str = "peer tag=v1 destination_path=/srv/app";

#[test]
fn a_host_without_a_link_is_unreachable_and_the_others_get_their_files() {
    let Some(fleet) = fleet_of(4) else { return };
    seeded(&fleet, 1);
    fleet.host(3).set_link(Link::Down);

    let ended = fleet.run(&format!("--json {FETCH}")).code(3);

    let outcomes = ended.outcomes();
    assert_eq!(outcomes["h3"], "unreachable");
    assert_eq!(outcomes.values().filter(|outcome| *outcome == "ok").count(), 3);
    ended.says("h3");
    in_place(&fleet, &[1, 2, 4]);
    assert!(!fleet.host(3).path("/srv/app").exists());

    fleet.host(3).set_link(Link::Up);
    fleet.run(&format!("--max-fail-percentage 30 --limit h3 {FETCH}")).code(0);
    in_place(&fleet, &[3]);
}

#[test]
fn a_peer_that_is_killed_loses_nobody_elses_work_and_resumes_with_what_it_had() {
    let Some(fleet) = fleet_of(4) else { return };
    seeded(&fleet, 24);
    let mut run = fleet.follow(FETCH);
    run.until_share(0.4);
    kill_role(fleet.host(3), "role-peer");

    let ended = run.end().code(3);
    assert_eq!(ended.outcomes()["h3"], "failed");
    in_place(&fleet, &[1, 2, 4]);

    let mut resumed = fleet.follow(&format!("--limit h3 {FETCH}"));
    resumed.until(|event| {
        // The first bytes it reports are those from before the kill.
        event["event"] == "progress" && event["bytes"].as_u64() > Some(4 << 20)
    });
    resumed.end().code(0);
    in_place(&fleet, &[3]);
}

#[test]
fn the_seeder_is_not_needed_once_another_host_has_every_piece() {
    let Some(fleet) = fleet_of(4) else { return };
    seeded(&fleet, 16);
    // h4 gets there first; the others still have to fetch.
    fleet.ok(&format!("--limit h4 {FETCH}"));
    fleet.host(4).limit_uplink(40);
    let mut run = fleet.follow(&format!("--limit h2,h3,h4 {FETCH} unsafe_please_delete=1"));
    run.until_share(0.5);
    kill_role(fleet.host(1), "role-seeder");

    run.end().code(0);
    in_place(&fleet, &[2, 3, 4]);
}

#[test]
fn a_tracker_that_is_killed_and_started_again_takes_up_the_run_where_it_was() {
    let Some(fleet) = fleet_of(4) else { return };
    seeded(&fleet, 24);
    let mut run = fleet.follow(FETCH);
    run.until_share(0.3);
    kill_role(fleet.host(1), "role-tracker");
    fleet.ok("start_tracker");

    let ended = run.end().code(0);
    assert_eq!(ended.outcomes().len(), 4);
    in_place(&fleet, &[1, 2, 3, 4]);
}

#[test]
fn a_run_that_is_interrupted_goes_on_without_the_laptop_and_can_be_attached_to() {
    let Some(fleet) = fleet_of(4) else { return };
    seeded(&fleet, 24);
    let mut run = fleet.follow(FETCH);
    run.until_share(0.3);
    run.interrupt();
    run.end().code(130).says("murder attach");

    let ended = fleet.run("--json attach").code(0);
    assert_eq!(ended.outcomes().len(), 4);
    in_place(&fleet, &[1, 2, 3, 4]);
}

#[test]
fn two_interrupts_do_what_one_does_and_leave_nothing_on_the_laptop() {
    let Some(fleet) = fleet_of(3) else { return };
    seeded(&fleet, 24);
    let mut run = fleet.follow(FETCH);
    run.until_share(0.3);
    run.interrupt_twice();

    run.end().code(130).says("murder attach");

    assert_eq!(fleet.laptop().sh("ls -d /tmp/murder-* 2>/dev/null || true"), "");
    fleet.ok("attach");
    in_place(&fleet, &[1, 2, 3]);
}

#[test]
fn an_interrupted_distribute_says_what_it_has_started_and_how_to_stop_it() {
    let Some(fleet) = fleet_of(2) else { return };
    fleet.write_inventory();
    fleet.host(1).sh("mkdir files && head -c 16M /dev/urandom >files/large");
    fleet.host(1).limit_uplink(40);
    let mut run = fleet.follow("distribute tag=v1 files_path=~/files destination_path=/srv/app");
    run.until_share(0.1);
    run.interrupt();

    run.end()
        .code(130)
        .says("the seeder that this started goes on; stop it with murder stop_seeding tag=v1")
        .says("the tracker that this started goes on; stop it with murder stop_tracker");

    fleet.ok("attach");
    fleet.ok("stop_seeding tag=v1").says("v1");
    fleet.ok("stop_tracker").says("stopped");
}

#[test]
fn a_full_a_read_only_and_a_noexec_disk_fail_their_own_host_with_a_clear_error() {
    let Some(fleet) = fleet_of(4) else { return };
    fleet.host(4).sh("mkdir /root/.murder && mount -t tmpfs -o noexec tmpfs /root/.murder");
    fleet.write_inventory();
    let ended = fleet.run("--json distribute_files").code(3);
    assert_eq!(ended.outcomes()["h4"], "failed");
    ended.says("noexec");
    fleet.host(4).sh("umount /root/.murder");

    seeded(&fleet, 24);
    fleet.host(2).sh("mkdir /srv/app && mount -t tmpfs -o size=4m tmpfs /srv/app");
    fleet.host(3).sh("mkdir /srv/app && mount -t tmpfs -o ro tmpfs /srv/app");
    let ended = fleet.run(&format!("--json {FETCH}")).code(3);
    let outcomes = ended.outcomes();
    assert_eq!((&*outcomes["h2"], &*outcomes["h3"]), ("failed", "failed"));
    ended.says("/srv/app has 4.0 MiB free, and 24.0 MiB are needed").says("Read-only file system");
    in_place(&fleet, &[1, 4]);
    for host in [2, 3] {
        let left = fs::read_dir(fleet.host(host).path("/srv/app")).unwrap().count();
        assert_eq!(left, 0, "h{host} has something half done");
    }
}

/// A tracker and a seeder of `v1`, which has a nasty tree and so many MiB of noise, behind an
/// uplink that takes a second for 5 MiB.
pub(crate) fn seeded(fleet: &Fleet, mib: usize) {
    fleet.write_inventory();
    let files = fleet.host(1).path("/root/files");
    fs::create_dir(&files).unwrap();
    tree::make(&files);
    fs::write(files.join("large"), tree::noise(mib << 20, 3)).unwrap();
    fleet.ok("distribute_files");
    fleet.ok("start_tracker");
    fleet.ok("create_torrent tag=v1 files_path=~/files");
    fleet.ok("start_seeding tag=v1");
    fleet.host(1).limit_uplink(40);
}

#[track_caller]
pub(crate) fn in_place(fleet: &Fleet, hosts: &[usize]) {
    for host in hosts {
        let copy = fleet.host(*host).path("/srv/app/v1");
        tree::assert_same(&fleet.host(1).path("/root/files"), &copy);
    }
}

pub(crate) fn kill_role(host: &Host, role: &str) {
    signal_role(host, role, "KILL");
}

/// Sends a signal to the one process of a role.
pub(crate) fn signal_role(host: &Host, role: &str, signal: &str) {
    let processes = host.processes(role);
    assert_eq!(processes.len(), 1, "{processes:?}");
    host.sh(&format!("kill -{signal} {}", processes[0].0));
}
