//! Prints how long simulated swarms take, beside the least possible time.
//!
//! Without arguments it prints a table of swarms of 1 to 1,000 peers. `--peers N` and the like ask
//! for one swarm, to be laid beside a real fleet of the same size, and `--csv` makes it readable by
//! programs. With several `--seeds` the table says which was the worst.

use std::process::ExitCode;
use std::time::Duration;

use murder_sim::{Access, Breach, Report, Scenario};
use murder_swarm::Lengths;

fn main() -> ExitCode {
    match Wanted::from_args(std::env::args().skip(1)) {
        Ok(wanted) => wanted.print(),
        Err(wrong) => {
            eprintln!("{wrong}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

/// What to simulate.
struct Wanted {
    peers: Vec<u32>,
    pieces: u64,
    piece_kib: u64,
    rate_kbit: u64,
    latency_us: u64,
    /// The scenario's own if nothing is asked for.
    queue_ms: Option<u64>,
    join_ms: u64,
    seeds: Vec<u64>,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Csv,
}

impl Wanted {
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wanted = Self {
            peers: vec![1, 10, 16, 32, 64, 100, 256, 1000],
            pieces: 512,
            piece_kib: 256,
            rate_kbit: 50_000,
            latency_us: 500,
            queue_ms: None,
            join_ms: 100,
            seeds: vec![1],
            form: Form::Table,
        };
        while let Some(option) = args.next() {
            if option == "--csv" {
                wanted.form = Form::Csv;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{option} needs a value"))?;
            let numbers = value.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>();
            let numbers = numbers.map_err(|_| format!("{option} {value}: not a number"))?;
            match (option.as_str(), numbers[0]) {
                ("--peers", _) => wanted.peers = numbers.iter().map(|n| *n as u32).collect(),
                ("--pieces", n) => wanted.pieces = n,
                ("--piece-kib", n) => wanted.piece_kib = n,
                ("--rate-kbit", n) => wanted.rate_kbit = n,
                ("--latency-us", n) => wanted.latency_us = n,
                ("--queue-ms", n) => wanted.queue_ms = Some(n),
                ("--join-ms", n) => wanted.join_ms = n,
                ("--seeds", _) => wanted.seeds = numbers,
                _ => return Err(format!("{option} is not known")),
            }
        }
        Ok(wanted)
    }

    fn print(&self) -> ExitCode {
        match self.form {
            Form::Table => println!(
                "links of {} kbit/s, {} us apart, {} pieces of {} KiB, all begin within {} ms\n\
                 peers seed  bound s  median s  last s  last/bound  copies  received/size",
                self.rate_kbit, self.latency_us, self.pieces, self.piece_kib, self.join_ms
            ),
            Form::Csv => {
                println!(
                    "peers,pieces,seed,bound_s,median_s,last_s,ratio,copies,received,events,trace"
                )
            }
        }
        for peers in &self.peers {
            if let Err(breach) = self.print_size(*peers) {
                eprintln!("{peers} peers: {breach}");
                return ExitCode::FAILURE;
            }
        }
        ExitCode::SUCCESS
    }

    fn print_size(&self, peers: u32) -> Result<(), Breach> {
        let (mut worst, mut its_seed) = (0.0, 0);
        for seed in &self.seeds {
            let report = self.run(*seed, peers)?;
            self.print_one(*seed, peers, &report);
            if report.ratio() > worst {
                (worst, its_seed) = (report.ratio(), *seed);
            }
        }
        if self.form == Form::Table && self.seeds.len() > 1 {
            println!("{peers:5} worst of {} seeds: {worst:.4}, seed {its_seed}", self.seeds.len());
        }
        Ok(())
    }

    fn run(&self, seed: u64, peers: u32) -> Result<Report, Breach> {
        let piece = u32::try_from(self.piece_kib << 10).unwrap_or(u32::MAX);
        let lengths = Lengths::new(self.pieces * u64::from(piece), piece).expect("not empty");
        let rate = self.rate_kbit * 1000 / 8;
        let delay = Duration::from_micros(self.latency_us) / 2;
        let mut scenario = Scenario::new(seed, peers, lengths);
        scenario.access = Access { up: rate, down: rate, delay };
        scenario.seeder = scenario.access;
        scenario.queue = self.queue_ms.map_or(scenario.queue, Duration::from_millis);
        scenario.join_within = Duration::from_millis(self.join_ms);
        scenario.run()
    }

    fn print_one(&self, seed: u64, peers: u32, report: &Report) {
        let pieces = self.pieces;
        let bound = report.bound.as_secs_f64();
        let (median, last) = (report.median().as_secs_f64(), report.makespan().as_secs_f64());
        let (ratio, copies, received) = (report.ratio(), report.seeder_copies, report.received());
        match self.form {
            Form::Table => println!(
                "{peers:5} {seed:4} {bound:8.2} {median:9.2} {last:7.2} {ratio:11.4} {copies:7.3} \
                 {received:14.4}"
            ),
            Form::Csv => println!(
                "{peers},{pieces},{seed},{bound:.4},{median:.4},{last:.4},{ratio:.4},{copies:.4},\
                 {received:.4},{},{:016x}",
                report.events, report.trace
            ),
        }
    }
}

const HELP: &str = "options: --peers N,N,.. --pieces M --piece-kib K --rate-kbit R --latency-us L \
                    --queue-ms Q --join-ms J --seeds S,S,.. --csv";
