//! Runs: opened, watched, and ended.

use std::collections::BTreeMap;
use std::time::Duration;

use murder_agent::channel::ChannelEvent;
use murder_agent::tracker::admin::AdminRequest;
use murder_agent::tracker::ask::ask;
use murder_agent::tracker::run::Leases;
use murder_protocol::verbs::{RunList, RunListReply, TorrentRegister, WatchInput};
use murder_protocol::{Bytes, Failure, HostOutcome, Phase};

use crate::harness::{Fixture, Watching, host, tag};

#[test]
fn a_run_needs_a_tracker_a_torrent_and_a_seeder() {
    let mut tracker = Fixture::new();
    assert_eq!(
        tracker.open(&[host(1)]).unwrap_err().to_string(),
        "the tracker knows no torrent of tag v1 (run murder start_seeding tag=v1)"
    );
    tracker.register(1);
    assert_eq!(
        tracker.open(&[host(1)]).unwrap_err().to_string(),
        "no seeder of tag v1 is connected to the tracker (run murder start_seeding tag=v1)"
    );
    tracker.kill();
    assert_eq!(
        tracker.open(&[host(1)]).unwrap_err().to_string(),
        "no tracker runs on this host (run murder start_tracker)"
    );
}

#[test]
fn bytes_that_are_no_torrent_are_not_registered() {
    let tracker = Fixture::new();
    let request = TorrentRegister { tag: tag(), torrent: Bytes(b"x".to_vec()) };
    let failure: Result<(), Failure> = ask(&tracker.home, &AdminRequest::Register(request));
    let text = failure.unwrap_err().to_string();
    assert!(text.starts_with("the torrent of tag v1 is unusable: not a torrent"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_agents_at_once_end_once_each_and_are_told_that_the_swarm_is_done() {
    let tracker = Fixture::new();
    let seeder = tracker.seeded().await;
    let hosts: Vec<_> = (0..200).map(host).collect();
    let run = tracker.open(&hosts).unwrap();
    assert!(run.seeder_present);
    let watching = Watching::begin(&tracker.home, &run.run);
    let mut agents: Vec<_> = (0..200).map(|n| tracker.peer(n, &run)).collect();
    for agent in &mut agents {
        agent.connected().await;
        agent.report(Phase::Downloading, 50, None);
    }
    seeder.channel.uploaded(12_345);
    for agent in &mut agents {
        agent.report(Phase::Done, 100, Some(HostOutcome::Ok));
    }
    for agent in &mut agents {
        agent.wait_for_all(&[ChannelEvent::OutcomeSeen, ChannelEvent::SwarmDone]).await;
    }
    let seen = watching.end();
    assert_eq!(seen.first, hosts);
    let expected: BTreeMap<_, _> = hosts.iter().map(|host| (host.clone(), 1)).collect();
    assert_eq!(seen.outcomes, expected);
    assert_eq!(seen.reply.unwrap().reports.len(), 200);
    let list: RunListReply = ask(&tracker.home, &AdminRequest::List(RunList {})).unwrap();
    assert_eq!(list.runs.len(), 1);
    assert_eq!((list.runs[0].hosts, list.runs[0].ended), (200, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_watch_hears_what_the_seeder_sent_since_the_run_began() {
    let tracker = Fixture::new();
    let seeder = tracker.seeded().await;
    let first = tracker.open(&[host(1)]).unwrap();
    let mut watching = Watching::begin(&tracker.home, &first.run);
    seeder.channel.uploaded(1_000);
    watching.until(|event| event.seeder_uploaded == 1_000);
    let second = tracker.open(&[host(1)]).unwrap();
    seeder.channel.uploaded(1_500);
    let mut watching = Watching::begin(&tracker.home, &second.run);
    watching.until(|event| event.seeder_uploaded == 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_that_the_workstation_gives_up_is_not_waited_for() {
    let tracker = Fixture::new();
    let _seeder = tracker.seeded().await;
    let run = tracker.open(&[host(1), host(2)]).unwrap();
    let mut watching = Watching::begin(&tracker.home, &run.run);
    let unreachable = Failure::new(murder_protocol::Blame::Network, "no route to host");
    watching.say(&WatchInput::Gone {
        host: host(1),
        outcome: HostOutcome::Failed(unreachable.clone()),
    });
    watching.say(&WatchInput::Accepted(host(2)));
    let mut agent = tracker.peer(2, &run);
    agent.connected().await;
    agent.report(Phase::Done, 100, Some(HostOutcome::Ok));
    let reply = watching.end().reply.unwrap();
    let outcomes: Vec<_> = reply.reports.into_iter().map(|report| report.outcome).collect();
    assert_eq!(outcomes, [Some(HostOutcome::Failed(unreachable)), Some(HostOutcome::Ok)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn hosts_that_never_come_or_fall_silent_end_with_their_leases() {
    let second = Duration::from_secs(1);
    let leases = Leases { hello: second, workstation: second, ..Leases::default() };
    let tracker = Fixture::with_leases(Leases { silence: second, ..leases });
    let _seeder = tracker.seeded().await;
    let run = tracker.open(&[host(1), host(2)]).unwrap();
    let mut watching = Watching::begin(&tracker.home, &run.run);
    watching.say(&WatchInput::Accepted(host(1)));
    let mut agent = tracker.peer(2, &run);
    agent.connected().await;
    agent.report(Phase::Downloading, 63, None);
    watching.until(|event| {
        event.reports.iter().any(|report| report.host == host(2) && report.bytes == 63)
    });
    agent.channel.close().await;
    let reply = watching.end().reply.unwrap();
    let messages: Vec<_> = reply
        .reports
        .into_iter()
        .map(|report| match report.outcome {
            Some(HostOutcome::Failed(failure)) => failure.message,
            other => format!("{other:?}"),
        })
        .collect();
    let never = format!("took the job but never reached the tracker at {}", tracker.address);
    assert_eq!(messages, [never, "went silent 1 s ago while downloading (63 %)".to_owned()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_that_was_given_up_is_told_to_stop_when_it_comes() {
    let tracker = Fixture::new();
    let _seeder = tracker.seeded().await;
    let run = tracker.open(&[host(1), host(2)]).unwrap();
    let mut watching = Watching::begin(&tracker.home, &run.run);
    let outcome = HostOutcome::Skipped("interrupted".to_owned());
    watching.say(&WatchInput::Gone { host: host(1), outcome });
    watching.until(|event| event.reports.iter().any(|report| report.outcome.is_some()));
    let mut agent = tracker.peer(1, &run);
    agent.is_told(&ChannelEvent::Stop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_of_an_earlier_run_counts_for_a_later_one_that_its_host_accepts() {
    let tracker = Fixture::new();
    let _seeder = tracker.seeded().await;
    let earlier = tracker.open(&[host(1)]).unwrap();
    let mut agent = tracker.peer(1, &earlier);
    agent.connected().await;
    let later = tracker.open(&[host(1)]).unwrap();
    let mut watching = Watching::begin(&tracker.home, &later.run);
    watching.say(&WatchInput::Accepted(host(1)));
    watching.until(|event| event.reports.iter().any(|report| report.phase == Phase::Starting));
    agent.report(Phase::Done, 100, Some(HostOutcome::Ok));
    let reply = watching.end().reply.unwrap();
    assert_eq!(reply.reports[0].outcome, Some(HostOutcome::Ok));
    tracker.wait_until_over(&earlier.run);
}
