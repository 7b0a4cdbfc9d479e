//! Swarms that no machine here could hold, in the simulator.

use std::sync::Mutex;
use std::{iter, thread};

use crate::Outcome;
use crate::asked::Asked;
use crate::machine::{Machine, date};
use crate::record::{Column, Plot, Record, Sample, ToolRecord};
use crate::tools::simulated::Swarm;

/// The last peer's time beside the least possible one, for swarms of many sizes.
pub(super) fn measure(name: &str, asked: &Asked) -> Outcome<Record> {
    let sizes: &[usize] = if asked.smoke { &[10, 20] } else { SIZES };
    let date = date();
    let version = env!("CARGO_PKG_VERSION");
    let settings = "up to 1000 peers the worst of five seeds, above that one seed";
    let mut tools = Vec::new();
    let mut worlds = Vec::new();
    for (tool, (pieces, most_peers)) in CURVES.into_iter().enumerate() {
        let name = format!("murder (simulated), {pieces} pieces");
        tools.push(ToolRecord::named(&name, version, settings));
        let sizes = sizes.iter().copied().filter(|peers| *peers <= most_peers);
        worlds.extend(sizes.map(|peers| World { tool, pieces, peers }));
    }
    for (World { tool, .. }, came) in simulated(worlds) {
        match came {
            Ok(sample) => tools[tool].runs.push(sample),
            Err(error) => {
                eprintln!("{} failed: {error}", tools[tool].tool);
                tools[tool].failures.push(error);
            }
        }
    }
    Ok(Record {
        scenario: name.into(),
        title: format!("Simulated swarms of {} to {} peers", sizes[0], sizes[sizes.len() - 1]),
        about: format!(
            "Equal links of 50 Mbit/s, 1 ms apart, {} and {} pieces of 256 KiB. The bound is the \
             least possible time for so many peers and pieces (Mundinger, Weber and Weiss).",
            CURVES[0].0, CURVES[1].0
        ),
        date,
        took: None,
        machine: Machine::here(),
        by: Some("peers".into()),
        columns: vec![
            Column::new("peers", "peers", 0),
            Column::new("ratio", "last peer / bound", 3),
            Column::new("seeder copies", "seeder's upload, copies", 3),
            Column::new("received copies", "received by a peer, copies", 3),
        ],
        plots: vec![Plot::Lines {
            x: "peers".into(),
            y: "ratio".into(),
            x_title: "peers".into(),
            y_title: "last peer's time / bound".into(),
            least_y: 1.0,
        }],
        tools,
    })
}

/// A swarm to simulate, and whose row its numbers are.
#[derive(Clone, Copy)]
struct World {
    tool: usize,
    pieces: u64,
    peers: usize,
}

/// In virtual time nothing disturbs anything, so each core takes the next world, longest first. The
/// results have the order of the worlds.
fn simulated(worlds: Vec<World>) -> Vec<(World, Result<Sample, String>)> {
    let mut queue: Vec<_> = worlds.iter().copied().enumerate().collect();
    queue.sort_by_key(|(_, world)| world.peers as u64 * world.pieces * world.seeds().len() as u64);
    let queue = Mutex::new(queue);
    let next = || queue.lock().expect("nobody panics with it").pop();
    let work = || -> Vec<_> {
        iter::from_fn(next).map(|(at, world)| (at, (world, world.simulate()))).collect()
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let other = scope.spawn(work);
        let mine = work();
        mine.into_iter().chain(other.join().expect("a failure is a result")).collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

impl World {
    fn seeds(self) -> &'static [u64] {
        if self.peers <= 1000 { SEEDS } else { &SEEDS[..1] }
    }

    fn simulate(self) -> Result<Sample, String> {
        let Self { pieces, peers, .. } = self;
        let swarm = Swarm { peers, pieces, piece_kib: 256, kbit: 50_000, seeds: self.seeds() };
        let came = swarm.simulate().map_err(|error| error.to_string())?;
        let sample = Sample::default()
            .with("peers", peers as f64)
            .with("ratio", came.ratio)
            .with("seeder copies", came.copies)
            .with("received copies", came.received);
        eprintln!("{peers} peers, {pieces} pieces: {:.3} of the bound", came.ratio);
        Ok(sample)
    }
}

const SIZES: &[usize] = &[10, 32, 100, 316, 1000, 3162, 10_000];
const SEEDS: &[u64] = &[1, 2, 3, 4, 5];
/// Pieces, and the most peers that are simulated with so many: more would take hours.
const CURVES: [(u64, usize); 2] = [(512, 10_000), (2048, 1000)];
