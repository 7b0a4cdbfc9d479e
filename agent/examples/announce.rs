//! Measures trackers on loopback addresses: ours and opentracker, with the same announces.
//!
//! `cargo run --release -p murder-agent --example announce -- [murder|opentracker] PEERS COUNT`
//! `cargo run --release -p murder-agent --example announce -- standing AGENTS`
//!
//! Each announce has a connection of its own, since opentracker closes each. CPU time per announce
//! says more than announces a second, for what asks takes more of the machine than who answers.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use murder_agent::channel::{Have, Hello, PATH, PROTOCOL_NAME, Part, ToTracker, encode};
use murder_agent::home::Home;
use murder_agent::log::Log;
use murder_agent::tracker::admin::AdminRequest;
use murder_agent::tracker::ask::ask;
use murder_agent::tracker::run::Leases;
use murder_agent::tracker::service::Tracker;
use murder_protocol::verbs::{
    RegisterReply, Role, RunOpen, RunReply, TorrentRegister, TrackerStart,
};
use murder_protocol::{Bytes, RunId, Secret, Tag};
use murder_swarm::Lengths;
use murder_swarm::metainfo::{About, Kind, Metainfo, MetainfoBuilder};
use murder_swarm::tracker::Event;
use murder_swarm::tracker::http::{AnnounceQuery, Form, announce_url};
use murder_swarm::wire::{InfoHash, PeerId};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", folder] => serve(Path::new(folder)),
        ["standing", agents] => standing(agents.parse()?),
        [peers, count] => {
            for make in [Make::Murder, Make::Opentracker] {
                measure(make, peers.parse()?, count.parse()?)?;
            }
            Ok(())
        }
        ["murder", peers, count] => measure(Make::Murder, peers.parse()?, count.parse()?),
        ["opentracker", peers, count] => measure(Make::Opentracker, peers.parse()?, count.parse()?),
        _ => {
            Err("usage: announce [murder|opentracker] PEERS COUNT, or announce standing AGENTS"
                .into())
        }
    }
}

/// One torrent with so many peers, of whom some announce themselves again.
fn measure(make: Make, peers: u32, count: u32) -> Outcome<()> {
    let rest = peers.checked_sub(FIRST).filter(|rest| *rest > 0);
    let rest = rest.ok_or_else(|| format!("it takes more than {FIRST} peers"))?;
    let tracker = Running::start(make)?;
    let mut chance = fastrand_of(1);
    // What the first ones cost is the program's own: code and buffers that are used for the first time.
    tracker.load((0..FIRST).collect(), Event::Started)?;
    let before = tracker.resident()?;
    let joined = tracker.load((FIRST..peers).collect(), Event::Started)?;
    let grown = tracker.resident()?.saturating_sub(before);
    let again = (0..count).map(|_| chance() % peers).collect();
    let came_again = tracker.load(again, Event::Regular)?;
    println!(
        "{make:?}, {peers} peers: {} bytes a peer; joining {joined}; again {came_again}",
        grown / u64::from(rest)
    );
    Ok(())
}

/// So many agents of one run, each with its standing connection.
fn standing(agents: u32) -> Outcome<()> {
    raise_limit()?;
    let tracker = Running::start(Make::Murder)?;
    let key = tracker.registered.as_ref().ok_or("not registered")?.key.clone();
    let seeder = hello(Part::Seeder, u32::MAX, key, None)?;
    let mut connections = vec![enter(&tracker, u32::MAX, seeder)?];
    let hosts = (0..agents).map(host).collect();
    let open = RunOpen { tag: tag(), hosts, timeout_seconds: 600 };
    let run: RunReply = ask(&tracker.home, &AdminRequest::Open(open))?;
    let (before, cpu) = (tracker.resident()?, tracker.cpu()?);
    let began = Instant::now();
    for number in 0..agents {
        let peer = hello(Part::Peer, number, run.key.clone(), Some(run.run.clone()))?;
        connections.push(enter(&tracker, number, peer)?);
    }
    println!(
        "{agents} agents in {:.2} s: {} bytes and {:.1} CPU us each",
        began.elapsed().as_secs_f64(),
        tracker.resident()?.saturating_sub(before) / u64::from(agents),
        (tracker.cpu()? - cpu).as_secs_f64() * 1e6 / f64::from(agents),
    );
    Ok(())
}

/// Which tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Make {
    Murder,
    Opentracker,
}

/// A tracker in a process of its own, which ends with it.
struct Running {
    child: Child,
    address: SocketAddr,
    home: Home,
    registered: Option<RegisterReply>,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start(make: Make) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let home = Home::open(folder.path())?;
        let (child, address) = match make {
            Make::Murder => start_ours(folder.path())?,
            Make::Opentracker => start_opentracker(folder.path())?,
        };
        let mut running = Self { child, address, home, registered: None, _folder: folder };
        if make == Make::Murder {
            let register = TorrentRegister { tag: tag(), torrent: torrent()? };
            running.registered = Some(ask(&running.home, &AdminRequest::Register(register))?);
        }
        Ok(running)
    }

    /// Lets these peers announce themselves, four at a time.
    fn load(&self, peers: Vec<u32>, event: Event) -> Outcome<Load> {
        let info_hash = info_hash()?;
        let (began, cpu) = (Instant::now(), self.cpu()?);
        let asked = |peers: &[u32]| {
            peers.iter().try_for_each(|peer| announce(self.address, info_hash, *peer, event))
        };
        std::thread::scope(|scope| {
            let share = peers.len().div_ceil(AT_ONCE);
            let threads: Vec<_> =
                peers.chunks(share).map(|peers| scope.spawn(move || asked(peers))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
        })?;
        let count = peers.len();
        Ok(Load { count, wall: began.elapsed(), cpu: self.cpu()? - cpu })
    }

    /// CPU time of all its threads.
    fn cpu(&self) -> Outcome<Duration> {
        let mut nanoseconds = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().ok_or("no time")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Bytes that are resident.
    fn resident(&self) -> Outcome<u64> {
        // Unlike the sum in `status`, this one is exact (proc(5)).
        let sums = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = sums.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no Rss")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Load {
    count: usize,
    wall: Duration,
    cpu: Duration,
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.count as f64;
        let (rate, cpu) = (count / self.wall.as_secs_f64(), self.cpu.as_secs_f64() * 1e6 / count);
        write!(f, "{rate:.0} a second, {cpu:.1} CPU us each")
    }
}

fn start_ours(folder: &Path) -> Outcome<(Child, SocketAddr)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
    Ok((child, line.trim().parse()?))
}

/// It drops root's rights before it reads which torrents it may track.
fn start_opentracker(folder: &Path) -> Outcome<(Child, SocketAddr)> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    let allowed = folder.join("allowed");
    std::fs::write(&allowed, format!("{}\n", info_hash()?))?;
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let port = free.port().to_string();
    let mut child = Command::new("opentracker")
        .args(["-i", "127.0.0.1", "-p", &port, "-P", &port, "-d", "/", "-w"])
        .arg(&allowed)
        .stdout(Stdio::null())
        .spawn()?;
    // It listens before it has read its list, and lets anybody leave a torrent even then.
    while announce(free, info_hash()?, 0, Event::Started).is_err() {
        if let Some(end) = child.try_wait()? {
            return Err(format!("opentracker ended: {end}").into());
        }
        std::thread::yield_now();
    }
    announce(free, info_hash()?, 0, Event::Stopped)?;
    Ok((child, free))
}

fn serve(folder: &Path) -> Outcome<()> {
    let home = Home::open(folder)?;
    let log = Log::open(&home, Role::Tracker, None)?;
    let asked = TrackerStart { port: 0, announce_ip: Some(Ipv4Addr::LOCALHOST.into()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let tracker = Tracker::start(&home, log, &asked, Leases::default()).await?;
        println!("{}", tracker.addresses()[0]);
        tracker.serve(std::future::pending()).await;
        Ok(())
    })
}

/// One announce over a connection of its own, up to the end of the answer.
fn announce(tracker: SocketAddr, info_hash: InfoHash, peer: u32, event: Event) -> Outcome<()> {
    let query = AnnounceQuery {
        info_hash,
        peer_id: peer_id(peer),
        port: 6881,
        ip: None,
        uploaded: 0,
        downloaded: 0,
        left: Some(100),
        event,
        numwant: 50,
        form: Form::Compact,
    };
    let target = announce_url("/announce", &query);
    let request = format!("GET {target} HTTP/1.1\r\nHost: {tracker}\r\nUser-Agent: load\r\n\r\n");
    let mut stream = connect(tracker, peer)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::with_capacity(1024);
    stream.read_to_end(&mut answer)?;
    let is_answer = answer.windows(7).any(|window| window == b"5:peers");
    if is_answer { Ok(()) } else { Err(String::from_utf8_lossy(&answer).into()) }
}

/// From an address of the peer's own.
fn connect(tracker: SocketAddr, peer: u32) -> Outcome<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(ip(peer), 0).into())?;
    socket.connect(&tracker.into())?;
    Ok(socket.into())
}

/// Lets an agent in; gives its connection.
fn enter(tracker: &Running, number: u32, hello: Hello) -> Outcome<TcpStream> {
    let mut stream = connect(tracker.address, number)?;
    let head = format!("GET {PATH} HTTP/1.1\r\nUpgrade: {PROTOCOL_NAME}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(&encode(&ToTracker::Hello(Box::new(hello))))?;
    let (mut heard, mut buffer) = (Vec::new(), [0; 1024]);
    while !heard.windows(10).any(|window| window == b"{\"welcome\"") {
        match stream.read(&mut buffer)? {
            0 => return Err(String::from_utf8_lossy(&heard).into()),
            count => heard.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(stream)
}

fn hello(part: Part, number: u32, key: Secret, run: Option<RunId>) -> Outcome<Hello> {
    Ok(Hello {
        part,
        host: host(number),
        info_hash: info_hash()?,
        peer_id: peer_id(number),
        port: 6881,
        announce_ip: Some(ip(number)),
        key,
        run,
        have: if part == Part::Seeder { Have::Full } else { Have::Partial },
    })
}

fn raise_limit() -> Outcome<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

fn host(number: u32) -> String {
    format!("host{number:05}")
}

fn ip(peer: u32) -> IpAddr {
    // 127.1.0.0 and on; the seeder's number is beyond all peers.
    Ipv4Addr::from_bits(0x7f01_0000 + peer % 0x00f0_0000).into()
}

fn peer_id(peer: u32) -> PeerId {
    let mut chance = [0; 12];
    chance[..4].copy_from_slice(&peer.wrapping_mul(0x9e37_79b1).to_be_bytes());
    chance[4..8].copy_from_slice(&peer.to_be_bytes());
    PeerId::ours(chance)
}

fn tag() -> Tag {
    "load".parse().expect("it is a tag")
}

fn info_hash() -> Outcome<InfoHash> {
    Ok(Metainfo::parse(&torrent()?.0)?.info_hash())
}

fn torrent() -> Outcome<Bytes> {
    Ok(Bytes(Metainfo::build(&MetainfoBuilder {
        name: "load.tgz",
        lengths: Lengths::new(100, 1 << 14)?,
        pieces: &[[7; 20]],
        about: About { kind: Kind::Tree, tree_bytes: 0, entries: 0 },
        nonce: [7; 16],
        announce: None,
        index: None,
    })?))
}

/// Numbers by chance, the same for the same seed (xorshift32).
fn fastrand_of(seed: u32) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    }
}

/// How many announces are under way.
const AT_ONCE: usize = 4;

/// Peers after whom memory is counted.
const FIRST: u32 = 16;
