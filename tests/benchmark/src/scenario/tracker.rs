//! Trackers under load: ours and opentracker, by the agent's load generator.

use std::process::Command;

use super::alternate;
use crate::Outcome;
use crate::asked::Asked;
use crate::machine::{Machine, date, package_version};
use crate::program::{self, built, number_before};
use crate::record::{Column, Plot, Record, Sample, ToolRecord};

/// Announces for one torrent with few to very many peers.
pub(super) fn measure(name: &str, asked: &Asked) -> Outcome<Record> {
    let (sizes, announces): (&[u32], u32) =
        if asked.smoke { (&[100], 200) } else { (&[1000, 10_000, 100_000], 20_000) };
    let date = date();
    let theirs = package_version("opentracker");
    let mut tools = vec![
        ToolRecord::named("murder", env!("CARGO_PKG_VERSION"), "plain /announce"),
        ToolRecord::named("opentracker", &theirs, "a whitelist of one torrent"),
    ];
    for peers in sizes {
        alternate(asked.runs, &mut tools, |number| {
            let make = ["murder", "opentracker"][number];
            let mut command = Command::new(built("announce")?);
            command.args([make, &peers.to_string(), &announces.to_string()]);
            let said = program::run(&mut command, 120)?.stdout;
            let again = said.split_once("again ").ok_or("it said nothing of announcing again")?.1;
            Ok(Sample::default()
                .with("peers", f64::from(*peers))
                .with("announces a second", number_before(again, " a second")?)
                .with("cpu us", number_before(again, " CPU us")?)
                .with("bytes a peer", number_before(&said, " bytes a peer")?))
        });
    }
    Ok(Record {
        scenario: name.into(),
        title: "Tracker load".into(),
        about: format!(
            "One torrent with so many peers, of whom {announces} announce themselves again, each \
             by a connection of its own, four at a time, on loopback."
        ),
        date,
        took: None,
        machine: Machine::here(),
        by: Some("peers".into()),
        columns: vec![
            Column::new("peers", "peers", 0),
            Column::new("announces a second", "announces a second", 0),
            Column::new("cpu us", "tracker, CPU µs an announce", 1),
            Column::new("bytes a peer", "tracker, bytes a peer", 0),
        ],
        plots: vec![Plot::Lines {
            x: "peers".into(),
            y: "cpu us".into(),
            x_title: "peers in the torrent".into(),
            y_title: "tracker's CPU µs an announce".into(),
            least_y: 0.0,
        }],
        tools,
    })
}
