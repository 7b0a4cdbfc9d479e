//! A file to many hosts, over links of one rate, beside the least possible time.

use super::race::{self, About};
use crate::Outcome;
use crate::asked::Asked;
use crate::field::Field;
use crate::record::{Column, Plot, Record};
use crate::tools::Tool;
use crate::tools::aria2::Aria2;
use crate::tools::chain::Chain;
use crate::tools::libtorrent::Libtorrent;
use crate::tools::murder::Murder;
use crate::tools::simulated::Simulated;
use crate::tools::udpcast::Udpcast;

/// So many MiB to so many peers over links of so many Mbit/s.
pub(super) fn limited(
    name: &str,
    peers: usize,
    mib: u64,
    mbit: u32,
    asked: &Asked,
) -> Outcome<Record> {
    let (peers, mib) = if asked.smoke { (3, 2) } else { (peers, mib) };
    let field = Field::of_hosts(peers, mib, Some(mbit))?;
    let text = format!(
        "{mib} MiB to {peers} peers, each link limited to {mbit} Mbit/s both ways (tbf, cubic). One \
         TCP flow carries {:.2} MB/s over such a link, so the file takes at least {:.2} s, which is \
         the bound here.",
        field.goodput / 1e6,
        field.flow_seconds(),
    );
    let columns = vec![
        Column::new("ratio", "last peer / bound", 3),
        Column::new("median ratio", "median peer / bound", 3),
        Column::new("seconds", "last peer, s", 2),
        Column::new("seeder copies", "seeder's upload, copies", 2),
        Column::new("received copies", "received by a peer, copies", 2),
        Column::new("seeder cpu", "seeder, CPU s", 2),
        Column::new("peers cpu", "all peers, CPU s", 2),
        Column::new("busy", "machine busy, %", 0),
    ];
    let plots = vec![Plot::Completion { bound: field.flow_seconds() }];
    let title = format!("{peers} peers with links of {mbit} Mbit/s");
    let mut tools = tools(Libtorrent::tuned());
    tools.push(Box::new(Udpcast));
    tools.push(Box::new(Simulated));
    Ok(race::run(name, &field, tools, About { title, text, columns, plots }, asked))
}

/// Something small to many peers, over links that nothing limits.
pub(super) fn small(name: &str, asked: &Asked) -> Outcome<Record> {
    let peers = if asked.smoke { 3 } else { 32 };
    let field = Field::of_hosts(peers, 1, None)?;
    let text = format!(
        "1 MiB to {peers} peers over links that nothing limits but the machine, from the moment \
         when all were told."
    );
    let columns = vec![
        Column::new("seconds", "last peer, s", 3),
        Column::new("seeder copies", "seeder's upload, copies", 1),
        Column::new("seeder cpu", "seeder, CPU s", 3),
        Column::new("peers cpu", "all peers, CPU s", 3),
    ];
    let title = format!("1 MiB to {peers} peers");
    let about = About { title, text, columns, plots: Vec::new() };
    Ok(race::run(name, &field, tools(Libtorrent::small()), about, asked))
}

fn tools(libtorrent: Libtorrent) -> Vec<Box<dyn Tool>> {
    vec![Box::new(Murder::default()), Box::new(libtorrent), Box::new(Aria2), Box::new(Chain)]
}
