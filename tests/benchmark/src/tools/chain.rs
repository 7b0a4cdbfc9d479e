//! A chain of relays: each host passes on what it gets as it comes.

use std::io::BufRead as _;
use std::io::BufReader;
use std::process::Stdio;

use super::Tool;
use crate::Outcome;
use crate::field::{Field, PAYLOAD, relayed};
use crate::finish::Finishes;
use crate::record::Sample;

/// The chain of this package's own relays.
pub(crate) struct Chain;

impl Tool for Chain {
    fn name(&self) -> String {
        "chain of relays".into()
    }

    fn version(&self) -> String {
        "of this package".into()
    }

    fn settings(&self) -> String {
        "each host writes down what it gets and passes it on at once, 128 KiB at a time; one dead \
         host stops it, the slowest paces it"
            .into()
    }

    fn run(&self, field: &Field) -> Outcome<Sample> {
        let mut finishes = Finishes::new();
        let mut next = "-".to_owned();
        let mut sinks = Vec::new();
        for peer in field.peers().iter().rev() {
            let words = ["sink", &peer.address, &peer.file(FILE), &next];
            let mut sink = relayed(peer, &words).stdout(Stdio::piped()).spawn()?;
            let mut says = BufReader::new(sink.stdout.take().ok_or("no stdout")?);
            let mut said = String::new();
            while !said.contains("connected") {
                if says.read_line(&mut said)? == 0 {
                    return Err(format!("the relay on {} ended early", peer.name).into());
                }
            }
            finishes.on_line(peer.name.clone(), says, Some("complete"));
            next.clone_from(&peer.address);
            sinks.push(sink);
        }
        let mut source = relayed(field.seeder(), &["source", &next, PAYLOAD]);
        let mut source = source.stdin(Stdio::piped()).spawn()?;
        let start = source.stdin.take();
        field.wait_for_connections();
        let sample = field.race(&finishes, || drop(start))?;
        source.wait()?;
        for mut sink in sinks {
            sink.wait()?;
        }
        field.verify(FILE)?;
        Ok(sample)
    }
}

const FILE: &str = "data.bin";
