//! rqbit, through opentracker.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{Tool, foreign};
use crate::Outcome;
use crate::field::{Field, Hold};
use crate::finish::Finishes;
use crate::member::Member;
use crate::record::Sample;

/// rqbit.
pub(crate) struct Rqbit;

impl Rqbit {
    /// Whether `tests/bench` could build it.
    pub(crate) fn is_installed() -> bool {
        program().is_ok_and(|program| program.exists())
    }
}

impl Tool for Rqbit {
    fn name(&self) -> String {
        "rqbit".into()
    }

    fn version(&self) -> String {
        let output = program().and_then(|program| Ok(Command::new(program).arg("-V").output()?));
        let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        said.unwrap_or_default().trim_start_matches("rqbit ").to_owned()
    }

    fn settings(&self) -> String {
        format!("pieces of 128 KiB, opentracker; {}", OPTIONS.join(" "))
    }

    fn run(&self, field: &Field) -> Outcome<Sample> {
        foreign::prepare(field, 17)?;
        let seeder = start(field.seeder(), 0, "/srv/payload")?;
        foreign::wait_for_announce(field, field.seeder())?;
        let hold = Hold::of_child(&seeder)?;
        let mut finishes = Finishes::new();
        let mut peers = Vec::new();
        for (number, member) in field.peers().iter().enumerate() {
            let mut peer = start(member, number + 1, &member.folder)?;
            let says = peer.stderr.take().ok_or("no stderr")?;
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
    let mut command = member.command(program()?.to_str().ok_or("its path is not UTF-8")?);
    command.args(OPTIONS).args(["--listen-port", &(4240 + number).to_string()]);
    command.args(["download", "--overwrite", "-o", folder, &member.file(foreign::TORRENT)]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    Ok(command.spawn()?)
}

/// Where `tests/bench` has installed it.
fn program() -> Outcome<PathBuf> {
    Ok(std::env::current_dir()?.join("target/bench-tools/bin/rqbit"))
}

const OPTIONS: &[&str] = &["--disable-dht", "--disable-upnp-port-forward"];
