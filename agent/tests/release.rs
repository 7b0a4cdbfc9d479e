//! Releases and the lock of deploys, through the executable as the workstation uses it.

#[path = "support/installed.rs"]
mod installed;

use std::fs;

use murder_protocol::verbs::{
    DeployLock, DeployLockReply, DeployUnlock, LockHolder, Release, ReleaseCheck, ReleaseDone,
    ReleaseOrder, ReleaseStage, ReleaseSwitch, SwitchKind,
};
use murder_protocol::{Failure, Tag};

use installed::Installed;

struct Host {
    agent: Installed,
}

impl Host {
    fn order(&self, order: ReleaseOrder) -> Result<ReleaseDone, Failure> {
        self.agent.call(&Release { order })
    }

    fn deploy_to(&self) -> String {
        self.agent.path("app").to_str().unwrap().to_owned()
    }

    fn deploy(&self, release: &str) -> ReleaseDone {
        let (deploy_to, tag) = (self.deploy_to(), release.parse::<Tag>().unwrap());
        let linked_dirs = vec!["log".to_owned()];
        let check = ReleaseCheck {
            deploy_to: deploy_to.clone(),
            release: tag.clone(),
            linked_files: Vec::new(),
            linked_dirs: linked_dirs.clone(),
        };
        self.order(ReleaseOrder::Prepare(check)).unwrap();
        let tree = self.agent.path("app/releases").join(release);
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("file"), release).unwrap();
        let stage = ReleaseStage {
            deploy_to: deploy_to.clone(),
            release: tag.clone(),
            revision: format!("revision-of-{release}"),
            linked_files: Vec::new(),
            linked_dirs,
        };
        self.order(ReleaseOrder::Stage(stage)).unwrap();
        let (by, why) = ("ada@laptop".to_owned(), SwitchKind::Deploy);
        let switch = ReleaseSwitch { deploy_to, release: tag, by, why };
        self.order(ReleaseOrder::Switch(switch)).unwrap()
    }
}

#[test]
fn two_releases_are_prepared_staged_and_switched_to() {
    let host = Host { agent: Installed::new() };
    host.deploy("r1");
    let done = host.deploy("r2");
    assert_eq!(done.did, ["switches current from r1 to r2"]);
    let [current, previous] =
        [done.releases.current, done.releases.previous].map(|it| it.unwrap().to_string());
    assert_eq!([current, previous], ["r2", "r1"]);
    assert!(done.releases.complete.iter().all(|entry| entry.switched_unix.is_some()));
    assert_eq!(fs::read_to_string(host.agent.path("app/current/file")).unwrap(), "r2");
    fs::write(host.agent.path("app/releases/r1/log/x"), "from r1").unwrap();
    assert_eq!(fs::read_to_string(host.agent.path("app/current/log/x")).unwrap(), "from r1");
}

#[test]
fn a_home_is_the_one_of_the_user_that_logs_in() {
    let agent = Installed::new();
    let check = ReleaseCheck {
        deploy_to: "~/app".to_owned(),
        release: "r1".parse().unwrap(),
        linked_files: Vec::new(),
        linked_dirs: Vec::new(),
    };
    let done = agent.call(&Release { order: ReleaseOrder::Check(check) }).unwrap();
    let home = std::env::var("HOME").unwrap();
    assert_eq!(done.did[0], format!("makes {home}/app/releases"));
    assert_eq!(done.releases.current, None);
}

#[test]
fn the_lock_of_deploys_outlives_the_agent_that_took_it() {
    let agent = Installed::new();
    let lock = |who: &str| {
        let holder = LockHolder {
            who: who.to_owned(),
            what: "deploy of r1".to_owned(),
            chance: who.to_owned(),
            seconds: 60,
        };
        agent.call(&DeployLock { application: "/srv/app".to_owned(), holder }).unwrap()
    };
    let unlock = |chance: Option<&str>| {
        let chance = chance.map(str::to_owned);
        agent.call(&DeployUnlock { application: "/srv/app".to_owned(), chance }).unwrap().released
    };
    assert_eq!(lock("ada"), DeployLockReply::Taken);
    let DeployLockReply::Held(held) = lock("bob") else { panic!("ada has it") };
    assert_eq!(held.holder.who, "ada");
    assert_eq!(unlock(Some("bob")), None);
    assert_eq!(unlock(None).unwrap().holder.who, "ada");
    assert_eq!(lock("bob"), DeployLockReply::Taken);
}
