//! BENCHMARKS.md and its pictures, from the results that are kept.

mod chart;
mod goals;
mod picture;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Outcome;
use crate::asked::Asked;
use crate::record::Record;
use crate::scenario::NAMES;

/// Writes the report, once every scenario has results. That of a smoke run has those that there are,
/// and stays with them: it is no measurement.
pub(crate) fn write(folder: &Path, asked: &Asked) -> Outcome<()> {
    let mut records = Vec::new();
    let mut absent = Vec::new();
    for name in NAMES {
        match Record::load(folder, name)? {
            Some(record) => records.push(record),
            None => absent.push(*name),
        }
    }
    if !asked.smoke && !absent.is_empty() {
        eprintln!("BENCHMARKS.md is left as it is: {} not measured yet", absent.join(", "));
        return Ok(());
    }
    let (report, pictures) = match asked.smoke {
        true => (folder.join("BENCHMARKS.md"), folder.join(PICTURES)),
        false => (Path::new("BENCHMARKS.md").to_owned(), Path::new(PICTURES).to_owned()),
    };
    fs::create_dir_all(&pictures)?;
    let mut text = HEAD.to_owned() + GOALS + &goals::table(&records);
    for record in &records {
        let _ = write!(text, "\n## {}\n\n{}\n\n", record.title, record.about);
        text += &table::of(record);
        for (name, svg) in picture::all_of(record) {
            fs::write(pictures.join(&name), svg)?;
            let _ = writeln!(text, "\n![{}]({PICTURES}/{name})", record.title);
        }
        text += &table::notes(record);
    }
    fs::write(&report, text)?;
    eprintln!("{} has {} of {} scenarios", report.display(), records.len(), NAMES.len());
    Ok(())
}

/// The folder of the pictures, and of what they are made from.
pub(crate) const PICTURES: &str = "docs/benchmarks";
const HEAD: &str = "\
# Benchmarks

`tests/bench` measured this: murder and its peers, one after another, again and again, on one
machine. A cell has the median of a tool's runs, and the least and the greatest. Each received file
was compared with the one that was sent. Every run is in [docs/benchmarks](docs/benchmarks), a JSON
file a scenario. How it is done is in [CONTRIBUTING.md](CONTRIBUTING.md).
";
const GOALS: &str = "
## What was to be reached

Medians, and in brackets the least and the greatest; what stands beside are medians of the same
scenario. The bound of a swarm is the time that one TCP flow takes for the file over one of its
links. A † says that the machine was so busy in some run that it may have been the limit. How
swarms do where hosts are slow, late or dying is measured in the simulator, and stands in
[the swarm's README](agent/swarm/README.md).

";
