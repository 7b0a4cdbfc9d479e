//! A tracker of the test's own, and what talks to it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use murder_agent::channel::{Channel, ChannelConfig, ChannelEvent, Have, Hello, Part, connect};
use murder_agent::home::Home;
use murder_agent::log::Log;
use murder_agent::tracker::admin::AdminRequest;
use murder_agent::tracker::ask::{Asking, ask};
use murder_agent::tracker::run::Leases;
use murder_agent::tracker::service::Tracker;
use murder_protocol::verbs::{
    RegisterReply, Role, RunOpen, RunReply, TorrentRegister, TrackerStart, Watch, WatchInput,
    WatchReply,
};
use murder_protocol::{
    Bytes, Failure, FleetEvent, Frame, HostOutcome, HostReport, Phase, RunId, Secret, Tag,
};
use murder_swarm::Lengths;
use murder_swarm::metainfo::{About, Kind, Metainfo, MetainfoBuilder};
use murder_swarm::wire::{InfoHash, PeerId};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

/// A tracker in threads of its own, on a folder that outlives it.
pub(crate) struct Fixture {
    pub(crate) home: Home,
    pub(crate) address: SocketAddr,
    running: Option<Running>,
    _folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_leases(Leases::default())
    }

    pub(crate) fn with_leases(leases: Leases) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let (running, address) = start(&home, 0, leases);
        Self { home, address, running: Some(running), _folder: folder }
    }

    /// Ends the tracker without a word, as SIGKILL would.
    pub(crate) fn kill(&mut self) {
        if let Some(Running { kill, thread }) = self.running.take() {
            kill.send(()).unwrap();
            thread.join().unwrap();
        }
    }

    /// Starts a tracker on the same folder and port.
    pub(crate) fn start_again(&mut self) {
        let (running, address) = start(&self.home, self.address.port(), Leases::default());
        assert_eq!(address, self.address);
        self.running = Some(running);
    }

    pub(crate) fn register(&self, number: u8) -> RegisterReply {
        let request = TorrentRegister { tag: tag(), torrent: torrent(number) };
        ask(&self.home, &AdminRequest::Register(request)).unwrap()
    }

    pub(crate) fn open(&self, hosts: &[String]) -> Result<RunReply, Failure> {
        let request = RunOpen { tag: tag(), hosts: hosts.to_vec(), timeout_seconds: 600 };
        ask(&self.home, &AdminRequest::Open(request))
    }

    /// A channel of an agent with this number, from an address of its own.
    pub(crate) fn agent(
        &self,
        number: u16,
        part: Part,
        key: &Secret,
        run: Option<&RunId>,
    ) -> Agent {
        Agent::connect(self.address, number, part, key, run)
    }

    /// The agent of the run's host with this number.
    pub(crate) fn peer(&self, number: u16, run: &RunReply) -> Agent {
        self.agent(number, Part::Peer, &run.key, Some(&run.run))
    }

    /// The seeder of the first torrent, which the tracker knows and has let in.
    pub(crate) async fn seeded(&self) -> Agent {
        let key = self.register(1).key;
        let mut seeder = self.agent(9999, Part::Seeder, &key, None);
        seeder.connected().await;
        seeder
    }

    /// Until each host of a run has an outcome.
    pub(crate) fn wait_until_over(&self, run: &RunId) {
        assert!(Watching::begin(&self.home, run).end().reply.is_some());
    }

    /// The body of the answer to a GET request, and its status line.
    pub(crate) fn get(&self, target: &str) -> (String, Vec<u8>) {
        self.say(format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes())
    }

    /// Says something, and reads until the tracker closes.
    pub(crate) fn say(&self, bytes: &[u8]) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        // The tracker may refuse it in the middle.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else { return (String::new(), answer) };
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.lines().next().unwrap().to_owned();
        (status, answer[end + 4..].to_vec())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A tracker's threads, apart from those of the test.
struct Running {
    kill: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

fn start(home: &Home, port: u16, leases: Leases) -> (Running, SocketAddr) {
    let (kill, killed) = oneshot::channel();
    let (tell, told) = std::sync::mpsc::channel();
    let home = home.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let log = Log::open(&home, Role::Tracker, None).unwrap();
        let asked = TrackerStart { port, announce_ip: Some(IpAddr::from([127, 0, 0, 1])) };
        let tracker = runtime.block_on(Tracker::start(&home, log, &asked, leases)).unwrap();
        tell.send(tracker.addresses()[0]).unwrap();
        runtime.spawn(tracker.serve(std::future::pending()));
        let _ = killed.blocking_recv();
        runtime.shutdown_timeout(WAIT);
    });
    let address = told.recv().expect("the tracker starts");
    (Running { kill, thread }, address)
}

/// An agent without an engine.
pub(crate) struct Agent {
    pub(crate) channel: Channel,
    pub(crate) events: mpsc::Receiver<ChannelEvent>,
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
}

impl Agent {
    pub(crate) fn connect(
        tracker: SocketAddr,
        number: u16,
        part: Part,
        key: &Secret,
        run: Option<&RunId>,
    ) -> Self {
        let hello = hello(number, part, key, run);
        let host = hello.host.clone();
        let address = SocketAddr::new(hello.announce_ip.unwrap(), hello.port);
        let (channel, events) = connect(ChannelConfig { trackers: vec![tracker], hello });
        Self { channel, events, host, address }
    }

    /// The next event that the filter takes.
    pub(crate) async fn wait_for<T>(&mut self, filter: impl Fn(&ChannelEvent) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let event = self.events.recv().await.expect("the channel goes on");
                if let Some(found) = filter(&event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(WAIT, waiting)
            .await
            .unwrap_or_else(|_| panic!("{} waited in vain", self.host))
    }

    pub(crate) async fn connected(&mut self) {
        self.wait_for(|event| matches!(event, ChannelEvent::Connected { .. }).then_some(())).await;
    }

    /// All of these, in any order.
    pub(crate) async fn wait_for_all(&mut self, expected: &[ChannelEvent]) {
        let mut missing = expected.to_vec();
        while !missing.is_empty() {
            let found =
                self.wait_for(|event| missing.iter().position(|missing| missing == event)).await;
            missing.remove(found);
        }
    }

    pub(crate) async fn is_told(&mut self, expected: &ChannelEvent) {
        self.wait_for(|event| (event == expected).then_some(())).await;
    }

    pub(crate) fn report(&self, phase: Phase, bytes: u64, outcome: Option<HostOutcome>) {
        self.channel.report(HostReport {
            host: self.host.clone(),
            phase,
            bytes,
            total: 100,
            uploaded: 0,
            downloaded: bytes,
            elapsed_ms: 1,
            outcome,
        });
    }
}

/// A workstation that follows a run.
pub(crate) struct Watching {
    tracker: Asking,
    seen: Seen,
}

/// What it saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// The hosts of the first event.
    pub(crate) first: Vec<String>,
    /// How often each host was seen to end.
    pub(crate) outcomes: BTreeMap<String, usize>,
    /// The last word, unless the tracker ended before.
    pub(crate) reply: Option<WatchReply>,
}

impl Watching {
    pub(crate) fn begin(home: &Home, run: &RunId) -> Self {
        let request = AdminRequest::Watch(Watch { run: run.clone() });
        Self { tracker: Asking::begin(home, &request).unwrap(), seen: Seen::default() }
    }

    pub(crate) fn say(&mut self, input: &WatchInput) {
        self.tracker.say(input).unwrap();
    }

    /// Reads up to an event that the filter takes.
    pub(crate) fn until(&mut self, filter: impl Fn(&FleetEvent) -> bool) {
        loop {
            let event = self.event().expect("the run goes on");
            if filter(&event) {
                return;
            }
        }
    }

    /// Reads up to the end.
    pub(crate) fn end(mut self) -> Seen {
        while self.event().is_some() {}
        self.seen
    }

    fn event(&mut self) -> Option<FleetEvent> {
        match self.tracker.frame().ok()?? {
            Frame::Event(event) => {
                self.note(&event);
                Some(event)
            }
            Frame::Reply(reply) => {
                self.seen.reply = Some(reply);
                None
            }
            Frame::Failed(failure) => panic!("{failure}"),
        }
    }

    fn note(&mut self, event: &FleetEvent) {
        if self.seen.first.is_empty() {
            self.seen.first = event.reports.iter().map(|report| report.host.clone()).collect();
        }
        for report in event.reports.iter().filter(|report| report.outcome.is_some()) {
            *self.seen.outcomes.entry(report.host.clone()).or_default() += 1;
        }
    }
}

pub(crate) fn hello(number: u16, part: Part, key: &Secret, run: Option<&RunId>) -> Hello {
    let [high, low] = number.to_be_bytes();
    Hello {
        part,
        host: host(number),
        info_hash: info_hash(1),
        peer_id: PeerId::ours([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        port: 6881,
        announce_ip: Some(IpAddr::from([127, 1, high, low])),
        key: key.clone(),
        run: run.cloned(),
        have: if part == Part::Seeder { Have::Full } else { Have::Partial },
    }
}

pub(crate) fn host(number: u16) -> String {
    format!("host{number:04}")
}

pub(crate) fn tag() -> Tag {
    "v1".parse().unwrap()
}

/// A torrent of 100 bytes that differs from those with other numbers.
pub(crate) fn torrent(number: u8) -> Bytes {
    let builder = MetainfoBuilder {
        name: "v1.tgz",
        lengths: Lengths::new(100, 1 << 14).unwrap(),
        pieces: &[[7; 20]],
        about: About { kind: Kind::Tree, tree_bytes: 90, entries: 3 },
        nonce: [number; 16],
        announce: None,
        index: None,
    };
    Bytes(Metainfo::build(&builder).unwrap())
}

pub(crate) fn info_hash(number: u8) -> InfoHash {
    Metainfo::parse(&torrent(number).0).unwrap().info_hash()
}

/// Longer than anything here takes, even on a busy machine.
pub(crate) const WAIT: Duration = Duration::from_secs(30);
