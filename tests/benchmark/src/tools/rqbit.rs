//! rqbit, through opentracker.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use murder_testfleet::PROGRAMS;

use super::{Tool, foreign};
use crate::Outcome;
use crate::field::{Field, Hold};
use crate::finish::Finishes;
use crate::member::Member;
use crate::record::Sample;

/// rqbit.
pub(crate) struct Rqbit;

/// Where `tests/bench` has installed it, if it could be built.
pub(crate) fn installed() -> Option<PathBuf> {
    let path = std::env::current_dir().ok()?.join("target/bench-tools/bin/rqbit");
    path.is_file().then_some(path)
}

impl Tool for Rqbit {
    fn name(&self) -> String {
        "rqbit".into()
    }

    fn version(&self) -> String {
        let output = installed().and_then(|path| Command::new(path).arg("-V").output().ok());
        let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        said.unwrap_or_default().trim_start_matches("rqbit ").to_owned()
    }

    fn settings(&self) -> String {
        format!("pieces of 128 KiB, opentracker; {}", OPTIONS.join(" "))
    }

    fn run(&self, field: &Field) -> Outcome<Sample> {
        foreign::prepare(field, 17)?;
        let before = foreign::announces(field);
        let seeder = start(field.seeder(), 0, "/srv/payload")?;
        foreign::wait_for_announce(field, &before)?;
        let hold = Hold::of_child(&seeder)?;
        let mut finishes = Finishes::new();
        let mut peers = Vec::new();
        for (number, member) in field.peers().iter().enumerate() {
            let mut peer = start(member, number + 1, &member.folder)?;
            let says = peer.stdout.take().ok_or("no stdout")?;
            finishes.on_line(member.name.clone(), says, Some("torrent finished"));
            peers.push(peer);
        }
        field.wait_for_connections();
        let sample = field.race(&finishes, || drop(hold))?;
        field.verify("data.bin")?;
        Ok(sample)
    }
}

fn start(member: &Member, number: usize, folder: &str) -> Outcome<Child> {
    let mut command = member.command(&format!("{PROGRAMS}/rqbit"));
    command.args(OPTIONS).args(["--listen-port", &(4240 + number).to_string()]);
    command.args(["download", "--overwrite", "-o", folder, &member.file(foreign::TORRENT)]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command.spawn()?)
}

const OPTIONS: &[&str] = &["--disable-dht", "--disable-upnp-port-forward"];
