//! The executable's verbs, with a tracker in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::Child;

use murder_agent::channel::{ChannelEvent, Part};
use murder_protocol::verbs::{
    RunList, RunOpen, RunReply, TorrentRegister, TrackerReply, TrackerStart, TrackerStop, Verb,
    Watch, WatchInput, WatchReply,
};
use murder_protocol::{
    Decoded, Failure, FleetEvent, Frame, HostOutcome, Phase, RunId, Secret, decode,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Agent, host, tag, torrent};
use crate::installed::Installed;

/// A host with the agent on it. The tracker that it starts ends with it.
struct Host {
    agent: Installed,
    port: u16,
    tracker: Option<u32>,
}

impl Host {
    fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        Self { agent: Installed::new(), port, tracker: None }
    }

    fn call<V: Verb>(&self, request: &V) -> Result<V::Reply, Failure> {
        self.agent.call(request)
    }

    fn start_tracker(&mut self) -> Result<TrackerReply, Failure> {
        let announce_ip = Some(IpAddr::from([127, 0, 0, 1]));
        let reply = self.call(&TrackerStart { port: self.port, announce_ip })?;
        self.tracker = Some(reply.pid);
        Ok(reply)
    }

    fn kill_tracker(&mut self) {
        let pid = self.tracker.take().expect("a tracker was started");
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    }

    fn register(&self) -> Secret {
        self.call(&TorrentRegister { tag: tag(), torrent: torrent(1) }).unwrap().key
    }

    fn open(&self, hosts: &[String]) -> Result<RunReply, Failure> {
        self.call(&RunOpen { tag: tag(), hosts: hosts.to_vec(), timeout_seconds: 600 })
    }

    fn agent(&self, number: u16, part: Part, key: &Secret, run: Option<&RunId>) -> Agent {
        Agent::connect(SocketAddr::from(([127, 0, 0, 1], self.port)), number, part, key, run)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.tracker.is_some() {
            self.kill_tracker();
        }
    }
}

/// A `watch` that runs.
struct Watching {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Watching {
    fn begin(host: &Host, run: &RunId) -> Self {
        let mut child = host.agent.start(&Watch { run: run.clone() });
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn say(&mut self, input: &WatchInput) {
        let mut line = serde_json::to_string(input).unwrap();
        line.push('\n');
        self.child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    fn close_stdin(&mut self) {
        self.child.stdin.take();
    }

    fn frame(&mut self) -> Frame<FleetEvent, WatchReply> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        match decode(&line) {
            Decoded::Frame(frame) => frame,
            other => panic!("{other:?} in {line:?}"),
        }
    }

    fn event(&mut self) -> FleetEvent {
        match self.frame() {
            Frame::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_tracker_is_started_once() {
    let mut host = Host::new();
    let first = host.start_tracker().unwrap();
    assert!(!first.already_running);
    assert_eq!(first.addresses, [SocketAddr::from(([127, 0, 0, 1], host.port))]);
    let second = host.start_tracker().unwrap();
    assert!(second.already_running);
    assert_eq!((second.pid, second.addresses), (first.pid, first.addresses));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tracker_that_was_stopped_and_started_again_knows_its_torrents_and_seeders() {
    let mut tracker = Host::new();
    tracker.start_tracker().unwrap();
    let key = tracker.register();
    let mut seeder = tracker.agent(9, Part::Seeder, &key, None);
    seeder.connected().await;
    assert_eq!(tracker.call(&TrackerStop {}).unwrap().stopped, ["tracker"]);
    assert!(!tracker.agent.home().join("run/tracker.sock").exists());
    assert!(!tracker.start_tracker().unwrap().already_running);
    seeder.connected().await;
    assert!(tracker.open(&[host(1)]).unwrap().seeder_present);
}

#[test]
fn a_tracker_on_another_port_is_not_the_one_that_was_asked_for() {
    let mut host = Host::new();
    host.start_tracker().unwrap();
    let here = host.port;
    let failure = host.call(&TrackerStart { port: 1, announce_ip: None }).unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!(
            "a tracker runs on this host already, on port {here} instead of 1 (run murder \
             stop_tracker first)"
        )
    );
}

#[test]
fn a_port_that_is_taken_is_named_with_its_holder() {
    let mut host = Host::new();
    let _taken = TcpListener::bind(("127.0.0.1", host.port)).unwrap();
    let text = host.start_tracker().unwrap_err().to_string();
    let begin = format!("port {} is in use by ", host.port);
    let end = format!(
        " (process {}) (stop that program, or set tracker_port to another port)",
        std::process::id()
    );
    assert!(text.starts_with(&begin) && text.ends_with(&end), "{text}");
}

#[test]
fn without_a_tracker_each_verb_says_so() {
    let host = Host::new();
    let none = "no tracker runs on this host (run murder start_tracker)";
    let run = RunId("v1-x".to_owned());
    assert_eq!(host.call(&RunList {}).unwrap_err().to_string(), none);
    assert_eq!(host.call(&Watch { run }).unwrap_err().to_string(), none);
    assert_eq!(host.open(&["a".to_owned()]).unwrap_err().to_string(), none);
}

#[test]
fn a_run_that_the_tracker_does_not_remember_can_not_be_watched() {
    let mut host = Host::new();
    host.start_tracker().unwrap();
    let mut watching = Watching::begin(&host, &RunId("v1-x".to_owned()));
    let Frame::Failed(failure) = watching.frame() else { panic!("no failure") };
    assert_eq!(
        failure.to_string(),
        "the tracker remembers no run v1-x (see which runs it remembers with murder status)"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_watch_ends_with_its_stdin_and_nothing_else_does() {
    let mut tracker = Host::new();
    tracker.start_tracker().unwrap();
    let key = tracker.register();
    let mut seeder = tracker.agent(9, Part::Seeder, &key, None);
    seeder.connected().await;
    let run = tracker.open(&[host(1)]).unwrap().run;
    let mut watching = Watching::begin(&tracker, &run);
    assert_eq!(watching.event().reports.len(), 1);
    watching.close_stdin();
    let Frame::Reply(reply) = watching.frame() else { panic!("no reply") };
    assert_eq!(reply.reports[0].outcome, None);
    let list = tracker.call(&RunList {}).unwrap();
    assert_eq!(list.runs[0].ended, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_watch_outlives_a_tracker_that_is_killed_and_repeats_nothing() {
    let mut tracker = Host::new();
    tracker.start_tracker().unwrap();
    let key = tracker.register();
    let mut seeder = tracker.agent(9, Part::Seeder, &key, None);
    seeder.connected().await;
    let run = tracker.open(&[host(1), host(2)]).unwrap();
    let mut watching = Watching::begin(&tracker, &run.run);
    assert_eq!(watching.event().reports.len(), 2);
    let gone = HostOutcome::Skipped("asleep".to_owned());
    watching.say(&WatchInput::Gone { host: host(2), outcome: gone.clone() });
    assert_eq!(watching.event().reports[0].outcome, Some(gone));
    let mut agent = tracker.agent(1, Part::Peer, &run.key, Some(&run.run));
    agent.connected().await;
    assert_eq!(watching.event().reports[0].phase, Phase::Starting);
    tracker.kill_tracker();
    agent.wait_for(|event| matches!(event, ChannelEvent::Lost { .. }).then_some(())).await;
    tracker.start_tracker().unwrap();
    agent.connected().await;
    agent.report(Phase::Done, 100, Some(HostOutcome::Ok));
    let event = watching.event();
    let hosts: Vec<_> = event.reports.iter().map(|report| &report.host).collect();
    assert_eq!(hosts, [&host(1)]);
    let Frame::Reply(reply) = watching.frame() else { panic!("no reply") };
    assert_eq!(reply.reports.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_workstation_says_last_is_heard_although_it_goes() {
    let mut tracker = Host::new();
    tracker.start_tracker().unwrap();
    let key = tracker.register();
    let mut seeder = tracker.agent(9, Part::Seeder, &key, None);
    seeder.connected().await;
    let hosts: Vec<_> = (0..300).map(host).collect();
    let run = tracker.open(&hosts).unwrap().run;
    let mut watching = Watching::begin(&tracker, &run);
    watching.event();
    for host in hosts {
        let outcome = HostOutcome::Skipped("interrupted before its turn".to_owned());
        watching.say(&WatchInput::Gone { host, outcome });
    }
    watching.close_stdin();
    while let Frame::Event(_) = watching.frame() {}
    assert_eq!(tracker.call(&RunList {}).unwrap().runs[0].ended, 300);
}
