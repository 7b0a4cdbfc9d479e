//! murder's swarm in the simulator, on links like those of the field.

use std::process::Command;

use murder_swarm::piece_length;

use super::Tool;
use crate::Outcome;
use crate::field::Field;
use crate::program::{self, built};
use crate::record::Sample;

/// The simulator.
pub(crate) struct Simulated;

impl Tool for Simulated {
    fn name(&self) -> String {
        "murder (simulated)".into()
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    fn settings(&self) -> String {
        "links of the measured goodput, 1 ms apart, pieces as the agent makes them; one seed".into()
    }

    fn run(&self, field: &Field) -> Outcome<Sample> {
        let kbit = (field.goodput * 8.0 / 1000.0) as u64;
        let piece_kib = u64::from(piece_length(field.mib << 20) >> 10);
        let pieces = (field.mib << 10).div_ceil(piece_kib);
        let swarm = Swarm { peers: field.peers().len(), pieces, piece_kib, kbit, seeds: &[1] };
        let came = swarm.simulate()?;
        let bound = field.flow_seconds();
        Ok(Sample::default()
            .with("seconds", came.last)
            .with("ratio", came.last / bound)
            .with("median ratio", came.median / bound)
            .with("seeder copies", came.copies)
            .with("received copies", came.received))
    }
}

/// A swarm to simulate.
pub(crate) struct Swarm {
    pub(crate) peers: usize,
    pub(crate) pieces: u64,
    pub(crate) piece_kib: u64,
    pub(crate) kbit: u64,
    pub(crate) seeds: &'static [u64],
}

/// How it went with the seed that took longest.
pub(crate) struct Came {
    pub(crate) median: f64,
    pub(crate) last: f64,
    /// The last peer's time over the least possible one.
    pub(crate) ratio: f64,
    pub(crate) copies: f64,
    pub(crate) received: f64,
}

impl Swarm {
    /// Runs the simulator's report program.
    pub(crate) fn simulate(&self) -> Outcome<Came> {
        let mut command = Command::new(built("report")?);
        command.args(["--csv", "--latency-us", "1000", "--join-ms", "1"]);
        for (option, value) in [
            ("--peers", self.peers as u64),
            ("--pieces", self.pieces),
            ("--piece-kib", self.piece_kib),
            ("--rate-kbit", self.kbit),
        ] {
            command.args([option, &value.to_string()]);
        }
        let seeds: Vec<_> = self.seeds.iter().map(u64::to_string).collect();
        command.args(["--seeds", &seeds.join(",")]);
        let said = program::run(&mut command, PATIENCE)?.stdout;
        let mut lines = said.lines();
        let titles: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let mut worst: Option<Came> = None;
        for line in lines {
            let number = |title: &str| -> Outcome<f64> {
                let column = titles.iter().position(|name| *name == title);
                let value = column.and_then(|column| line.split(',').nth(column)?.parse().ok());
                value.ok_or_else(|| format!("the simulator printed no {title}: {said}").into())
            };
            let came = Came {
                median: number("median_s")?,
                last: number("last_s")?,
                ratio: number("ratio")?,
                copies: number("copies")?,
                received: number("received")?,
            };
            if worst.as_ref().is_none_or(|worst| worst.ratio < came.ratio) {
                worst = Some(came);
            }
        }
        worst.ok_or_else(|| "the simulator printed no numbers".into())
    }
}

/// Seconds. Ten thousand peers take a core of such a machine ten to twenty minutes.
const PATIENCE: u32 = 3600;
