//! Deploys on hosts with a real `sshd` each.

mod failures;
mod first;
mod layout;
mod lost;
mod reader;
mod stages;
mod turns;
mod users;

use std::fs;

use crate::fleet_of;
use crate::murder::{Ended, Following};
use crate::net::{Fleet, Host};

/// How many hosts an application has here.
const HOSTS: usize = 8;
const DEPLOY: &str = "deploy application=app files_path=/root/build";

/// The project's recipe where it adds nothing to the shipped one.
const PLAIN: &str = "include: [murder:deploy]";

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

    /// A deploy that is about to enter this stage, and does so with [`Site::open`]. From then on
    /// nothing goes by SSH to any host but h1 before the switch.
    fn deploy_until(&self, stage: &str, words: &str) -> Following {
        self.recipe(&format!(
            "{PLAIN}\nhooks:\n  before:\n    {stage}:\n      - {{ name: the gate, run: [cat, \
             /root/gate], on: h1, run_once: true }}\n"
        ));
        self.0.host(1).sh("rm -f gate; mkfifo gate");
        let mut run = self.0.follow(&format!("{DEPLOY} {words}"));
        run.until(|event| event["message"] == "run the gate");
        self.recipe(PLAIN);
        run
    }

    fn open(&self) {
        self.0.host(1).sh("echo go >gate");
    }

    /// The release with the name, with its name in both files.
    #[track_caller]
    fn released(&self, name: &str) {
        self.build(name).deploy(&format!("release={name}")).code(0);
        self.all_have(name);
    }

    #[track_caller]
    fn all_have(&self, text: &str) {
        assert_eq!(self.current(), vec![text; HOSTS]);
    }

    /// The others have this, and one host still has that.
    #[track_caller]
    fn all_have_but(&self, text: &str, number: usize, other: &str) {
        let mut expected = vec![text; HOSTS];
        expected[number - 1] = other;
        assert_eq!(self.current(), expected);
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
