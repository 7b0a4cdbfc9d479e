//! The whole way with real agents on this machine, without SSH and without root: every host has
//! `connection: local`, an address of its own on the loopback and a folder of its own.

mod demo;
mod deploy;
mod site;
#[path = "../common/tree.rs"]
mod tree;

use site::{Ran, Site};

/// The session that the README begins with.
const SESSION: [&str; 7] = [
    "distribute_files",
    "start_tracker",
    "create_torrent tag=v1",
    "start_seeding tag=v1",
    "peer tag=v1",
    "stop_seeding tag=v1",
    "stop_tracker",
];

#[test]
fn the_seven_line_session_puts_the_tree_on_every_peer() {
    let site = Site::new(4);
    for line in SESSION {
        site.murder(line).expect(0);
    }
    for peer in site.peers() {
        site.assert_same_tree(peer, "v1");
    }
    let status = site.murder("status").expect(0);
    assert!(!status.stdout.contains("running, process"), "{}", status.stdout);
    site.murder("uninstall").expect(0);
    site.assert_nothing_is_left();
}

#[test]
fn a_second_session_finds_what_is_already_so() {
    let site = Site::new(2);
    for line in SESSION {
        site.murder(line).expect(0);
    }
    assert_eq!(site.json("distribute_files").outcomes(), ["skipped"; 4]);
    assert_eq!(site.json("start_tracker").outcomes(), ["ok"]);
    assert_eq!(site.json("start_tracker").outcomes(), ["skipped"]);
    assert_eq!(site.json("start_seeding tag=v1").outcomes(), ["ok"]);
    assert_eq!(site.json("start_seeding tag=v1").outcomes(), ["skipped"]);
    // The destination has a tree, and nobody said that it may go.
    let again = site.json("peer tag=v1").expect(3);
    assert_eq!(again.outcomes(), ["failed"; 2]);
    site.murder("peer tag=v1 unsafe_please_delete=1").expect(0);
    for peer in site.peers() {
        site.assert_same_tree(peer, "v1");
    }
}

#[test]
fn a_summary_has_all_that_the_seeder_sent_however_quick_the_run_was() {
    let site = Site::new(2);
    let ran = site.json("distribute tag=v1").expect(0);
    let summary: serde_json::Value =
        serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(summary["event"], "summary");
    assert!(summary["seeder_copies"].as_f64() >= Some(1.0), "{summary}");
}

#[test]
fn stopping_and_cleaning_what_is_not_there_is_no_error() {
    let site = Site::new(1);
    site.murder("distribute_files").expect(0);
    for line in [
        "stop_tracker",
        "stop_seeding tag=v1",
        "stop_all_seeding",
        "stop_peering tag=v1",
        "stop_all_peering",
        "clean_temp_files tag=v1",
    ] {
        let ran = site.json(line).expect(0);
        assert!(ran.outcomes().iter().all(|outcome| outcome == "skipped"), "{line}: {ran:?}");
    }
}

#[test]
fn cleaning_removes_the_archive_and_leaves_the_tree() {
    let site = Site::new(2);
    for line in SESSION {
        site.murder(line).expect(0);
    }
    site.murder("clean_temp_files tag=v1").expect(0);
    for host in ["s1", "p1", "p2"] {
        assert_eq!(site.spool(host), Vec::<String>::new(), "{host}");
    }
    site.assert_same_tree("p1", "v1");
}

#[test]
fn distribute_does_the_whole_job_and_stops_what_it_started() {
    let site = Site::new(3);
    site.murder("distribute tag=v1").expect(0);
    for peer in site.peers() {
        site.assert_same_tree(peer, "v1");
    }
    let status = site.murder("status").expect(0);
    assert!(!status.stdout.contains("seeder   v1   running"), "{}", status.stdout);
    assert!(!status.stdout.contains("tracker  -    running"), "{}", status.stdout);
}

#[test]
fn what_is_on_this_machine_is_packed_here_and_sent_to_the_seeder() {
    let site = Site::new(2);
    for line in ["distribute_files", "start_tracker"] {
        site.murder(line).expect(0);
    }
    site.murder("create_torrent tag=v1 from=./files").expect(0);
    for line in ["start_seeding tag=v1", "peer tag=v1", "stop_seeding tag=v1"] {
        site.murder(line).expect(0);
    }
    site.murder("distribute tag=v2 from=./files").expect(0);
    for peer in site.peers() {
        site.assert_same_tree(peer, "v1");
        site.assert_same_tree(peer, "v2");
    }
}

#[test]
fn ctrl_c_while_a_tree_is_sent_leaves_no_half_of_an_archive_on_the_seeder() {
    let site = Site::new(1);
    site.murder("distribute_files").expect(0);
    // Zeros that take no room, and long enough to be caught in the middle.
    let large = std::fs::File::create(site.path("files/zeros")).unwrap();
    large.set_len(1 << 30).unwrap();
    let line = "create_torrent tag=v1 from=./files compression=none";

    let ran = site.interrupted_at_file(line, ("s1", "v1.tgz.new"), "torrent-receive").expect(130);

    assert!(ran.stderr.contains("interrupted: "), "{}", ran.stderr);
    assert!(site.spool("s1").is_empty(), "{:?}", site.spool("s1"));
    let ran = site.murder("start_seeding tag=v1").expect(3);
    assert!(ran.stderr.contains("create_torrent"), "{}", ran.stderr);
}

#[test]
fn a_path_that_this_machine_lacks_leaves_nothing_on_the_seeder() {
    let site = Site::new(1);
    site.murder("distribute_files").expect(0);
    let ran = site.murder("create_torrent tag=v1 from=/nowhere/at/all").expect(3);
    assert!(ran.stderr.contains("on this machine: /nowhere/at/all"), "{}", ran.stderr);
    assert_eq!(site.spool("s1"), Vec::<String>::new());
}

#[test]
fn a_seeder_that_cannot_keep_what_is_sent_says_why_itself() {
    let site = Site::new(1);
    site.murder("distribute_files").expect(0);
    // A folder can't be made below a file.
    let line = "create_torrent tag=v1 from=./files temp_path=FOLDER/inventory.yaml/spool";
    let ran = site.murder(line).expect(3);
    assert!(ran.stderr.contains("inventory.yaml/spool"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("on this machine"), "{}", ran.stderr);
}

#[test]
fn a_host_without_an_agent_is_sent_to_distribute_files() {
    let site = Site::new(1);
    let ran = site.murder("start_tracker").expect(3);
    assert!(ran.stderr.contains("there is no agent at "), "{}", ran.stderr);
    assert!(ran.stderr.contains("run murder distribute_files"), "{}", ran.stderr);
}

#[test]
fn every_peer_has_an_outcome_when_there_is_no_tracker() {
    let site = Site::new(3);
    site.murder("distribute_files").expect(0);
    let ran = site.json("peer tag=v1").expect(3);
    assert_eq!(ran.outcomes(), ["failed"; 3]);
    assert!(ran.stdout.contains("tracker t1: "), "{}", ran.stdout);
}

#[test]
fn a_missing_path_is_the_seeders_failure() {
    let site = Site::new(1);
    site.murder("distribute_files").expect(0);
    let ran: Ran = site.murder("create_torrent tag=v1 files_path=/nowhere/at/all").expect(3);
    assert!(ran.stderr.contains("/nowhere/at/all"), "{}", ran.stderr);
}

#[test]
fn a_failed_host_within_the_allowed_percentage_has_an_exit_code_of_its_own() {
    let site = Site::new(3);
    for line in &SESSION[..4] {
        site.murder(line).expect(0);
    }
    site.occupy("p2", "v1");
    let ran = site.json("peer tag=v1 --max-fail-percentage 34").expect(4);
    assert_eq!(ran.outcomes(), ["ok", "failed", "ok"]);
    // Now each of them has something there.
    let ran = site.json("peer tag=v1 --max-fail-percentage 34").expect(3);
    assert_eq!(ran.outcomes(), ["failed"; 3]);
}

#[test]
fn doctor_finds_a_healthy_fleet_healthy_and_logs_show_what_happened() {
    let site = Site::new(2);
    site.murder("distribute tag=v1").expect(0);
    let ran = site.murder("doctor").expect(0);
    assert!(!ran.stdout.contains("problem:"), "{}", ran.stdout);
    let logs = site.murder("logs tag=v1 --limit p1").expect(0);
    assert!(logs.stdout.contains("==> p1 peer-v1.log <=="), "{}", logs.stdout);
    assert!(!logs.stdout.contains("==> p2"), "{}", logs.stdout);
}

#[test]
fn attach_shows_the_end_of_a_run_again() {
    let site = Site::new(2);
    for line in &SESSION[..5] {
        site.murder(line).expect(0);
    }
    assert_eq!(site.json("attach tag=v1").expect(0).outcomes(), ["ok"; 2]);
    assert_eq!(site.json("attach tag=other").expect(0).outcomes(), ["skipped"]);
}

#[test]
fn one_file_goes_where_cp_would_put_it() {
    let site = Site::new(2);
    for line in [
        "distribute_files",
        "start_tracker",
        "create_torrent tag=v1 path_is_file=1 files_path=FILES/large",
        "start_seeding tag=v1",
    ] {
        site.murder(line).expect(0);
    }
    let refused = site.murder("peer tag=v1").expect(3);
    assert!(refused.stderr.contains("v1 is one file"), "{}", refused.stderr);
    site.murder("peer tag=v1 path_is_file=1 destination_path=FOLDER/one.bin --limit p1").expect(0);
    site.assert_same_file("large", "one.bin");
}

#[test]
fn a_warm_fleet_is_given_its_jobs_through_the_tracker() {
    let site = Site::new(3);
    for line in &SESSION[..4] {
        site.murder(line).expect(0);
    }
    let ran = site.murder("warm for=10m").expect(0);
    assert!(ran.stderr.contains("3 ok"), "{}", ran.stderr);
    let status = site.murder("status").expect(0);
    assert_eq!(status.stdout.matches("waiting, process ").count(), 3, "{}", status.stdout);
    // Whoever reached them in the other way would find no agent.
    site.hide_agents();
    site.murder("peer tag=v1").expect(0);
    for peer in site.peers() {
        site.assert_same_tree(peer, "v1");
    }
    let again = site.murder("peer tag=v1").expect(3);
    assert!(again.stderr.contains("unsafe_please_delete=1"), "{}", again.stderr);
    site.show_agents();
    assert_eq!(site.json("cool").expect(0).outcomes(), ["ok"; 3]);
    assert_eq!(site.json("cool").expect(0).outcomes(), ["skipped"; 3]);
    site.murder("peer tag=v1 unsafe_please_delete=1").expect(0);
    site.murder("uninstall").expect(0);
    site.assert_nothing_is_left();
}

#[test]
fn a_host_where_nobody_waits_any_more_is_reached_as_before() {
    let site = Site::new(3);
    for line in &SESSION[..4] {
        site.murder(line).expect(0);
    }
    site.murder("warm for=10m").expect(0);
    site.murder("warm for=20m").expect(0);
    site.freeze("p2", "role-warm");
    site.murder("peer tag=v1").expect(0);
    for peer in site.peers() {
        site.assert_same_tree(peer, "v1");
    }
}

#[test]
fn a_fleet_can_only_wait_for_a_tracker_that_runs() {
    let site = Site::new(2);
    site.murder("distribute_files").expect(0);
    let ran = site.json("warm").expect(3);
    assert_eq!(ran.outcomes(), ["failed"; 2]);
    assert!(ran.stdout.contains("murder start_tracker"), "{}", ran.stdout);
}
