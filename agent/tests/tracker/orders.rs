//! Orders about releases for agents that wait, and the word to switch.

use std::thread::JoinHandle;
use std::time::Duration;

use murder_agent::channel::{Order, Ordered, Uptime, VALID, Waiting, Word};
use murder_agent::tracker::admin::AdminRequest;
use murder_agent::tracker::ask::{Asking, ask};
use murder_protocol::verbs::{
    HostOrder, MissingHost, OrderEnd, ReleaseDone, ReleaseList, ReleaseOrder, ReleaseOut,
    ReleaseOutReply, ReleaseSwitch, ReleasedOut, Releases, RunList, RunListReply, SwitchKind,
    SwitchOrder, SwitchOut, SwitchOutReply,
};
use murder_protocol::{Blame, Failure, Frame, HostOutcome, HostReport, RunId};

use crate::harness::{Fixture, Watching, host, tag};
use crate::warm::{expect, meet, order};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_agent_that_waits_gets_its_order_and_its_answer_is_passed_on() {
    let tracker = Fixture::new();
    let keys = expect(&tracker, &[1, 2]);
    let mut first = meet(&tracker, 1, &keys[0]).await.unwrap();
    let mut second = meet(&tracker, 2, &keys[1]).await.unwrap();
    let ends = release_out(&tracker, &[1, 2, 3]);
    assert_eq!(answer(&mut first, Word::Released(Box::new(done()))).await, list(1));
    let failure = Failure::new(Blame::Host, "no room");
    assert_eq!(answer(&mut second, Word::Refused(failure.clone())).await, list(2));
    let ends: Vec<_> = ends.join().unwrap().into_iter().map(|end| end.end).collect();
    assert_eq!(ends, [OrderEnd::Done(done()), OrderEnd::Refused(failure), OrderEnd::Silent]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_agent_that_waits_is_told_to_switch_and_the_run_knows_how_each_ended() {
    let tracker = Fixture::new();
    let keys = expect(&tracker, &[1, 2]);
    let mut first = meet(&tracker, 1, &keys[0]).await.unwrap();
    let mut second = meet(&tracker, 2, &keys[1]).await.unwrap();
    // Whoever asked is gone before any agent answers.
    let run = switch_out(&tracker, &[1, 2, 3]);
    assert_eq!(answer(&mut first, Word::Released(Box::new(done()))).await, switch(1));
    let failure = Failure::new(Blame::Host, "v1 is not complete");
    assert_eq!(answer(&mut second, Word::Refused(failure.clone())).await, switch(2));

    let reports = reports(&tracker, &run);
    let outcomes: Vec<_> = reports.into_iter().filter_map(|report| report.outcome).collect();
    let missed = Failure::new(Blame::Host, "no agent waits on it, so it missed the word to switch")
        .hint("see whether the host is up, and run the same command again");
    let expected = [HostOutcome::Ok, HostOutcome::Failed(failure), HostOutcome::Failed(missed)];
    assert_eq!(outcomes, expected);
    let list: RunListReply = ask(&tracker.home, &AdminRequest::List(RunList {})).unwrap();
    let [entry] = &list.runs[..] else { panic!("{list:?}") };
    assert_eq!((&entry.run, &entry.tag, entry.hosts, entry.ended), (&run, &tag(), 3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_more_agents_are_missing_than_may_be_nobody_is_told_to_switch() {
    let tracker = Fixture::new();
    let keys = expect(&tracker, &[1, 2]);
    let mut stays = meet(&tracker, 1, &keys[0]).await.unwrap();
    drop(meet(&tracker, 2, &keys[1]).await.unwrap());
    let host_2 = MissingHost {
        host: host(2),
        failure: Failure::new(
            Blame::Host,
            "no agent waits on it any more: it closed the connection",
        )
        .hint("see whether the host is up, and run the same command again"),
    };
    // The tracker hears of the one that left when its connection ends.
    while word(&tracker, &[2], 0) != SwitchOutReply::Withheld(vec![host_2.clone()]) {
        tokio::task::yield_now().await;
    }
    let runs = || {
        let list: RunListReply = ask(&tracker.home, &AdminRequest::List(RunList {})).unwrap();
        list.runs.len()
    };
    let before = runs();

    let SwitchOutReply::Withheld(missing) = word(&tracker, &[1, 2, 3], 1) else { panic!("told") };

    assert_eq!(
        missing.iter().map(|missing| &missing.host).collect::<Vec<_>>(),
        [&host(2), &host(3)]
    );
    assert_eq!(runs(), before);
    let run = switch_out(&tracker, &[1, 2]);
    assert_eq!(answer(&mut stays, Word::Released(Box::new(done()))).await, switch(1));
    let reports = reports(&tracker, &run);
    assert_eq!(reports[0].outcome, Some(HostOutcome::Ok));
    let Some(HostOutcome::Failed(failure)) = &reports[1].outcome else { panic!("{reports:?}") };
    assert!(failure.message.ends_with("connection, so it missed the word to switch"), "{failure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_word_to_switch_holds_for_a_while_and_comes_once() {
    let tracker = Fixture::new();
    let keys = expect(&tracker, &[1]);
    let mut agent = meet(&tracker, 1, &keys[0]).await.unwrap();
    let run = switch_out(&tracker, &[1]);
    let ordered = order(&mut agent).await;
    let until = ordered.holds_until.expect("it is no older than the connection");
    let rest = until.0.saturating_sub(Uptime::now().0);
    assert!(rest > Duration::ZERO && rest <= VALID, "{rest:?}");

    // It goes without an answer, and comes again.
    drop(agent);
    let mut agent = meet(&tracker, 1, &keys[0]).await.unwrap();
    let ends = release_out(&tracker, &[1]);
    let next = answer(&mut agent, Word::Released(Box::new(done()))).await;
    assert_eq!(next, list(1), "the word to switch is not repeated");
    ends.join().unwrap();
    // The host may have switched, so nothing is said of it yet.
    let list: RunListReply = ask(&tracker.home, &AdminRequest::List(RunList {})).unwrap();
    assert_eq!((&list.runs[0].run, list.runs[0].ended), (&run, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracker_that_was_killed_after_the_word_remembers_whom_it_told() {
    let mut tracker = Fixture::new();
    let keys = expect(&tracker, &[1]);
    let mut agent = meet(&tracker, 1, &keys[0]).await.unwrap();
    let run = switch_out(&tracker, &[1]);
    order(&mut agent).await;
    tokio::task::block_in_place(|| {
        tracker.kill();
        tracker.start_again();
    });
    let list: RunListReply = ask(&tracker.home, &AdminRequest::List(RunList {})).unwrap();
    let [entry] = &list.runs[..] else { panic!("{list:?}") };
    assert_eq!((&entry.run, entry.hosts, entry.ended), (&run, 1, 0));
}

/// Answers the next order, and says what it was.
async fn answer(agent: &mut Waiting, word: Word) -> ReleaseOrder {
    let Ordered { number, order, .. } = order(agent).await;
    let Order::Release { order, .. } = order else { panic!("{order:?}") };
    agent.answer(number, Word::Received).await.unwrap();
    agent.answer(number, word).await.unwrap();
    *order
}

fn release_out(tracker: &Fixture, numbers: &[u16]) -> JoinHandle<Vec<ReleasedOut>> {
    let order = |number: &u16| HostOrder { host: host(*number), order: list(*number) };
    let orders = numbers.iter().map(order).collect();
    let request = AdminRequest::ReleaseOut(ReleaseOut { orders, seconds: 30 });
    let mut asking = Asking::begin(&tracker.home, &request).unwrap();
    std::thread::spawn(move || {
        let mut ends = Vec::new();
        loop {
            match asking.frame::<ReleasedOut, ReleaseOutReply>().unwrap() {
                Some(Frame::Event(end)) => ends.push(end),
                Some(Frame::Reply(_)) => break,
                other => panic!("{other:?}"),
            }
        }
        ends.sort_by(|one, other| one.host.cmp(&other.host));
        ends
    })
}

fn switch_out(tracker: &Fixture, numbers: &[u16]) -> RunId {
    match word(tracker, numbers, numbers.len()) {
        SwitchOutReply::Told(run) => run,
        withheld => panic!("{withheld:?}"),
    }
}

fn word(tracker: &Fixture, numbers: &[u16], may_miss: usize) -> SwitchOutReply {
    let order = |number: &u16| {
        let ReleaseOrder::Switch(switch) = switch(*number) else { unreachable!() };
        SwitchOrder { host: host(*number), switch }
    };
    let orders = numbers.iter().map(order).collect();
    let request = AdminRequest::SwitchOut(SwitchOut { release: tag(), may_miss, orders });
    ask(&tracker.home, &request).unwrap()
}

/// The last word on each host.
fn reports(tracker: &Fixture, run: &RunId) -> Vec<HostReport> {
    Watching::begin(&tracker.home, run).end().reply.expect("the run ends").reports
}

fn list(number: u16) -> ReleaseOrder {
    ReleaseOrder::List(ReleaseList { deploy_to: format!("/srv/{number}") })
}

fn switch(number: u16) -> ReleaseOrder {
    ReleaseOrder::Switch(ReleaseSwitch {
        deploy_to: format!("/srv/{number}"),
        release: tag(),
        by: "ada@laptop".to_owned(),
        why: SwitchKind::Deploy,
    })
}

fn done() -> ReleaseDone {
    ReleaseDone { did: Vec::new(), releases: Releases::default(), warnings: Vec::new() }
}
