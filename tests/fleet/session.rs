//! The seven lines at the top of the README, and the tasks around them.

use std::fs;

use crate::net::{Fleet, Link};
use crate::{fleet_of, tree};

#[test]
fn the_laptop_reaches_each_host_by_ssh_and_a_host_without_a_link_by_none() {
    let Some(fleet) = fleet_of(2) else { return };
    for host in fleet.hosts() {
        let said = fleet.laptop().sh(&format!("ssh {} hostname", host.name()));
        assert!(said.ends_with(&format!("{}\n", host.name())), "{said}");
    }
    fleet.host(2).set_link(Link::Down);
    let output = fleet.laptop().try_sh("ssh -o ConnectTimeout=1 h2 true");
    assert_eq!(output.status.code(), Some(255));
}

#[test]
fn seven_commands_bring_a_directory_to_eight_hosts_byte_for_byte() {
    let Some(fleet) = fleet_of(8) else { return };
    fleet.write_inventory();
    let files = fleet.host(1).path("/root/files");
    fs::create_dir(&files).unwrap();
    tree::make(&files);
    fs::write(files.join("large"), tree::noise(300 << 20, 1)).unwrap();

    fleet.ok("distribute_files");
    fleet.ok("start_tracker");
    fleet.ok("create_torrent tag=Deploy20100101 files_path=~/files");
    fleet.ok("start_seeding tag=Deploy20100101");
    fleet.ok("peer tag=Deploy20100101 destination_path=/tmp/out").says("8 ok");
    fleet.ok("stop_seeding tag=Deploy20100101");
    fleet.ok("stop_tracker");

    for host in fleet.hosts() {
        tree::assert_same(&files, &host.path("/tmp/out/Deploy20100101"));
    }
}

#[test]
fn each_task_can_be_repeated_and_uninstall_leaves_nothing() {
    let Some(fleet) = fleet_of(3) else { return };
    small_tree_on_the_seeder(&fleet);

    fleet.run("start_tracker").code(3).says("murder distribute_files");
    fleet.ok("distribute_files");
    fleet.ok("distribute_files").says("already");
    fleet.ok("stop_tracker").says("nothing was running");
    fleet.ok("start_tracker");
    fleet.ok("start_tracker").says("already");
    fleet.run("start_seeding tag=v1").code(3).says("create_torrent");
    fleet.ok("create_torrent tag=v1 files_path=~/files");
    fleet.ok("download_torrent tag=v1");
    fleet.run("peer tag=v1 destination_path=/srv/app").code(3).says("start_seeding");
    fleet.ok("start_seeding tag=v1");
    fleet.ok("start_seeding tag=v1").says("already");
    fleet.ok("peer tag=v1 destination_path=/srv/app");
    let again = fleet.run("peer tag=v1 destination_path=/srv/app").code(3);
    again.says("unsafe_please_delete=1");
    fleet.ok("peer tag=v1 destination_path=/srv/app unsafe_please_delete=1");
    fleet.ok("status").says("seeder");
    fleet.ok("doctor");
    fleet.ok("logs tag=v1").says("h2");
    fleet.ok("stop_peering tag=v1");
    fleet.ok("stop_all_peering");
    fleet.ok("stop_all_seeding").says("v1");
    fleet.ok("stop_seeding tag=v1").says("nothing was running");
    fleet.ok("stop_tracker");
    fleet.ok("clean_temp_files tag=v1");
    fleet.ok("uninstall");
    for host in fleet.hosts() {
        assert!(!host.path("/root/.murder").exists(), "{} has files left", host.name());
        assert_eq!(host.processes("murder-agent"), [], "{} has processes left", host.name());
        tree::assert_same(&fleet.host(1).path("/root/files"), &host.path("/srv/app/v1"));
    }
}

#[test]
fn a_peer_on_the_seeders_host_leaves_the_serving_to_the_seeder() {
    let Some(fleet) = fleet_of(3) else { return };
    small_tree_on_the_seeder(&fleet);

    let ended = fleet.ok("--json distribute tag=v1 files_path=~/files destination_path=/srv/app");

    tree::assert_same(&fleet.host(1).path("/root/files"), &fleet.host(1).path("/srv/app/v1"));
    let log = fs::read_to_string(fleet.host(1).path("/root/.murder/log/peer-v1.log")).unwrap();
    assert!(log.contains("the seeder on this host serves it"), "{log}");
    let summary: serde_json::Value =
        serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert!(summary["seeder_copies"].as_f64() >= Some(1.0), "{summary}");
}

#[test]
fn distribute_does_the_whole_job_and_stops_what_it_started() {
    let Some(fleet) = fleet_of(3) else { return };
    small_tree_on_the_seeder(&fleet);

    fleet.ok("distribute tag=v1 files_path=~/files destination_path=/srv/app");

    for host in fleet.hosts() {
        tree::assert_same(&fleet.host(1).path("/root/files"), &host.path("/srv/app/v1"));
    }
    assert_eq!(fleet.host(1).processes("murder-agent"), []);
}

#[test]
fn one_file_goes_where_cp_would_put_it() {
    let Some(fleet) = fleet_of(2) else { return };
    small_tree_on_the_seeder(&fleet);
    fleet.hosts().iter().for_each(|host| drop(host.sh("mkdir -p /srv/dir")));
    let file = "path_is_file=1 files_path=~/files/secret";

    fleet.ok(&format!("distribute tag=f1 {file} destination_path=/srv/dir"));
    fleet.ok(&format!("distribute tag=f2 {file} destination_path=/srv/copy"));

    for host in fleet.hosts() {
        for path in ["/srv/dir/secret", "/srv/copy"] {
            assert_eq!(fs::read(host.path(path)).unwrap(), b"for the owner alone");
        }
    }
}

/// A small tree at `~/files` of the seeder, and the laptop's inventory.
pub(crate) fn small_tree_on_the_seeder(fleet: &Fleet) {
    fleet.write_inventory();
    let files = fleet.host(1).path("/root/files");
    fs::create_dir(&files).unwrap();
    tree::make(&files);
}
