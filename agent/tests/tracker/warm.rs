//! Agents that wait for jobs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use murder_agent::channel::{
    Order, Ordered, SWITCHING, Seals, Side, ToTracker, ToWaiting, WaitError, Waiter, Waiting, Word,
    encode,
};
use murder_agent::tracker::admin::AdminRequest;
use murder_agent::tracker::ask::{Asking, ask};
use murder_protocol::verbs::{
    Destination, HandOut, HandOutReply, HandedOut, PeerReply, PeerStart, Reach, RunReply, Taken,
    WarmExpect, WarmExpected, WarmForget, WarmForgotten,
};
use murder_protocol::{Blame, Bytes, Failure, Frame, Secret};
use tokio::time::Instant;

use crate::harness::{Fixture, host, tag, torrent};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_waits_gets_its_job_with_the_torrent_and_its_answer_is_passed_on() {
    let tracker = Fixture::new();
    let keys = expect(&tracker, &[1, 2]);
    let mut first = meet(&tracker, 1, &keys[0]).await.unwrap();
    let mut second = meet(&tracker, 2, &keys[1]).await.unwrap();
    let run = seeded_run(&tracker, &[1, 2, 3]).await;
    let mut warm = run.warm.clone();
    warm.sort();
    assert_eq!(warm, [host(1), host(2)]);

    let given = hand_out(&tracker, &run, &[1, 2, 3]);
    let Ordered { number, order: what, torrent: came, .. } = order(&mut first).await;
    let Order::Peer { job, .. } = what else { panic!("{what:?}") };
    assert_eq!((job.reach.host.as_str(), job.run), (host(1).as_str(), run.run.clone()));
    assert_eq!(came, torrent(1).0);
    first.answer(number, Word::Received).await.unwrap();
    let reply = PeerReply { already_running: false, pid: Some(7) };
    first.answer(number, Word::Accepted(reply.clone())).await.unwrap();
    let Ordered { number, .. } = order(&mut second).await;
    let failure = Failure::new(Blame::Host, "no room");
    second.answer(number, Word::Received).await.unwrap();
    second.answer(number, Word::Refused(failure.clone())).await.unwrap();

    let mut ends = given.join().unwrap();
    ends.sort_by(|one, other| one.host.cmp(&other.host));
    let taken: Vec<_> = ends.into_iter().map(|end| end.taken).collect();
    assert_eq!(taken, [Taken::Accepted(reply), Taken::Refused(failure), Taken::Silent]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_goes_with_its_job_leaves_it_to_others() {
    let tracker = Fixture::new();
    let keys = expect(&tracker, &[1]);
    let mut agent = meet(&tracker, 1, &keys[0]).await.unwrap();
    let run = seeded_run(&tracker, &[1]).await;
    let given = hand_out(&tracker, &run, &[1]);
    order(&mut agent).await;
    drop(agent);
    assert_eq!(given.join().unwrap(), [HandedOut { host: host(1), taken: Taken::Silent }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_knows_the_hosts_key_may_wait_for_it() {
    let tracker = Fixture::new();
    let keys = expect(&tracker, &[1, 2]);
    let run = seeded_run(&tracker, &[1, 2, 3]).await;
    let error = meet(&tracker, 1, &keys[1]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "it refused this agent: it is not to be trusted: the seal is not the other end's"
    );
    let error = meet(&tracker, 3, &keys[0]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "it refused this agent: no agent of host host0003 is expected to wait here"
    );
    let jobs = hand_out(&tracker, &run, &[1]).join().unwrap();
    assert_eq!(jobs, [HandedOut { host: host(1), taken: Taken::Silent }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_forgotten_is_let_go_and_not_let_in_again() {
    let tracker = Fixture::new();
    let keys = expect(&tracker, &[1]);
    let mut agent = meet(&tracker, 1, &keys[0]).await.unwrap();
    let forget = AdminRequest::Forget(WarmForget { hosts: vec![host(1)] });
    let _: WarmForgotten = ask(&tracker.home, &forget).unwrap();
    let end = loop {
        match agent.next().await {
            Ok(None) => agent.alive().await.unwrap(),
            Ok(Some(ordered)) => panic!("{ordered:?}"),
            Err(end) => break end,
        }
    };
    assert!(matches!(end, WaitError::Closed), "{end}");
    assert!(matches!(meet(&tracker, 1, &keys[0]).await, Err(WaitError::Refused(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_expects_agents_hears_where_one_waits_that_stays_for_half_the_time() {
    let tracker = Fixture::new();
    let keys = expect(&tracker, &[1, 2]);
    let _agent = meet(&tracker, 1, &keys[0]).await.unwrap();
    for (seconds, waiting) in [(1000, vec![host(1)]), (1500, vec![])] {
        let hosts = vec![host(1), host(2)];
        let request = AdminRequest::Expect(WarmExpect { hosts, seconds });
        let expected: WarmExpected = ask(&tracker.home, &request).unwrap();
        assert_eq!(expected.waiting, waiting);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracker_that_was_killed_and_started_again_is_the_one_they_know() {
    let mut tracker = Fixture::new();
    let keys = expect(&tracker, &[1]);
    let agent = meet(&tracker, 1, &keys[0]).await.unwrap();
    tokio::task::block_in_place(|| {
        tracker.kill();
        tracker.start_again();
    });
    drop(agent);
    meet(&tracker, 1, &keys[0]).await.unwrap();
    assert_eq!(expect(&tracker, &[1]), keys, "a host that is expected keeps its key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_only_pretends_to_be_the_tracker_gives_no_orders() {
    let key = Secret("known to tracker and agent".to_owned());
    for forged in [Forged::Seal, Forged::Nothing] {
        let pretender = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = pretender.local_addr().unwrap();
        let pretending = std::thread::spawn(move || pretend(&pretender, forged));
        let error = waiter(1, &key).meet(address).await.unwrap_err();
        pretending.join().unwrap();
        match forged {
            Forged::Seal => assert!(matches!(error, WaitError::Seal(_)), "{error}"),
            Forged::Nothing => assert!(matches!(error, WaitError::Closed), "{error}"),
        }
    }
}

/// What a pretender sends that lacks the key.
#[derive(Clone, Copy)]
enum Forged {
    /// An order under a seal of its own.
    Seal,
    /// No order at all.
    Nothing,
}

fn pretend(listener: &TcpListener, forged: Forged) {
    let mut stream = BufReader::new(listener.accept().unwrap().0);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
    }
    stream.get_mut().write_all(SWITCHING.as_bytes()).unwrap();
    line.clear();
    stream.read_line(&mut line).unwrap();
    let ToTracker::Wait(wait) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
    let chance = "of its own".to_owned();
    let key = Secret("a guess".to_owned());
    let mut seals = Seals::new(&key, &wait.host, &wait.chance, &chance, Side::Tracker);
    stream.get_mut().write_all(&encode(&ToWaiting::Chance(chance))).unwrap();
    stream.read_line(&mut line).unwrap();
    if let Forged::Seal = forged {
        let order = ToWaiting::Sealed(seals.seal(&Order::Meet));
        stream.get_mut().write_all(&encode(&order)).unwrap();
        // Nothing more comes back.
        line.clear();
        assert_eq!(stream.read_line(&mut line).unwrap(), 0, "{line}");
    }
}

pub(crate) fn expect(tracker: &Fixture, numbers: &[u16]) -> Vec<Secret> {
    let hosts = numbers.iter().map(|number| host(*number)).collect();
    let request = AdminRequest::Expect(WarmExpect { hosts, seconds: 600 });
    let expected: WarmExpected = ask(&tracker.home, &request).unwrap();
    assert_eq!(expected.trackers, [tracker.address]);
    expected.keys
}

pub(crate) async fn meet(
    tracker: &Fixture,
    number: u16,
    key: &Secret,
) -> Result<Waiting, WaitError> {
    waiter(number, key).meet(tracker.address).await
}

fn waiter(number: u16, key: &Secret) -> Waiter {
    let until = Instant::now() + Duration::from_secs(600);
    Waiter { host: host(number), key: key.clone(), announce_ip: None, until }
}

pub(crate) async fn order(agent: &mut Waiting) -> Ordered {
    loop {
        match agent.next().await.unwrap() {
            Some(ordered) => return ordered,
            None => agent.alive().await.unwrap(),
        }
    }
}

/// A run of the only torrent, whose seeder goes once it is opened.
async fn seeded_run(tracker: &Fixture, numbers: &[u16]) -> RunReply {
    let _seeder = tracker.seeded().await;
    let hosts: Vec<_> = numbers.iter().map(|number| host(*number)).collect();
    tracker.open(&hosts).unwrap()
}

fn hand_out(
    tracker: &Fixture,
    run: &RunReply,
    numbers: &[u16],
) -> std::thread::JoinHandle<Vec<HandedOut>> {
    let jobs = numbers.iter().map(|number| job(run, *number)).collect();
    let request = AdminRequest::HandOut(HandOut { run: run.run.clone(), jobs });
    let mut asking = Asking::begin(&tracker.home, &request).unwrap();
    std::thread::spawn(move || {
        let mut ends = Vec::new();
        loop {
            match asking.frame::<HandedOut, HandOutReply>().unwrap() {
                Some(Frame::Event(end)) => ends.push(end),
                Some(Frame::Reply(_)) => return ends,
                other => panic!("{other:?}"),
            }
        }
    })
}

fn job(run: &RunReply, number: u16) -> PeerStart {
    PeerStart {
        run: run.run.clone(),
        key: run.key.clone(),
        tag: tag(),
        torrent: Bytes::default(),
        reach: Reach {
            host: host(number),
            trackers: vec![SocketAddr::from(([127, 0, 0, 1], 1))],
            announce_ip: None,
            peer_ports: (6881, 6889),
        },
        destination: Destination {
            path: "/nowhere".to_owned(),
            unsafe_please_delete: false,
            keep_owner: false,
            as_release: false,
        },
        temp_path: None,
        seed_seconds: 1,
        lease_seconds: 1,
        timeout_seconds: 1,
    }
}
