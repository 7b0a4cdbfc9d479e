//! udpcast: one multicast stream, and repairs for whoever missed some of it.

use std::process::{Child, Command, Stdio};

use super::Tool;
use crate::Outcome;
use crate::field::{Field, PAYLOAD, wait_until};
use crate::finish::Finishes;
use crate::machine::package_version;
use crate::record::Sample;

/// udpcast.
pub(crate) struct Udpcast;

impl Tool for Udpcast {
    fn name(&self) -> String {
        "udpcast".into()
    }

    fn version(&self) -> String {
        package_version("udpcast")
    }

    fn settings(&self) -> String {
        format!("{SENDER} --max-bitrate with the TCP goodput of the link")
    }

    fn run(&self, field: &Field) -> Outcome<Sample> {
        let mut finishes = Finishes::new();
        let mut receivers = Vec::new();
        for peer in field.peers() {
            let mut command = peer.command("udp-receiver");
            command.args(["--interface", "eth0", "--nokbd", "--file", &peer.file(FILE)]);
            let mut receiver = quiet(&mut command).stdout(Stdio::piped()).spawn()?;
            let says = receiver.stdout.take().ok_or("no stdout")?;
            finishes.on_line(peer.name.clone(), says, None);
            receivers.push(receiver);
        }
        for peer in field.peers() {
            wait_until("udp-receiver listens", || {
                peer.host().udp_sockets().iter().any(|socket| socket.local.port() == PORT)
            })?;
        }
        let mut command = field.seeder().command("udp-sender");
        let receivers_wanted = field.peers().len().to_string();
        command.args(SENDER.split(' ')).args(["--min-receivers", &receivers_wanted]);
        // Faster than the link, everything that its queue can't hold would be sent again.
        let rate = format!("{}k", (field.goodput * 8.0 / 1000.0) as u64);
        command.args(["--file", PAYLOAD, "--max-bitrate", &rate]);
        let mut sender: Option<Child> = None;
        let sample = field.race(&finishes, || sender = quiet(&mut command).spawn().ok())?;
        field.verify(FILE)?;
        Ok(sample)
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null())
}

/// What udpcast takes unless told otherwise.
const PORT: u16 = 9000;
const FILE: &str = "data.bin";
const SENDER: &str = "--interface eth0 --nokbd --full-duplex";
