//! As fast as the machine allows: what a byte costs.

use super::race::{self, About};
use crate::Outcome;
use crate::asked::Asked;
use crate::field::Field;
use crate::record::{Column, Plot, Record};
use crate::tools::Tool;
use crate::tools::aria2::Aria2;
use crate::tools::libtorrent::Libtorrent;
use crate::tools::murder::Murder;
use crate::tools::rqbit::{self, Rqbit};

/// So many MiB to so many peers on loopback addresses of one host.
pub(super) fn measure(name: &str, peers: usize, mib: u64, asked: &Asked) -> Outcome<Record> {
    let mib = if asked.smoke { 8 } else { mib };
    let field = Field::of_loopback(peers, mib)?;
    let peers_text = if peers == 1 { "one peer".to_owned() } else { format!("{peers} peers") };
    let text = format!(
        "{mib} MiB to {peers_text} on loopback addresses of one host, files in memory. CPU time is \
         counted until the last peer has verified its last piece; {UNPACKING}"
    );
    let columns = vec![
        Column::new("seconds", "last peer, s", 2),
        Column::new("seeder cpu per GiB", "seeder, CPU s per GiB", 2),
        Column::new("peer cpu per GiB", "a peer, CPU s per GiB", 2),
        Column::new("tracker cpu", "tracker, CPU s", 2),
        Column::new("seeder peak", "seeder, peak MiB", 0),
        Column::new("peer peak", "a peer, peak MiB", 0),
    ];
    let keys = vec!["seeder cpu per GiB".into(), "peer cpu per GiB".into()];
    let plots = vec![Plot::Bars { keys, title: "CPU seconds per GiB".into() }];
    let title = format!("Loopback, {peers_text}");
    let mut tools: Vec<Box<dyn Tool>> =
        vec![Box::new(Murder::default()), Box::new(Libtorrent::unlimited()), Box::new(Aria2)];
    // It takes minutes to build, which a smoke run does without.
    if rqbit::installed().is_some() {
        tools.push(Box::new(Rqbit));
    }
    Ok(race::run(name, &field, tools, About { title, text, columns, plots }, asked))
}

const UNPACKING: &str = "murder's peers unpack what they have into its place meanwhile, which is \
in their numbers; the others leave the file as it came.";
