//! The word on which a fleet switches to a release.

use std::path::PathBuf;

use crate::fleet_of;
use crate::net::{Fleet, Host};

const DEPLOY: &str = "deploy application=app files_path=/root/build";

/// The agent that waits on h3 stops when everything is staged, as on a host that hangs.
const HANGS: &str = r#"description: one host hangs at the switch
include: [murder:deploy]
hooks:
  before:
    publishing:
      - run: |
          for p in /proc/[0-9]*; do
            [ "$(tr '\0' ' ' <$p/cmdline | cut -d ' ' -f 2)" = role-warm ] && kill -STOP "${p#/proc/}"
          done; true
        on: h3
"#;

#[test]
fn a_host_that_hangs_at_the_word_is_named_does_not_switch_later_and_comes_with_the_next_deploy() {
    let Some(fleet) = fleet_of(4) else { return };
    fleet.write_inventory();
    fleet.ok("distribute_files");
    fleet.ok("start_tracker");
    fleet.host(1).sh("mkdir build; echo one >build/file");
    let recipes = fleet.laptop().path("/root/recipes");
    std::fs::create_dir_all(&recipes).expect("a folder on the laptop");
    std::fs::write(recipes.join("deploy.yaml"), HANGS).expect("a recipe");

    let ended = fleet.run(DEPLOY);

    let ended = ended.code(3).says("h3").says("lost after it was told to switch");
    ended.says("murder releases tells whether it did");
    assert_eq!(current(&fleet), [Some("one"), Some("one"), None, Some("one")].map(owned));
    fleet.run("attach").code(3).says("lost after it was told to switch");

    std::fs::remove_file(recipes.join("deploy.yaml")).expect("the recipe is there");
    fleet.host(1).sh("echo two >build/file");
    fleet.ok(DEPLOY);
    assert_eq!(current(&fleet), [Some("two"); 4].map(owned));
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

/// What the file of each host's current release says.
fn current(fleet: &Fleet) -> [Option<String>; 4] {
    [1, 2, 3, 4].map(|number| file(fleet.host(number)))
}

fn file(host: &Host) -> Option<String> {
    let link = std::fs::read_link(host.path("/srv/app/current")).ok()?;
    let file = PathBuf::from("/srv/app").join(link).join("file");
    let text = std::fs::read_to_string(host.path(file.to_str()?)).ok()?;
    Some(text.trim_end().to_owned())
}
