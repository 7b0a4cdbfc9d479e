//! What `doctor` finds on hosts that have something wrong with them.

use std::io::{BufRead as _, BufReader};
use std::ops::RangeInclusive;
use std::process::{Child, Stdio};

use crate::fleet_of;
use crate::net::{Host, Link};

#[test]
fn each_finding_is_one_line_with_the_hosts_it_holds_for() {
    let Some(fleet) = fleet_of(5) else { return };
    fleet.write_inventory();
    fleet.ok("distribute_files");
    fleet.host(2).sh("mount -t tmpfs -o size=8m tmpfs /srv");
    fleet.host(3).sh("mount -t tmpfs -o size=8m tmpfs /srv");
    fleet.host(4).sh("mount -t tmpfs -o ro,size=2g tmpfs /srv");
    fleet.host(5).set_link(Link::Down);

    let ended = fleet.run("doctor destination_path=/srv/app").code(3);

    let findings: Vec<_> = ended.stdout.lines().collect();
    let with = |text: &str| findings.iter().filter(|line| line.contains(text)).count();
    assert!(
        findings.contains(&"note: /srv/app: less than 1.0 GiB free (2 hosts: h2, h3)"),
        "{findings:?}"
    );
    assert!(
        findings.contains(&"problem: /srv/app: its file system is read-only (h4)"),
        "{findings:?}"
    );
    assert_eq!(with("(h5)"), 1, "{findings:?}");
    assert_eq!(with("(h1)"), 0, "{findings:?}");
}

#[test]
fn a_firewall_between_the_hosts_is_found_from_both_sides_of_it() {
    let Some(fleet) = fleet_of(4) else { return };
    fleet.write_inventory();
    fleet.ok("distribute_files");
    fleet.ok("start_tracker");
    drop_answers_from(fleet.host(1), 8998);
    drop_answers_from(fleet.host(3), 6881);

    let ended = fleet.run("doctor").code(3);

    let (tracker, peer) = (fleet.host(1).address(), fleet.host(3).address());
    let findings: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(
        findings,
        [
            format!(
                "problem: the peer port of h3 at {peer}:6881: no answer within 5 s: a firewall, \
                 perhaps (3 hosts: h1, h2, h4)"
            ),
            format!(
                "problem: the tracker port of h1 at {tracker}:8998: no answer within 5 s: a \
                 firewall, perhaps (3 hosts: h2, h3, h4)"
            ),
        ]
    );
}

#[test]
fn ports_that_somebody_else_holds_are_found_on_their_own_host() {
    let Some(fleet) = fleet_of(3) else { return };
    fleet.write_inventory();
    fleet.ok("distribute_files");
    let _held = [hold_ports(fleet.host(1), 8998..=8998), hold_ports(fleet.host(2), 6881..=6889)];

    let ended = fleet.run("--json doctor").code(3);

    let outcomes = ended.outcomes();
    assert_eq!([&*outcomes["h1"], &*outcomes["h2"], &*outcomes["h3"]], ["failed", "failed", "ok"]);
    ended
        .says("none of the peer ports 6881-6889 can be listened on")
        .says("the tracker port 8998 can't be listened on: another program holds it");
}

/// As a firewall does that lets nothing out from a port: whoever connects to it waits in vain.
fn drop_answers_from(host: &Host, port: u16) {
    host.sh(&format!("ip rule add pref 10 ipproto tcp sport {port} blackhole"));
}

/// Another program on a host that listens on these ports. It ends with the host.
fn hold_ports(host: &Host, ports: RangeInclusive<u16>) -> Child {
    let (first, last) = ports.into_inner();
    let program = format!(
        "import socket, time\n\
         held = [socket.create_server(('', port)) for port in range({first}, {last} + 1)]\n\
         print('ready', flush=True)\n\
         time.sleep(1000)"
    );
    let mut command = host.command("/usr/bin/python3");
    let mut child = command.args(["-c", &program]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "ready\n");
    child
}
