//! Stages and hooks, groups, health, sudo, and secrets.

use std::fs;

use murder::recipe::Stage;

use super::{HOSTS, PLAIN, Site};
use crate::murder::Ended;

#[test]
fn hooks_run_in_order_at_every_stage_of_a_deploy_and_a_rollback() {
    let Some(site) = Site::up() else { return };
    let there = stages_but([Stage::Reverting, Stage::Reverted]);
    site.recipe(&format!("{PLAIN}\n{}", hooks(&there)));
    site.released("r1");
    assert_eq!(site.hooks_that_ran(), in_order(&there));
    site.released("r2");
    site.hooks_that_ran();

    let back = stages_but([Stage::Updating, Stage::Updated]);
    let folder = site.0.laptop().path("/root/recipes/deploy");
    fs::create_dir_all(&folder).expect("a folder on the laptop");
    let text = format!("description: x\ninclude: [murder:deploy:rollback]\n{}", hooks(&back));
    fs::write(folder.join("rollback.yaml"), text).expect("a recipe");
    site.0.ok("deploy:rollback application=app");
    site.all_have("r1");
    assert_eq!(site.hooks_that_ran(), in_order(&back));

    let fails = "  before:\n    publishing:\n      - { run: [\"false\"], on: h5 }\n  after:\n    \
                 failed:\n      - { run: \"echo {{ stage }} >>/root/order\", on: h2 }\n";
    site.recipe(&format!("{PLAIN}\nhooks:\n{fails}"));
    site.deploy("release=r3").code(3);
    assert_eq!(site.hooks_that_ran(), ["failed"]);
}

impl Site {
    /// What the hooks wrote since this was asked last.
    fn hooks_that_ran(&self) -> Vec<String> {
        let text = self.0.host(2).sh("cat order; rm order");
        text.lines().map(str::to_owned).collect()
    }
}

/// All stages of one that goes well, without those of another kind.
fn stages_but(others: [Stage; 2]) -> Vec<Stage> {
    let wanted = |stage: &Stage| *stage != Stage::Failed && !others.contains(stage);
    Stage::ALL.into_iter().filter(wanted).collect()
}

/// A hook before and one after each stage, which write down that they ran.
fn hooks(stages: &[Stage]) -> String {
    let hook = |when: &str| {
        let hook = |stage: &Stage| {
            let run = format!("echo {when} {stage} {{{{ stage }}}} >>/root/order");
            format!("    {stage}:\n      - {{ run: {run:?}, on: h2 }}\n")
        };
        format!("  {when}:\n{}", stages.iter().map(hook).collect::<String>())
    };
    format!("hooks:\n{}{}", hook("before"), hook("after"))
}

fn in_order(stages: &[Stage]) -> Vec<String> {
    let both =
        |stage: &Stage| [format!("before {stage} {stage}"), format!("after {stage} {stage}")];
    stages.iter().flat_map(both).collect()
}

#[test]
fn a_command_goes_through_its_groups_with_a_wait_and_as_another_user() {
    let Some(site) = Site::up() else { return };
    site.recipe_at("restart", RESTART);

    site.0.ok("restart application=app").says("nobody");

    let times: Vec<f64> = site
        .0
        .hosts()
        .iter()
        .map(|host| host.sh("cat at").trim().parse().expect("a time"))
        .collect();
    let (first, second) = times.split_at(HOSTS / 2);
    let last = first.iter().copied().fold(0.0, f64::max);
    assert!(second.iter().all(|time| *time >= last + 1.0), "{times:?}");

    let refused = site.0.run("restart application=app as=nosuch").code(3);
    refused.says("nosuch");
}

const RESTART: &str = r#"
vars: { as: nobody }
steps:
  - run: date +%s.%N >/root/at
    in: { groups: 50%, wait: 1s }
  - run: [id, -un]
    become: "{{ as }}"
"#;

#[test]
fn a_group_that_is_not_well_stops_the_roll_and_takes_back_who_switched_if_that_is_wanted() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    site.released("r2");
    site.recipe_at("roll", &ROLL.replace("BACK", "true"));
    let ended = site.0.run("roll application=app release=r1").code(3);
    ended.says("h4").says("takes 4 hosts back to r2");
    site.all_have("r2");

    site.recipe_at("roll", &ROLL.replace("BACK", "false"));
    site.0.run("roll application=app release=r1").code(3).says("h4");
    let expected: Vec<_> = (0..HOSTS).map(|at| if at < 4 { "r1" } else { "r2" }).collect();
    assert_eq!(site.current(), expected);
}

const ROLL: &str = r#"
vars: { deploy_to: "/srv/{{ application }}" }
steps:
  - task: prove_release
    with: { deploy_to: "{{ deploy_to }}", release: "{{ release }}" }
  - switch:
      groups: 2
      health: [ { run: "test {{ host }} != h4" } ]
      rollback_on_failure: BACK
"#;

#[test]
fn a_secret_is_in_no_output_no_log_and_no_dry_run() {
    let Some(site) = Site::up() else { return };
    site.recipe(SECRET).build("r1");
    let run = |words: &str| -> Ended {
        let words = format!("{words} {} release=r1", super::DEPLOY);
        let mut command = site.0.murder(&words);
        command.env("PASSWORD", "hunter2hunter2").output().expect("nsenter is installed").into()
    };

    let all = [run("--dry-run").code(0), run("-v").code(3), run("--json").code(3)];

    for Ended { stdout, stderr, .. } in &all {
        assert!(!stdout.contains("hunter2") && !stderr.contains("hunter2"), "{stdout}{stderr}");
    }
    assert!(all[1].stdout.contains("got ***") || all[1].stderr.contains("got ***"));
    let everywhere = site.0.hosts().iter().chain([site.0.laptop()]);
    for host in everywhere {
        let found = host.try_sh("grep -rl --devices=skip hunter2 /root /srv /tmp").stdout;
        assert_eq!(String::from_utf8_lossy(&found), "", "on {}", host.name());
    }
}

/// Shows the secret in every way, and fails with it at last.
const SECRET: &str = r#"
include: [murder:deploy]
vars: { password: "{{ env('PASSWORD') }}" }
no_log: [password]
hooks:
  before:
    updated:
      - name: "log in with {{ password }}"
        run: [echo, got, "{{ password }}"]
      - run: "echo got $WORD; echo and {{ password | quote }} >&2"
        env: { WORD: "{{ password }}" }
      - run: [echo, unseen, "{{ password }}"]
        no_log: true
      - run: "echo refused {{ password }} >&2; exit 1"
        on: h6
"#;
