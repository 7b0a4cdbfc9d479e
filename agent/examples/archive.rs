//! Measures archives: packing a tree, and unpacking it while its pieces arrive.
//!
//! `cargo run --release -p murder-agent --example archive -- make TREE MIB FILES` makes a tree of
//! text, program-like data and noise.
//!
//! `... -- pack TREE FOLDER [LEVEL]` packs it into `FOLDER/v1.tgz` with its torrent; level 0 stores,
//! and 101 to 104 are those of zstd.
//!
//! `... -- unpack FOLDER TREE [MIB]` unpacks it into a tree that does not exist. So many MiB of the
//! archive arrive a second, in random order; all of them are there at once if none are given.

mod cost;

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use murder_agent::archive::{
    Arrivals, Exclude, Level, Limits, Members, PackRequest, UnpackRequest, pack, unpack,
};
use murder_swarm::PieceSet;
use murder_swarm::metainfo::{Kind, Metainfo, MetainfoBuilder};

use cost::{cpu_seconds, peak_mib};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["make", tree, mib, files] => make(Path::new(tree), mib.parse()?, files.parse()?),
        ["pack", tree, folder] => measure_pack(Path::new(tree), Path::new(folder), 6),
        ["pack", tree, folder, level] => {
            measure_pack(Path::new(tree), Path::new(folder), level.parse()?)
        }
        ["unpack", folder, tree] => measure_unpack(Path::new(folder), Path::new(tree), None),
        ["unpack", folder, tree, mib] => {
            measure_unpack(Path::new(folder), Path::new(tree), Some(mib.parse()?))
        }
        _ => Err("usage: archive make TREE MIB FILES | pack TREE FOLDER [LEVEL] | \
                  unpack FOLDER TREE [MIB]"
            .into()),
    }
}

/// Many small files and a few large ones: the sizes are squares of squares of even chance.
fn make(tree: &Path, mib: u64, files: u64) -> Outcome<()> {
    let mut chance = Chance(1);
    let sizes: Vec<f64> = (0..files).map(|_| chance.unit().powi(4) + 0.01).collect();
    let scale = (mib << 20) as f64 / sizes.iter().sum::<f64>();
    let words: Vec<String> = (0..4000).map(|_| chance.word()).collect();
    for (number, size) in sizes.iter().enumerate() {
        let folder = tree.join(format!("{:02}/{:02}", number % 20, number / 20 % 50));
        std::fs::create_dir_all(&folder)?;
        let bytes = chance.content(number % 7, (size * scale) as usize, &words);
        std::fs::write(folder.join(format!("file-{number}")), bytes)?;
    }
    Ok(())
}

fn measure_pack(tree: &Path, folder: &Path, level: u32) -> Outcome<()> {
    let began = Instant::now();
    let packed = pack(
        &PackRequest {
            source: tree.to_owned(),
            kind: Kind::Tree,
            exclude: Exclude::parse(&[])?,
            level: match level {
                0 => Level::Store,
                1..100 => Level::Deflate(level),
                _ => Level::Zstd(i32::try_from(level)? - 100),
            },
        },
        &folder.join("v1.tgz"),
        &mut |_, _| (),
    )?;
    let torrent = Metainfo::build(&MetainfoBuilder {
        name: "v1.tgz",
        lengths: packed.lengths,
        pieces: &packed.pieces,
        about: packed.about,
        nonce: [7; 16],
        announce: None,
        index: Some(packed.members.encode()),
    })?;
    let bytes = packed.lengths.total();
    packed.publish()?;
    std::fs::write(folder.join("v1.tgz.torrent"), &torrent)?;
    let (seconds, length) = (began.elapsed().as_secs_f64(), torrent.len());
    let (cpu, peak) = (cpu_seconds()?, peak_mib()?);
    println!(
        "packed into {bytes} bytes in {seconds:.2} s, {cpu:.2} CPU s, peak {peak} MiB; \
         torrent of {length} bytes"
    );
    Ok(())
}

fn measure_unpack(folder: &Path, tree: &Path, rate: Option<f64>) -> Outcome<()> {
    let torrent = Metainfo::parse(&std::fs::read(folder.join("v1.tgz.torrent"))?)?;
    let (lengths, about) = (torrent.lengths(), torrent.about().ok_or("no torrent of ours")?);
    let have = if rate.is_some() { PieceSet::empty(&lengths) } else { PieceSet::full(&lengths) };
    let arrivals = Arc::new(Arrivals::new(lengths, have));
    let members = torrent.index().and_then(|index| Members::decode(index, lengths.total()));
    let staging = tree.with_extension("staging");
    std::fs::create_dir(&staging)?;
    let began = Instant::now();
    let arriving = rate.map(|rate| {
        let arrivals = arrivals.clone();
        std::thread::spawn(move || arrive(&arrivals, lengths, rate))
    });
    let unpacked = unpack(&UnpackRequest {
        archive: &File::open(folder.join("v1.tgz"))?,
        arrivals: &arrivals,
        members: members.as_ref(),
        staging: &staging,
        limits: Limits { tree_bytes: about.tree_bytes, entries: about.entries, keep_owner: false },
    })?;
    std::fs::rename(&staging, tree)?;
    let seconds = began.elapsed().as_secs_f64();
    let last = match arriving {
        Some(thread) => thread.join().map_err(|_| "the arrivals failed")?,
        None => began,
    };
    let after = last.elapsed().as_secs_f64();
    let (cpu, peak) = (cpu_seconds()?, peak_mib()?);
    println!(
        "in place {after:.2} s after the last piece, {seconds:.2} s after the first, \
         {cpu:.2} CPU s, peak {peak} MiB, {:?}",
        unpacked.reading
    );
    Ok(())
}

/// Says when the last piece came.
fn arrive(arrivals: &Arrivals, lengths: murder_swarm::Lengths, rate: f64) -> Instant {
    let mut chance = Chance(2);
    let mut pieces: Vec<_> = lengths.iter().map(|piece| (chance.next(), piece)).collect();
    pieces.sort_unstable();
    let began = Instant::now();
    let mut bytes = 0;
    for (_, piece) in pieces {
        bytes += u64::from(lengths.size(piece));
        let due = began + Duration::from_secs_f64(bytes as f64 / rate / 1_048_576.0);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        arrivals.arrived(piece);
    }
    Instant::now()
}

/// The same numbers in each run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 ^ (self.0 >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11
    }

    fn unit(&mut self) -> f64 {
        self.next() as f64 / (1_u64 << 53) as f64
    }

    fn word(&mut self) -> String {
        let letters = 2 + (self.unit() * 9.0) as usize;
        (0..letters).map(|_| char::from(b'a' + (self.unit() * self.unit() * 26.0) as u8)).collect()
    }

    /// Four of seven files are text, two are records of numbers, and one is noise.
    fn content(&mut self, kind: usize, size: usize, words: &[String]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + 16);
        while bytes.len() < size {
            match kind {
                0..4 => {
                    let word = (self.unit().powi(3) * words.len() as f64) as usize;
                    bytes.extend(words[word].bytes());
                    bytes.push(if self.next().is_multiple_of(12) { b'\n' } else { b' ' });
                }
                4 | 5 => {
                    bytes.extend((self.next() as u16 & 0x3FF).to_le_bytes());
                    bytes.extend([0, 0, 0x48, (self.next() & 7) as u8]);
                }
                _ => bytes.extend((self.next() << 13 ^ self.next()).to_le_bytes()),
            }
        }
        bytes.truncate(size);
        bytes
    }
}
