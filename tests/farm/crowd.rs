//! Many hosts at once.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use murder_testfleet::{Farm, Homes};
use serde_json::Value;

use crate::farm;

#[test]
fn an_sshd_that_turns_connections_away_fails_no_host() {
    let Some(farm) = farm("MaxStartups 10:30:100") else { return };
    let ran = status(&farm, 200, 64);
    assert_eq!((ran.code, ran.ok), (Some(0), 200));
    // Each host has one ssh, and at most --forks have their turn.
    assert!(ran.most_ssh <= 64, "{}", ran.most_ssh);
}

#[test]
fn a_bastions_narrow_door_is_found_and_kept_to() {
    // All but one of those that come while another logs in are turned away.
    let Some(farm) = farm("MaxStartups 2:90:4") else { return };
    let ran = status(&farm, 40, 32);
    assert_eq!((ran.code, ran.ok), (Some(0), 40));
    let log = farm.shut_down();
    assert!(log.contains("MaxStartups"), "nobody was turned away: {log}");
}

struct Ran {
    code: Option<i32>,
    ok: usize,
    most_ssh: usize,
}

/// Asks so many hosts, which share an agent, for their status.
fn status(farm: &Farm, hosts: usize, forks: usize) -> Ran {
    let inventory = farm.inventory(hosts - 1, Homes::Shared);
    let installed = murder(farm, &inventory).args(["--limit", "h1", "distribute_files"]).output();
    let installed = installed.expect("murder runs");
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let mut child = murder(farm, &inventory)
        .args(["--json", "--forks", &forks.to_string(), "status"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("murder runs");
    let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let (mut ok, mut most_ssh) = (0, 0);
    for line in lines {
        let event: Value = serde_json::from_str(&line.expect("UTF-8")).expect("stdout is JSON");
        if event["event"] == "host" {
            assert_eq!(event["outcome"], "ok", "{event}");
            ok += 1;
            most_ssh = most_ssh.max(farm.ssh_processes());
        }
    }
    Ran { code: child.wait().expect("it ends").code(), ok, most_ssh }
}

pub(crate) fn murder(farm: &Farm, inventory: &Path) -> Command {
    let mut command = farm.command(env!("CARGO_BIN_EXE_murder"));
    command.arg("-i").arg(inventory);
    command
}
