//! Measures the engine: one seeder and some peers, each a process on a loopback address of its own.
//!
//! `cargo run --release -p murder-agent --example throughput -- MIB PEERS [FOLDER]`

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use murder_agent::archive::piece_length;
use murder_agent::disk::Archive;
use murder_agent::engine::{Engine, Event, Listener, Options};
use murder_swarm::metainfo::{About, Kind, Metainfo, MetainfoBuilder};
use murder_swarm::torrent::Config;
use murder_swarm::wire::PeerId;
use murder_swarm::{Lengths, PieceSet};
use sha1::{Digest as _, Sha1};
use tokio::sync::mpsc;

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
    for member in &mut members {
        drop(member.child.stdin.take());
        println!("{}", member.line()?);
    }
    println!("{mib} MiB to {peers} peers in {seconds:.2} s");
    Ok(())
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

fn make(folder: &Path, mib: usize) -> Outcome<()> {
    let words = (0..(mib as u64) << 17).flat_map(|n| (n * 0x9E37_79B9).to_le_bytes());
    let bytes: Vec<u8> = words.collect();
    let lengths = Lengths::new(bytes.len() as u64, piece_length(bytes.len() as u64))?;
    let pieces = bytes.chunks(lengths.piece_length() as usize);
    let pieces: Vec<[u8; 20]> = pieces.map(|piece| Sha1::digest(piece).into()).collect();
    let torrent = Metainfo::build(&MetainfoBuilder {
        name: "0.tgz",
        lengths,
        pieces: &pieces,
        about: About { kind: Kind::Tree, tree_bytes: 0, entries: 0 },
        nonce: [7; 16],
        announce: None,
        index: None,
    })?;
    std::fs::write(folder.join("0.tgz"), bytes)?;
    std::fs::write(folder.join("torrent"), torrent)?;
    Ok(())
}

fn member(folder: &Path, number: u8) -> Outcome<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(take_part(folder, number))
}

async fn take_part(folder: &Path, number: u8) -> Outcome<()> {
    let metainfo = Arc::new(Metainfo::parse(&std::fs::read(folder.join("torrent"))?)?);
    let lengths = metainfo.lengths();
    let path = folder.join(format!("{number}.tgz"));
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
    let (cpu, peak) = (cpu_seconds()?, peak_mib()?);
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "{number}: up {} MiB, down {} MiB, wasted {} MiB, {cpu:.2} CPU s, peak {peak} MiB",
        mib(progress.uploaded),
        mib(progress.downloaded),
        mib(progress.wasted),
    );
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

/// User and system time of this process (proc(5), fields 14 and 15, in ticks of 10 ms).
fn cpu_seconds() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().ok_or("no stat")?.split(' ');
    let ticks: f64 = fields.skip(11).take(2).flat_map(str::parse::<f64>).sum();
    Ok(ticks / 100.0)
}

/// The most memory that was resident at once.
fn peak_mib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
}
