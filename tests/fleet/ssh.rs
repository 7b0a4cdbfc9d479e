//! What stands between the laptop and an agent: host keys, login shells, a host's missing tools,
//! and jobs that are stopped.

use std::fs;

use crate::faults::{FETCH, in_place, seeded};
use crate::fleet_of;
use crate::net::Host;
use crate::session::small_tree_on_the_seeder;

#[test]
fn an_unknown_host_key_is_refused_unless_new_hosts_are_accepted() {
    let Some(fleet) = fleet_of(2) else { return };
    fleet.write_inventory();
    let known = fleet.laptop().path("/root/.ssh/known_hosts");
    let all = fs::read_to_string(&known).unwrap();
    let first: String = all.lines().filter(|l| l.starts_with("h1,")).collect();
    fs::write(&known, format!("{first}\n")).unwrap();

    let ended = fleet.run("--json distribute_files").code(3);
    assert_eq!(ended.outcomes()["h2"], "unreachable");
    ended.says("--accept-new-hosts");

    fleet.ok("--accept-new-hosts distribute_files");
    // From now on the host is known.
    fleet.ok("distribute_files").says("already");
}

#[test]
fn a_changed_host_key_is_refused_whatever_is_accepted() {
    let Some(fleet) = fleet_of(2) else { return };
    fleet.write_inventory();
    let known = fleet.laptop().path("/root/.ssh/known_hosts");
    let all = fs::read_to_string(&known).unwrap();
    let key_of = |host: &str| {
        let line = all.lines().find(|line| line.starts_with(host)).unwrap();
        line.split_once(' ').unwrap().1.to_owned()
    };
    fs::write(&known, format!("h1 {}\nh2 {}\n", key_of("h1,"), key_of("h1,"))).unwrap();

    let ended = fleet.run("--json --accept-new-hosts distribute_files").code(3);
    assert_eq!(ended.outcomes()["h2"], "unreachable");
    ended.says("key");
}

#[test]
fn login_shells_of_other_families_and_missing_unpackers_make_no_difference() {
    let Some(fleet) = fleet_of(4) else { return };
    small_tree_on_the_seeder(&fleet);
    log_in_with(fleet.host(2), "/usr/bin/fish");
    log_in_with(fleet.host(3), "/usr/bin/tcsh");
    fleet.host(3).sh(&format!("{NOTHING} /usr/bin/xz"));
    fleet.host(4).sh(&format!("{NOTHING} /usr/bin/xz && mount --bind /run/nothing /usr/bin/gzip"));

    fleet.ok("distribute tag=v1 files_path=~/files destination_path=/srv/app");

    in_place(&fleet, &[1, 2, 3, 4]);
}

#[test]
fn a_peer_that_is_stopped_in_mid_run_says_so_and_keeps_what_it_had() {
    let Some(fleet) = fleet_of(3) else { return };
    seeded(&fleet, 16);
    let mut run = fleet.follow(FETCH);
    run.until_share(0.4);
    fleet.ok("--limit h2 stop_peering tag=v1").says("1 ok");

    let ended = run.end().code(3);
    assert_eq!(ended.outcomes()["h2"], "failed");
    ended.says("stopped");
    in_place(&fleet, &[1, 3]);
    assert!(!fleet.host(2).path("/srv/app/v1").exists());
    assert!(fleet.host(2).path("/root/.murder/spool/v1.tgz.partial").exists());
}

#[test]
fn a_host_whose_ssh_breaks_as_it_takes_the_job_ends_as_its_agent_tells_the_tracker() {
    let Some(fleet) = fleet_of(3) else { return };
    seeded(&fleet, 1);
    // The agent takes the job, and its answer never gets through.
    fleet.host(2).sh("cd .murder/bin && mv murder-agent real && printf '%s\\n' '#!/bin/sh' \
         'case $1 in peer-start) ~/.murder/bin/real $1 >/tmp/answer; kill -KILL $PPID;; esac' \
         'exec ~/.murder/bin/real \"$@\"' >murder-agent && chmod +x murder-agent");

    let ended = fleet.run(&format!("--json {FETCH}")).code(0);

    assert_eq!(ended.outcomes()["h2"], "ok");
    assert!(fleet.host(2).sh("cat /tmp/answer").contains("\"pid\""));
    in_place(&fleet, &[1, 2, 3]);
}

/// Gives root on a host another login shell.
fn log_in_with(host: &Host, shell: &str) {
    host.sh(&format!(
        "sed 's|^\\(root:.*:\\)[^:]*$|\\1{shell}|' /etc/passwd > /run/passwd && \
         grep -q '^root:.*:{shell}$' /run/passwd && mount --bind /run/passwd /etc/passwd && \
         test -x {shell}"
    ));
}

/// Puts an empty file in a program's place.
const NOTHING: &str = ": > /run/nothing && mount --bind /run/nothing";
