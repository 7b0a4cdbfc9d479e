//! What the demo would do, for `--dry-run`. Nothing of it is there yet: no folder and no port.

use super::site;
use crate::plan::{Change, PathChange, Plan, Step};
use crate::report::units;
use crate::settings::{Demo, TaskName};

/// The steps, in order.
pub(in crate::tasks) fn of(demo: &Demo) -> Plan {
    let hosts: Vec<String> = site::hosts(demo.hosts).collect();
    let here = ["this machine".to_owned()];
    let folder = site::folder_of("PROCESS").to_string_lossy().into_owned();
    let at_folder = |change| vec![PathChange { path: folder.clone(), change, hosts: Vec::new() }];
    let (first, last) = (site::address(0), site::address(demo.hosts + 1));
    let size = units::bytes(demo.size);
    let step =
        |what: &str, hosts: &[String], paths| Step::new(what.to_owned(), hosts.to_vec(), paths);
    let steps = vec![
        step(&format!("make a tree of {size} to distribute"), &here, at_folder(Change::Create)),
        step(&format!("put an agent on each of {first} to {last}"), &hosts, Vec::new()),
        step("start the tracker on a free port", &hosts[..1], Vec::new()),
        step("pack the tree, make its torrent and seed it", &hosts[1..2], Vec::new()),
        step("fetch it and put it in place", &hosts[2..], Vec::new()),
        step("stop the seeder and the tracker", &hosts[..2], Vec::new()),
        step("compare each peer's tree with the seeder's", &here, Vec::new()),
        step("end whatever still runs there", &here, at_folder(Change::Remove)),
    ];
    Plan { task: TaskName::Demo, steps }
}
