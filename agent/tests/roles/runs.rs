//! Whole runs: from `peer-start` to the tree in place.

use murder_agent::archive::Level;
use murder_protocol::verbs::Role;
use murder_protocol::{HostOutcome, Phase};
use rustix::process::{Pid, Signal, kill_process};

use crate::fleet::Fleet;
use crate::host::{Host, same_tree, wait_for};

#[test]
fn three_peers_put_the_tree_in_place_and_go_when_the_swarm_is_done() {
    three_peers_put_the_tree_in_place(&Fleet::new(3 << 20));
}

#[test]
fn three_peers_put_the_tree_of_a_zstd_archive_in_place() {
    three_peers_put_the_tree_in_place(&Fleet::packed(3 << 20, Level::Zstd(4)));
}

fn three_peers_put_the_tree_in_place(fleet: &Fleet) {
    fleet.seed().unwrap();
    let peers = ["a", "b", "c"].map(Host::new);
    let run = fleet.open(&[&peers[0], &peers[1], &peers[2]]);
    for peer in &peers {
        fleet.start(&run, peer).unwrap();
    }
    for peer in &peers {
        let ended = |status: &murder_protocol::verbs::RoleStatus| {
            status.outcome.is_some() && status.pid.is_none()
        };
        let status = peer.until(Role::Peer, &fleet.tag, ended);
        assert_eq!(status.outcome, Some(HostOutcome::Ok), "{}", peer.log(Role::Peer, &fleet.tag));
        assert!(same_tree(&fleet.files(), &peer.path("out/v1")));
    }
}

#[test]
fn a_peer_that_is_stopped_says_so_and_goes_on_later_from_where_it_was() {
    a_stopped_peer_goes_on_later(&Fleet::new(3 << 20));
}

#[test]
fn a_stopped_peer_of_a_zstd_archive_goes_on_later_from_where_it_was() {
    a_stopped_peer_goes_on_later(&Fleet::packed(3 << 20, Level::Zstd(1)));
}

fn a_stopped_peer_goes_on_later(fleet: &Fleet) {
    let peer = Host::new("a");
    let run = fleet.open_without_seeder(&[&peer]);
    fleet.start(&run, &peer).unwrap();
    peer.until(Role::Peer, &fleet.tag, |status| status.phase == Some(Phase::Downloading));
    // It unpacks beside the destination from the first piece on.
    wait_for(|| peer.path("out").read_dir().ok()?.next()).unwrap().unwrap();
    let again = fleet.start(&run, &peer).unwrap();
    assert!(again.already_running);
    let mut elsewhere = fleet.job(&run, &peer);
    elsewhere.destination.path.push_str("-else");
    let pid = peer.holder(Role::Peer, Some(&fleet.tag)).unwrap();
    assert_eq!(
        peer.call(&elsewhere).unwrap_err().to_string(),
        format!(
            "a peer of v1 with another torrent or destination runs as process {pid} (wait for \
             it, or run stop_peering tag=v1)"
        )
    );
    peer.stop(Role::Peer, Some(&fleet.tag));
    let status = peer.status(Role::Peer, &fleet.tag).unwrap();
    let Some(HostOutcome::Failed(failure)) = status.outcome else { panic!("{status:?}") };
    assert_eq!(
        failure.to_string(),
        "stopped by the operator (run peer again to go on, what is there already is not fetched \
         twice)"
    );
    assert!(fleet.archive_of(&peer).partial.exists());
    assert!(!peer.path("out").exists());
    fleet.seed().unwrap();
    let run = fleet.open(&[&peer]);
    fleet.start(&run, &peer).unwrap();
    peer.until(Role::Peer, &fleet.tag, |status| status.outcome == Some(HostOutcome::Ok));
    assert!(same_tree(&fleet.files(), &peer.path("out/v1")));
}

#[test]
fn a_peer_that_is_about_to_leave_makes_way_for_the_next_run() {
    let fleet = Fleet::new(1 << 20);
    fleet.seed().unwrap();
    let (peer, absent) = (Host::new("a"), Host::new("b"));
    let run = fleet.open(&[&peer, &absent]);
    fleet.start(&run, &peer).unwrap();
    peer.until(Role::Peer, &fleet.tag, |status| status.outcome.is_some());
    let next = fleet.open(&[&peer]);
    // Its last words to a tracker that does not listen take a while.
    let tracker = fleet.tracker.holder(Role::Tracker, None).unwrap();
    signal(tracker, Signal::STOP);
    let first = peer.holder(Role::Peer, Some(&fleet.tag)).unwrap();
    signal(first, Signal::TERM);
    peer.until(Role::Peer, &fleet.tag, |status| status.pid.is_none());
    assert_eq!(peer.holder(Role::Peer, Some(&fleet.tag)), Some(first));

    let reply = peer.call(&fleet.job(&next, &peer));

    signal(tracker, Signal::CONT);
    let refused = reply.unwrap_err().to_string();
    assert!(refused.contains("is there already and not empty"), "{refused}");
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn a_peer_on_the_seeders_host_downloads_nothing() {
    let fleet = Fleet::new(1 << 20);
    fleet.seed().unwrap();
    let run = fleet.open(&[&fleet.seeder]);
    let archive = fleet.archive_of(&fleet.seeder).archive;
    let before = archive.metadata().unwrap().modified().unwrap();
    fleet.start(&run, &fleet.seeder).unwrap();
    let done = |status: &murder_protocol::verbs::RoleStatus| status.outcome.is_some();
    let status = fleet.seeder.until(Role::Peer, &fleet.tag, done);
    assert_eq!(status.outcome, Some(HostOutcome::Ok));
    assert!(same_tree(&fleet.files(), &fleet.seeder.path("out/v1")));
    assert!(!fleet.archive_of(&fleet.seeder).partial.exists());
    assert_eq!(archive.metadata().unwrap().modified().unwrap(), before);
    assert!(fleet.seeder.holder(Role::Seeder, Some(&fleet.tag)).is_some());
}

#[test]
fn a_peer_without_any_source_fails_at_its_timeout() {
    let fleet = Fleet::new(1 << 20);
    let peer = Host::new("a");
    let run = fleet.open_without_seeder(&[&peer]);
    let mut job = fleet.job(&run, &peer);
    job.timeout_seconds = 1;
    let pid = peer.call(&job).unwrap().pid.unwrap();
    let failed = |status: &murder_protocol::verbs::RoleStatus| status.outcome.is_some();
    let status = peer.until(Role::Peer, &fleet.tag, failed);
    let Some(HostOutcome::Failed(failure)) = status.outcome else { panic!("{status:?}") };
    assert!(failure.message.starts_with("not done after 1 s, with 0 of "), "{failure}");
    wait_for(|| peer.holder(Role::Peer, Some(&fleet.tag)).is_none().then_some(()))
        .unwrap_or_else(|| panic!("process {pid} lives: {}", peer.log(Role::Peer, &fleet.tag)));
}
