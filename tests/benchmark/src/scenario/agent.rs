//! What an agent costs: the workstation's uplink to bring it to a host, and memory while it moves
//! much more than fits into that.

use std::fs;

use murder_testfleet::{Fleet, PROGRAMS, Plan};

use super::alternate;
use super::ssh::on_laptop;
use crate::Outcome;
use crate::asked::Asked;
use crate::field::Field;
use crate::machine::{Machine, available_mib, date};
use crate::program::built;
use crate::record::{Column, Record, Sample, ToolRecord};
use crate::tools::Tool as _;
use crate::tools::murder::Murder;

/// A push to some hosts, and one big file from an agent to another.
pub(super) fn measure(name: &str, asked: &Asked) -> Outcome<Record> {
    let (hosts, mib) = if asked.smoke { (2, 8) } else { (16, 4096) };
    let date = date();
    let version = env!("CARGO_PKG_VERSION");
    let mut pushes = [ToolRecord::named(
        "murder distribute_files",
        version,
        &format!(
            "{hosts} hosts that have no agent; all that leaves the workstation, with SSH's own"
        ),
    )];
    let fleet = Fleet::up(&Plan { hosts, sshd: true, programs: vec![built("murder")?] });
    alternate(asked.runs, &mut pushes, |_| push(&fleet, hosts));
    drop(fleet);
    let settings = format!("{mib} MiB to one peer, on loopback, files in memory; once");
    let mut moves = [ToolRecord::named("murder's agents", version, &settings)];
    alternate(1, &mut moves, |_| move_once(mib));
    Ok(Record {
        scenario: name.into(),
        title: "What an agent costs".into(),
        about: format!(
            "The workstation pushes its agent to {hosts} hosts over SSH, and its interface counts \
             the bytes. One agent sends {mib} MiB to another one, and the kernel keeps the most \
             memory that each had resident."
        ),
        date,
        took: None,
        machine: Machine::here(),
        by: None,
        columns: vec![
            Column::new("pushed", "sent to a host, MiB", 3),
            Column::new("seeder peak", "seeder, peak MiB", 1),
            Column::new("peer peak", "a peer, peak MiB", 1),
            Column::new("seconds", "s", 2),
        ],
        plots: Vec::new(),
        tools: pushes.into_iter().chain(moves).collect(),
    })
}

fn push(fleet: &Fleet, hosts: usize) -> Outcome<Sample> {
    let names: String = fleet.hosts().iter().map(|host| format!("{}\n", host.name())).collect();
    fs::write(fleet.laptop().path("/root/hosts"), names)?;
    // What held connections before; nothing may.
    fleet.laptop().try_sh("kill -KILL -1");
    for host in fleet.hosts() {
        host.sh("rm -rf .murder");
    }
    let before = fleet.laptop().traffic().sent;
    let sample = on_laptop(fleet, &format!("{PROGRAMS}/murder -i hosts distribute_files"))?;
    let sent = fleet.laptop().traffic().sent - before;
    Ok(sample.with("pushed", sent as f64 / hosts as f64 / f64::from(1 << 20)))
}

fn move_once(mib: u64) -> Outcome<Sample> {
    // Both archives and the tree are in memory at the end.
    let needed = 3 * mib + 2048;
    let available = available_mib();
    if available < needed {
        return Err(format!("it needs {needed} MiB of memory, and {available} are free").into());
    }
    let field = Field::of_loopback(1, mib)?;
    let ran = Murder::for_the_last_time().run(&field);
    Ok(ran.map_err(|error| field.with_last_words(&*error))?)
}
