//! A deploy where nothing of murder is on any host yet.

use std::fs;

use super::HOSTS;
use crate::{fleet_of, tree};

#[test]
fn a_first_deploy_streams_a_local_tree_to_the_seeder_once_and_leaves_nothing_running() {
    let Some(fleet) = fleet_of(HOSTS) else { return };
    fleet.write_inventory();
    let build = fleet.laptop().path("/root/build");
    fs::create_dir(&build).expect("a folder on the laptop");
    tree::make(&build);
    fs::write(build.join("large"), tree::noise(SIZE, 1)).expect("a file on the laptop");
    fleet.ok("distribute_files");
    let before = fleet.laptop().traffic();

    let ended = fleet.ok("--json deploy application=app from=./build release=r1");

    let sent = (fleet.laptop().traffic() - before).sent;
    assert!((SIZE..2 * SIZE).contains(&usize::try_from(sent).expect("a size")), "{sent} bytes");
    assert!(ended.outcomes_of("deploy").values().all(|outcome| outcome == "ok"));
    for host in fleet.hosts() {
        let release = host.path("/srv/app/releases/r1");
        // What murder has put there is no part of the tree.
        for own in [".murder-release", "REVISION"] {
            fs::remove_file(release.join(own)).expect("a whole release has it");
        }
        tree::assert_same(&build, &release);
        assert_eq!(host.sh("readlink /srv/app/current"), "releases/r1\n");
        assert_eq!(host.processes("murder-agent"), [], "{}", host.name());
    }
}

/// Much more than what SSH sends besides.
const SIZE: usize = 8 << 20;
