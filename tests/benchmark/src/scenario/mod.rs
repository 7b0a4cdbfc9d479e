//! What is measured, by name.

mod agent;
mod archive;
mod loopback;
mod race;
mod simulator;
mod ssh;
mod swarm;
mod tracker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Outcome;
use crate::asked::Asked;
use crate::record::{Record, Sample, ToolRecord};
use crate::report;

/// Every scenario, in the order of the report.
pub(crate) const NAMES: &[&str] = &[
    "swarm-16",
    "swarm-32",
    "swarm-64",
    "simulator",
    "small-32",
    "loopback-1",
    "loopback-8",
    "tracker",
    "archive",
    "fan-out",
    "workstation",
    "agent",
];

/// Measures what was asked for, and writes the report of all that was ever measured.
pub(crate) fn run(asked: &Asked) -> Outcome<()> {
    let folder = results(asked);
    let (mut failed, mut failures) = (false, Vec::new());
    if !asked.scenarios.is_empty() {
        foretell(&folder, asked)?;
    }
    for name in &asked.scenarios {
        eprintln!("== {name}");
        let begun = Instant::now();
        match guarded(|| measure(name, asked)) {
            Ok(mut record) => {
                // What some of the tools took tells nothing of all.
                record.took = asked.tools.is_empty().then(|| begun.elapsed().as_secs_f64());
                record.save(&folder)?;
                let before = failures.len();
                failures.extend(record.failures());
                // A measurement goes on without a tool that fails; a smoke run is there to tell.
                failed |= asked.smoke && failures.len() > before;
            }
            Err(error) => {
                eprintln!("{name} failed: {error}");
                failures.push(format!("{name}: {error}"));
                failed = true;
            }
        }
    }
    report::write(&folder, asked)?;
    if failures.is_empty() {
        return Ok(());
    }
    let told = format!("failed:\n{}", failures.join("\n"));
    if failed {
        return Err(told.into());
    }
    eprintln!("{told}");
    Ok(())
}

/// Says how long each will take at most, by how long it took the last time.
fn foretell(folder: &Path, asked: &Asked) -> Outcome<()> {
    let mut all = 0.0;
    for name in &asked.scenarios {
        let known = Record::load(folder, name)?.and_then(|last| last.expected_seconds(asked.runs));
        all += known.unwrap_or_default();
        match known {
            Some(seconds) => eprintln!("{name}: up to {seconds:.0} s"),
            None => eprintln!("{name}: not known yet how long"),
        }
    }
    eprintln!("together up to {:.0} minutes, where known", (all / 60.0).ceil());
    Ok(())
}

/// Limited links are so slow that two cores keep up with all of them: with more peers each has more
/// neighbours, who tell each other more. All other sizes are as small as still says something.
fn measure(name: &str, asked: &Asked) -> Outcome<Record> {
    match name {
        "swarm-16" => swarm::limited(name, 16, 48, 50, asked),
        "swarm-32" => swarm::limited(name, 32, 128, 25, asked),
        "swarm-64" => swarm::limited(name, 64, 64, 5, asked),
        "small-32" => swarm::small(name, asked),
        "loopback-1" => loopback::measure(name, 1, 1024, asked),
        "loopback-8" => loopback::measure(name, 8, 512, asked),
        "simulator" => simulator::measure(name, asked),
        "tracker" => tracker::measure(name, asked),
        "archive" => archive::measure(name, asked),
        "fan-out" => ssh::fan_out(name, asked),
        "agent" => agent::measure(name, asked),
        "workstation" => ssh::workstation(name, asked),
        _ => Err(format!("no scenario is called {name}").into()),
    }
}

/// Where results are kept, one file a scenario: beside their pictures, so that the report can be
/// made again, and looked at closer, wherever the source is.
fn results(asked: &Asked) -> PathBuf {
    if asked.smoke { Path::new("target").join("bench-smoke") } else { report::PICTURES.into() }
}

/// Runs each tool once, then each once more, and so on, so that what else happens on the machine
/// hits all of them. A tool that fails is written down as such.
pub(crate) fn alternate(
    runs: usize,
    tools: &mut [ToolRecord],
    mut once: impl FnMut(usize) -> Outcome<Sample>,
) {
    for run in 1..=runs {
        for (number, tool) in tools.iter_mut().enumerate() {
            match guarded(|| once(number)) {
                Ok(sample) => {
                    eprintln!("{} {run}: {}", tool.tool, shown(&sample));
                    tool.runs.push(sample);
                }
                Err(error) => {
                    eprintln!("{} {run} failed: {error}", tool.tool);
                    tool.failures.push(error.to_string());
                }
            }
        }
    }
}

fn shown(sample: &Sample) -> String {
    let numbers = sample.numbers.iter().map(|(key, value)| format!("{key} {value:.3}"));
    numbers.collect::<Vec<_>>().join(", ")
}

/// A panic of the harness is a failure like any other.
fn guarded<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(text.unwrap_or_else(|| "it panicked".into()).into())
    })
}
