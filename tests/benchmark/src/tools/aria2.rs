//! aria2, tuned for hosts on one network, through opentracker.

use std::process::{Child, Stdio};

use super::{Tool, foreign};
use crate::Outcome;
use crate::field::{Field, Hold};
use crate::finish::Finishes;
use crate::machine::package_version;
use crate::member::Member;
use crate::record::Sample;

/// aria2.
pub(crate) struct Aria2;

impl Tool for Aria2 {
    fn name(&self) -> String {
        "aria2".into()
    }

    fn version(&self) -> String {
        package_version("aria2")
    }

    fn settings(&self) -> String {
        format!("pieces of 128 KiB, opentracker; {}", OPTIONS.join(" "))
    }

    fn run(&self, field: &Field) -> Outcome<Sample> {
        foreign::prepare(field, 17)?;
        let before = foreign::announces(field);
        let seeder = start(field.seeder(), &["--dir=/srv/payload", "--check-integrity=true"])?;
        foreign::wait_for_announce(field, &before)?;
        let hold = Hold::of_child(&seeder)?;
        let mut finishes = Finishes::new();
        let mut peers = Vec::new();
        for member in field.peers() {
            let mut peer = start(member, &[&format!("--dir={}", member.folder)])?;
            let says = peer.stdout.take().ok_or("no stdout")?;
            finishes.on_line(member.name.clone(), says, Some(COMPLETE));
            peers.push(peer);
        }
        field.wait_for_connections();
        let sample = field.race(&finishes, || drop(hold))?;
        field.verify("data.bin")?;
        Ok(sample)
    }
}

fn start(member: &Member, words: &[&str]) -> Outcome<Child> {
    let mut command = member.command("aria2c");
    command.args(OPTIONS).arg(format!("--interface={}", member.address));
    command.args(words).arg(member.file(foreign::TORRENT));
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
}

const OPTIONS: &[&str] = &[
    "--no-conf",
    "--listen-port=6999",
    "--enable-dht=false",
    "--bt-enable-lpd=false",
    "--disable-ipv6=true",
    "--bt-max-peers=0",
    "--bt-request-peer-speed-limit=1024M",
    "--max-overall-upload-limit=0",
    "--seed-ratio=0.0",
    "--file-allocation=none",
    "--summary-interval=0",
    "--show-console-readout=false",
    "--console-log-level=error",
    // It is given an id, the number of files and their first, and is the only one to say when.
    "--on-bt-download-complete=/bin/echo",
];
const COMPLETE: &str = "/data.bin";
