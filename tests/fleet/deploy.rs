//! Deploys on hosts with a real `sshd` each.

mod failures;
mod layout;
mod reader;
mod stages;
mod turns;

use std::fs;

use crate::fleet_of;
use crate::murder::Ended;
use crate::net::{Fleet, Host};

/// How many hosts an application has here.
const HOSTS: usize = 8;
const DEPLOY: &str = "deploy application=app files_path=/root/build";

/// A fleet with an application at `/srv/app`, whose build is on the seeder.
struct Site(Fleet);

impl Site {
    /// A fleet on which the tracker runs and the agents wait, so that a deploy need start neither.
    fn up() -> Option<Self> {
        let fleet = fleet_of(HOSTS)?;
        fleet.write_inventory();
        fleet.ok("distribute_files");
        fleet.ok("start_tracker");
        fleet.ok("warm");
        fleet.host(1).sh("mkdir build");
        fs::create_dir_all(fleet.laptop().path("/root/recipes")).expect("a folder on the laptop");
        Some(Self(fleet))
    }

    /// The build whose two files have the text.
    fn build(&self, text: &str) -> &Self {
        self.0.host(1).sh(&format!("echo {text} | tee build/file >build/other"));
        self
    }

    /// From now on this is the project's own way to deploy.
    fn recipe(&self, yaml: &str) -> &Self {
        self.recipe_at("deploy", yaml)
    }

    fn recipe_at(&self, name: &str, yaml: &str) -> &Self {
        let text = format!("description: as the test has it\n{yaml}");
        let path = self.0.laptop().path(&format!("/root/recipes/{name}.yaml"));
        fs::write(path, text).expect("a recipe");
        self
    }

    fn deploy(&self, words: &str) -> Ended {
        self.0.run(&format!("{DEPLOY} {words}"))
    }

    /// The release with the name, with `build` in both files.
    #[track_caller]
    fn released(&self, name: &str) {
        self.build(name).deploy(&format!("release={name}")).code(0);
        self.all_have(name);
    }

    #[track_caller]
    fn all_have(&self, text: &str) {
        assert_eq!(self.current(), vec![text; HOSTS]);
    }

    /// What each host's current release says, or nothing where there is none.
    fn current(&self) -> Vec<String> {
        self.0.hosts().iter().map(|host| read(host, "current/file")).collect()
    }
}

/// A file of the application; empty where there is none.
fn read(host: &Host, path: &str) -> String {
    let text = host.try_sh(&format!("cat /srv/app/{path}")).stdout;
    String::from_utf8_lossy(&text).trim_end().to_owned()
}
