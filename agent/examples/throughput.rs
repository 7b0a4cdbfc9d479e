//! Measures the engine: one seeder and some peers, each a process on a loopback address of its own.
//!
//! `cargo run --release -p murder-agent --example throughput -- MIB PEERS [FOLDER]`
//!
//! CPU time is per GiB sent by the seeder, and per GiB received by a peer, which sends as well. It
//! says more than wall time where others use the machine too. On loopback the kernel's
//! half of receiving is done on the sender's time, and with `bbr` as congestion control the
//! seeder's time is twice that with `cubic`, for pacing: compare what ran side by side.

mod cost;

use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use murder_agent::disk::{Archive, Holes, Verify, verify};
use murder_agent::engine::{Engine, Event, Listener, Options};
use murder_swarm::metainfo::{About, Kind, Metainfo, MetainfoBuilder};
use murder_swarm::torrent::Config;
use murder_swarm::wire::PeerId;
use murder_swarm::{Lengths, PieceSet, piece_length};
use sha1::{Digest as _, Sha1};
use tokio::sync::mpsc;

use cost::{cpu_seconds, peak_mib};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["member", folder, number] => member(Path::new(folder), number.parse()?),
        [mib, peers] => measure(mib.parse()?, peers.parse()?, &std::env::temp_dir()),
        [mib, peers, folder] => measure(mib.parse()?, peers.parse()?, Path::new(folder)),
        _ => Err("usage: throughput MIB PEERS [FOLDER]".into()),
    }
}

fn measure(mib: usize, peers: u8, folder: &Path) -> Outcome<()> {
    let folder = tempfile::tempdir_in(folder)?;
    make(folder.path(), mib)?;
    let mut members: Vec<Member> =
        (0..=peers).map(|number| Member::start(folder.path(), number)).collect::<Outcome<_>>()?;
    let addresses: Vec<String> =
        members.iter_mut().map(Member::line).collect::<Outcome<Vec<String>>>()?;
    let began = Instant::now();
    for (number, member) in members.iter_mut().enumerate() {
        let others = addresses.iter().enumerate().filter(|(other, _)| *other != number);
        let others: Vec<&str> = others.map(|(_, address)| address.as_str()).collect();
        // The seeder is found by the others.
        let line = if number == 0 { String::new() } else { others.join(" ") };
        writeln!(member.child.stdin.as_mut().ok_or("no stdin")?, "{line}")?;
    }
    for member in &mut members[1..] {
        member.line()?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let counts = members.iter_mut().map(Member::count).collect::<Outcome<Vec<Count>>>()?;
    for number in 1..=peers {
        check(folder.path(), number)?;
    }
    println!("{mib} MiB to {peers} peers in {seconds:.2} s, each verified");
    let (seeder, peers) = counts.split_first().ok_or("no members")?;
    println!("seeder: {}", summary(std::slice::from_ref(seeder)));
    println!("peers:  {}", summary(peers));
    Ok(())
}

/// What these members did, beside each other.
fn summary(counts: &[Count]) -> String {
    let sum = |what: fn(&Count) -> f64| counts.iter().map(what).sum::<f64>();
    let (up, down) = (sum(|count| count.up), sum(|count| count.down));
    let cpu = sum(|count| count.cpu);
    let peak = counts.iter().map(|count| count.peak).fold(0.0, f64::max);
    let gib = 1024.0 / if down > 0.0 { down } else { up };
    format!("{:.2} CPU s per GiB, up {up} MiB, down {down} MiB, peak {peak} MiB", cpu * gib)
}

/// Reads what a peer has from its file and hashes it.
fn check(folder: &Path, number: u8) -> Outcome<()> {
    let metainfo = torrent(folder)?;
    let archive = Archive::open(&archive_of(folder, number), metainfo.lengths())?;
    let good = verify(&archive, &metainfo, Holes::Read, &Verify::default())?;
    if good.is_full() { Ok(()) } else { Err(format!("peer {number} has wrong bytes").into()) }
}

/// One process, and its stdout.
struct Member {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Member {
    fn start(folder: &Path, number: u8) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("member")
            .arg(folder)
            .arg(number.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        Ok(Self { child, stdout })
    }

    /// Ends it, and returns what it counted.
    fn count(&mut self) -> Outcome<Count> {
        drop(self.child.stdin.take());
        let line = self.line()?;
        let mut numbers = line.split(' ').map(str::parse::<f64>);
        let mut next = || numbers.next().ok_or("too few numbers")?.map_err(Box::<dyn Error>::from);
        let count = Count { up: next()?, down: next()?, cpu: next()?, peak: next()? };
        self.child.wait()?;
        Ok(count)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        if line.is_empty() {
            Err("a member ended early".into())
        } else {
            Ok(line.trim_end().into())
        }
    }
}

/// What a member did: MiB sent and received, CPU seconds, MiB that were resident at most.
struct Count {
    up: f64,
    down: f64,
    cpu: f64,
    peak: f64,
}

fn make(folder: &Path, mib: usize) -> Outcome<()> {
    let total = (mib as u64) << 20;
    let lengths = Lengths::new(total, piece_length(total))?;
    let mut file = BufWriter::new(File::create(archive_of(folder, 0))?);
    let mut pieces = Vec::new();
    for piece in lengths.iter() {
        let first = lengths.offset(piece) / 8;
        let words = first..first + u64::from(lengths.size(piece)) / 8;
        let bytes: Vec<u8> = words.flat_map(|n| (n * 0x9E37_79B9).to_le_bytes()).collect();
        pieces.push(Sha1::digest(&bytes).into());
        file.write_all(&bytes)?;
    }
    file.flush()?;
    let torrent = Metainfo::build(&MetainfoBuilder {
        name: "0.tgz",
        lengths,
        pieces: &pieces,
        about: About { kind: Kind::Tree, tree_bytes: 0, entries: 0 },
        nonce: [7; 16],
        announce: None,
        index: None,
    })?;
    std::fs::write(folder.join("torrent"), torrent)?;
    Ok(())
}

fn archive_of(folder: &Path, number: u8) -> PathBuf {
    folder.join(format!("{number}.tgz"))
}

fn torrent(folder: &Path) -> Outcome<Arc<Metainfo>> {
    Ok(Arc::new(Metainfo::parse(&std::fs::read(folder.join("torrent"))?)?))
}

fn member(folder: &Path, number: u8) -> Outcome<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(take_part(folder, number))
}

async fn take_part(folder: &Path, number: u8) -> Outcome<()> {
    let metainfo = torrent(folder)?;
    let lengths = metainfo.lengths();
    let path = archive_of(folder, number);
    let (archive, have) = match number {
        0 => (Archive::open(&path, lengths)?, PieceSet::full(&lengths)),
        _ => (Archive::open_partial(&path, lengths)?.0, PieceSet::empty(&lengths)),
    };
    let ip = IpAddr::V4(Ipv4Addr::new(127, 80, 0, number + 1));
    let (engine, mut events) = Engine::start(Options {
        metainfo,
        archive: Arc::new(archive),
        have,
        me: PeerId::ours([number; 12]),
        listener: Listener::bind(Some(ip), (0, 0))?,
        config: Config::default(),
        seed: number.into(),
    });
    println!("{}", engine.address());
    let mut lines = std::io::stdin().lines();
    let others = lines.next().ok_or("no addresses")??;
    let others: Vec<SocketAddr> = others.split_whitespace().flat_map(str::parse).collect();
    engine.candidates(others).await;
    if number != 0 {
        completed(&mut events).await?;
        println!("complete");
    }
    while lines.next().is_some() {}
    let progress = engine.progress();
    let (up, down) = (progress.uploaded >> 20, progress.downloaded >> 20);
    println!("{up} {down} {} {}", cpu_seconds()?, peak_mib()?);
    Ok(())
}

async fn completed(events: &mut mpsc::UnboundedReceiver<Event>) -> Outcome<()> {
    loop {
        match events.recv().await.ok_or("the engine ended")? {
            Event::Complete => return Ok(()),
            Event::Failed(error) => return Err(error.into()),
            Event::WantPeers | Event::Verified(_) | Event::Note(_) => {}
        }
    }
}
