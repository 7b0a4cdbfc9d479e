//! Swarms that no machine here could hold, in the simulator.

use std::thread;

use super::alternate;
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
    let mut tools = vec![ToolRecord::named(
        "murder (simulated)",
        version,
        "up to 1000 peers the worst of five seeds, above that one seed",
    )];
    // In virtual time nothing disturbs anything, and the greatest takes as long as all the others.
    let (greatest, others) = sizes.split_last().ok_or("there are no sizes")?;
    let (others, greatest) = thread::scope(|scope| {
        let greatest = scope.spawn(|| simulated(*greatest));
        let others: Vec<_> = others.iter().map(|peers| simulated(*peers)).collect();
        (others, greatest.join().unwrap_or_else(|_| Err("the simulator panicked".into())))
    });
    let mut results = others.into_iter().chain([greatest]);
    alternate(sizes.len(), &mut tools, |_| Ok(results.next().ok_or("a size has no result")??));
    Ok(Record {
        scenario: name.into(),
        title: format!("Simulated swarms of {} to {} peers", sizes[0], sizes[sizes.len() - 1]),
        about: format!(
            "Equal links of 50 Mbit/s, 1 ms apart, {PIECES} pieces of 256 KiB. The bound is the \
             least possible time for so many peers and pieces (Mundinger, Weber and Weiss)."
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
            logarithmic_y: false,
        }],
        tools,
    })
}

fn simulated(peers: usize) -> Result<Sample, String> {
    let seeds = if peers <= 1000 { SEEDS } else { &SEEDS[..1] };
    let swarm = Swarm { peers, pieces: PIECES, piece_kib: 256, kbit: 50_000, seeds };
    let came = swarm.simulate().map_err(|error| error.to_string())?;
    Ok(Sample::default()
        .with("peers", peers as f64)
        .with("ratio", came.ratio)
        .with("seeder copies", came.copies)
        .with("received copies", came.received))
}

const SIZES: &[usize] = &[10, 32, 100, 316, 1000, 3162, 10_000];
const SEEDS: &[u64] = &[1, 2, 3, 4, 5];
const PIECES: u64 = 512;
