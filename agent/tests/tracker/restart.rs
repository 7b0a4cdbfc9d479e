//! A tracker that is killed and started again in the middle of a run.

use murder_agent::channel::ChannelEvent;
use murder_protocol::verbs::WatchInput;
use murder_protocol::{HostOutcome, Phase};

use crate::harness::{Fixture, Watching, host};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_run_goes_on_where_the_killed_tracker_was() {
    let mut tracker = Fixture::new();
    let key = tracker.register(1).key;
    let mut seeder = tracker.seeded().await;
    let run = tracker.open(&[host(1), host(2)]).unwrap();
    let mut agents = [1, 2].map(|n| tracker.peer(n, &run));
    for agent in &mut agents {
        agent.connected().await;
    }
    agents[0].report(Phase::Done, 100, Some(HostOutcome::Ok));
    agents[0].is_told(&ChannelEvent::OutcomeSeen).await;
    agents[1].report(Phase::Downloading, 40, None);
    tracker.kill();
    agents[1].report(Phase::Downloading, 70, None);
    agents[1].wait_for(|event| matches!(event, ChannelEvent::Lost { .. }).then_some(())).await;
    tracker.start_again();
    assert_eq!(tracker.register(1).key, key);
    agents[1].connected().await;
    seeder.connected().await;
    let mut watching = Watching::begin(&tracker.home, &run.run);
    watching.until(|event| event.reports.iter().any(|report| report.bytes == 70));
    agents[1].report(Phase::Done, 100, Some(HostOutcome::Ok));
    let reply = watching.end().reply.unwrap();
    assert!(reply.reports.iter().all(|report| report.outcome == Some(HostOutcome::Ok)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_outcome_that_comes_while_the_tracker_is_away_is_told_to_the_next_one() {
    let mut tracker = Fixture::new();
    let _seeder = tracker.seeded().await;
    let run = tracker.open(&[host(1)]).unwrap();
    let mut watching = Watching::begin(&tracker.home, &run.run);
    watching.say(&WatchInput::Accepted(host(1)));
    let mut agent = tracker.peer(1, &run);
    agent.connected().await;
    tracker.kill();
    assert!(watching.end().reply.is_none());
    agent.report(Phase::Done, 100, Some(HostOutcome::Ok));
    tracker.start_again();
    agent.wait_for_all(&[ChannelEvent::OutcomeSeen, ChannelEvent::SwarmDone]).await;
    tracker.wait_until_over(&run.run);
}
