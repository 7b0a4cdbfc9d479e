//! What `doctor` finds on hosts that have something wrong with them.

use crate::fleet_of;
use crate::net::Link;

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
