//! Two people who deploy, and a workstation that dies.

use super::{DEPLOY, HOSTS, Site};
use crate::murder::Following;

/// A deploy that stays in a stage until somebody writes to a pipe.
fn stays_in(stage: &str) -> String {
    format!(
        "include: [murder:deploy]\nhooks:\n  before:\n    {stage}:\n      \
         - {{ name: the gate, run: [cat, /root/gate], on: h1, run_once: true }}\n"
    )
}

impl Site {
    /// A deploy that is in this stage, and stays there until [`Site::open`].
    fn deploy_into(&self, stage: &str, release: &str) -> Following {
        self.recipe(&stays_in(stage));
        self.0.host(1).sh("rm -f gate; mkfifo gate");
        let mut run = self.0.follow(&format!("{DEPLOY} release={release}"));
        run.until(|event| event["message"] == "run the gate");
        self.recipe("include: [murder:deploy]");
        run
    }

    fn open(&self) {
        self.0.host(1).sh("echo go >gate");
    }
}

#[test]
fn of_two_deploys_at_once_the_second_is_told_who_holds_the_lock() {
    let Some(site) = Site::up() else { return };
    site.build("r1");
    let first = site.deploy_into("publishing", "r1");

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
    let run = site.deploy_into("publishing", "r2");

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
fn a_workstation_that_dies_after_the_word_leaves_a_fleet_that_has_switched() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    site.build("r2");
    let run = site.deploy_into("published", "r2");

    run.kill();

    site.all_have("r2");
    assert_eq!(site.0.ok("--json attach").outcomes().len(), HOSTS);
    site.0.ok("deploy:unlock application=app").says("deploy of r2");
    site.released("r3");
}

#[test]
fn a_host_whose_agent_is_killed_between_staging_and_the_word_is_named_and_does_not_switch() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    site.recipe(KILLED).build("r2");

    let ended = site.deploy("release=r2").code(3);

    ended.says("failed h3: ");
    let mut expected = vec!["r2"; HOSTS];
    expected[2] = "r1";
    assert_eq!(site.current(), expected);
    site.recipe("include: [murder:deploy]").released("r3");
}

/// The agent that waits on h3 is gone when everything is staged.
const KILLED: &str = r#"
include: [murder:deploy]
hooks:
  before:
    publishing:
      - run: |
          for p in /proc/[0-9]*; do
            [ "$(tr '\0' ' ' <$p/cmdline | cut -d ' ' -f 2)" = role-warm ] && kill -KILL "${p#/proc/}"
          done; true
        on: h3
"#;
