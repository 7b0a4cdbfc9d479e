//! Two people who deploy, and a workstation that dies.

use super::{DEPLOY, HOSTS, Site};
use crate::faults::signal_role;
use crate::net::Host;

impl Site {
    /// The build of this name as it was when a release was staged from it.
    fn restore(&self, name: &str) -> &Self {
        self.0.host(1).sh(&format!("rm -r build; cp -a {name} build"));
        self
    }

    /// The inode of a release's file on each host: another one if it was brought again.
    fn inodes(&self, release: &str) -> Vec<String> {
        let inode = format!("stat -c %i /srv/app/releases/{release}/file");
        let of = |host: &Host| String::from_utf8_lossy(&host.try_sh(&inode).stdout).into_owned();
        self.0.hosts().iter().map(of).collect()
    }
}

#[test]
fn of_two_deploys_at_once_the_second_is_told_who_holds_the_lock() {
    let Some(site) = Site::up() else { return };
    site.build("r1");
    let first = site.deploy_until("publishing", "release=r1");

    let second = site.deploy("release=r2").code(3);

    second.says("locked by ").says("@laptop for ").says("deploy of r1").says("deploy:unlock");
    site.open();
    first.end().code(0);
    site.all_have("r1");
    site.0.ok("deploy:unlock application=app").says("nobody held it");
    site.released("r2");
}

#[test]
fn a_workstation_that_dies_before_the_word_switches_nobody_and_the_release_stays_staged() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    site.build("r2");
    let run = site.deploy_until("publishing", "release=r2");

    run.kill();

    site.0.ok("releases deploy_to=/srv/app").says("8 hosts").says("staged     r2");
    site.all_have("r1");
    site.deploy("release=r3").code(3).says("deploy of r2").says("deploy:unlock");
    site.0.ok("deploy:unlock application=app").says("was held by");
    // What is staged needs no second way over the network.
    site.0.ok("deploy:rollback application=app release=r2");
    site.all_have("r2");
    site.released("r3");
}

#[test]
fn after_a_workstation_that_died_before_the_word_the_same_deploy_again_switches_everybody() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    site.build("r2");
    site.0.host(1).sh("cp -a build r2");
    site.deploy_until("publishing", "release=r2").kill();
    site.0.ok("deploy:unlock application=app").says("was held by");
    // One host has lost it meanwhile.
    site.0.host(5).sh("rm -r /srv/app/releases/r2");
    let before = site.inodes("r2");

    // Another tree under the name is no retry.
    site.build("r3").deploy("release=r2").code(3).says("/srv/app/releases is there already with");
    site.all_have("r1");
    assert_eq!(site.inodes("r2"), before);

    let again = site.restore("r2").0.run(&format!("-v {DEPLOY} release=r2")).code(0);

    again.says("h4: skipped, the release is there already, with the same content");
    site.all_have("r2");
    let after = site.inodes("r2");
    let moved: Vec<_> = (0..HOSTS).filter(|at| before[*at] != after[*at]).collect();
    assert_eq!(moved, [4], "{before:?} {after:?}");
}

#[test]
fn a_workstation_that_dies_after_the_word_leaves_a_fleet_that_switches_without_it() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    site.build("r2");
    let mut run = site.deploy_until("publishing", "release=r2");
    // One host has yet to hear the word when the workstation dies.
    signal_role(site.0.host(3), "role-warm", "STOP");
    site.open();
    run.until(|event| event["event"] == "host" && event["task"] == "switch");

    run.kill();

    site.all_have_but("r2", 3, "r1");
    signal_role(site.0.host(3), "role-warm", "CONT");
    assert_eq!(site.0.ok("--json attach").outcomes().len(), HOSTS);
    site.all_have("r2");
    site.0.ok("deploy:unlock application=app").says("deploy of r2");
    site.released("r3");
}
