//! The agent that waits, as a process of its own.

use murder_protocol::verbs::{HandOut, Role, WarmExpect, WarmReply, WarmStart, WarmStop};
use murder_protocol::{Bytes, Failure, HostOutcome, Phase, Secret};

use crate::fleet::Fleet;
use crate::host::{Host, same_tree, wait_for};

#[test]
fn a_host_that_waits_starts_its_peer_when_the_tracker_says_so_and_waits_on() {
    let fleet = Fleet::new(300_000);
    fleet.seed().unwrap();
    let host = Host::new("peer");
    let warm = start(&fleet, &host, 600).unwrap();
    assert!(!warm.renewed);
    assert_eq!(host.holder(Role::Warm, None), Some(warm.pid));

    let run = fleet.open(&[&host]);
    assert_eq!(run.warm, ["peer"]);
    let job = fleet.job(&run, &host);
    let jobs = vec![murder_protocol::verbs::PeerStart { torrent: Bytes::default(), ..job }];
    fleet.tracker.call(&HandOut { run: run.run.clone(), jobs }).unwrap();

    let done = host.until(Role::Peer, &fleet.tag, |status| status.outcome.is_some());
    assert_eq!((done.phase, done.outcome), (Some(Phase::Done), Some(HostOutcome::Ok)));
    assert!(same_tree(&fleet.files(), &host.path("out/v1")));
    assert_eq!(host.holder(Role::Warm, None), Some(warm.pid));
    // The peer ends, and the one that waits leaves no zombie of it.
    wait_for(|| children(warm.pid).is_empty().then_some(())).unwrap();
    assert_eq!(host.holder(Role::Peer, Some(&fleet.tag)), None);
}

#[test]
fn one_that_waits_is_renewed_ended_and_leaves_nothing_to_be_told() {
    let fleet = Fleet::new(1000);
    let host = Host::new("peer");
    let first = start(&fleet, &host, 600).unwrap();
    let second = start(&fleet, &host, 600).unwrap();
    assert!(second.renewed && second.pid != first.pid);
    assert_eq!(host.holder(Role::Warm, None), Some(second.pid));
    assert_eq!(host.call(&WarmStop {}).unwrap().stopped, ["the agent that waited"]);
    assert_eq!(host.holder(Role::Warm, None), None);
    assert!(host.call(&WarmStop {}).unwrap().stopped.is_empty());
    let status = murder_protocol::verbs::Status { tag: None };
    assert!(host.call(&status).unwrap().roles.is_empty());
}

#[test]
fn one_that_waits_ends_when_its_time_is_over() {
    let fleet = Fleet::new(1000);
    let host = Host::new("peer");
    start(&fleet, &host, 1).unwrap();
    ends(&host, "its time is over");
}

#[test]
fn one_that_waits_ends_when_it_has_found_no_tracker_for_its_lease() {
    let fleet = Fleet::new(1000);
    let host = Host::new("peer");
    start(&fleet, &host, 600).unwrap();
    fleet.tracker.stop(Role::Tracker, None);
    ends(&host, "found no tracker for 1 s");
}

#[test]
fn a_host_that_can_not_reach_the_tracker_says_so() {
    let fleet = Fleet::new(1000);
    let host = Host::new("peer");
    let failure = host.call(&request(&fleet, &host, 600, &Secret("wrong".to_owned())));
    let failure = failure.unwrap_err().to_string();
    assert!(failure.starts_with("could not wait for the tracker: tracker 127."), "{failure}");
    wait_for(|| host.holder(Role::Warm, None).is_none().then_some(())).unwrap();
}

fn ends(host: &Host, why: &str) {
    let log = host.home().role_log(Role::Warm, None);
    let ended = wait_for(|| {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        (host.holder(Role::Warm, None).is_none() && said.contains(why)).then_some(())
    });
    ended.unwrap_or_else(|| panic!("{}", std::fs::read_to_string(&log).unwrap()));
}

pub(crate) fn start(fleet: &Fleet, host: &Host, seconds: u64) -> Result<WarmReply, Failure> {
    let expect = WarmExpect { hosts: vec![host.name.clone()], seconds: 600 };
    let expected = fleet.tracker.call(&expect).unwrap();
    host.call(&request(fleet, host, seconds, &expected.keys[0]))
}

fn request(fleet: &Fleet, host: &Host, seconds: u64, key: &Secret) -> WarmStart {
    WarmStart {
        host: host.name.clone(),
        trackers: fleet.trackers().to_vec(),
        announce_ip: Some(host.ip),
        key: key.clone(),
        seconds,
        lease_seconds: 1,
    }
}

/// Processes that a process has not taken note of the end of.
fn children(pid: u32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks
        .map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default())
        .collect()
}
