//! The harness itself: a fleet whose hosts a laptop reaches.

use crate::fleet_of;
use crate::net::Link;

#[test]
fn the_laptop_reaches_each_host_by_ssh_and_a_host_without_a_link_by_none() {
    let Some(fleet) = fleet_of(3) else { return };
    for host in fleet.hosts() {
        let said = fleet.laptop().sh(&format!("ssh {} hostname", host.name()));
        assert!(said.ends_with(&format!("{}\n", host.name())), "{said}");
    }
    fleet.host(2).set_link(Link::Down);
    let output = fleet.laptop().try_sh("ssh -o ConnectTimeout=1 h2 true");
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(fleet.host(1).processes("sshd -D").len(), 1);
    std::fs::write(fleet.host(1).path("/tmp/x"), "hello").unwrap();
    assert_eq!(fleet.host(1).sh("cat /tmp/x"), "hello");
}
