//! Releases on hosts where agents wait, as the tracker has them staged and switched.

use std::path::{Path, PathBuf};

use murder_agent::tracker::admin::AdminRequest;
use murder_agent::tracker::ask::Asking;
use murder_protocol::verbs::{
    HostOrder, ReleaseCheck, ReleaseOrder, ReleaseOut, ReleaseStage, ReleaseSwitch, Role,
    SwitchKind, SwitchOrder, SwitchOut, SwitchOutReply, Watch, WatchReply,
};
use murder_protocol::{FleetEvent, Frame, HostOutcome, Tag};

use rustix::process::{Pid, Signal, kill_process};

use crate::fleet::Fleet;
use crate::host::{Host, wait_for};
use crate::warm::start;

#[test]
fn hosts_that_wait_stage_a_release_and_all_switch_at_one_word() {
    let fleet = Fleet::new(1000);
    let hosts = [Host::new("one"), Host::new("two"), Host::new("cold")];
    for host in &hosts[..2] {
        start(&fleet, host, 600).unwrap();
    }
    for (name, text) in [("r1", "old"), ("r2", "new")] {
        give_out(&fleet, &hosts[..2], |host| ReleaseOrder::Prepare(check(host, name)));
        for host in &hosts {
            let tree = deploy_to(host).join("releases").join(name);
            std::fs::create_dir_all(&tree).unwrap();
            std::fs::write(tree.join("file"), text).unwrap();
        }
        give_out(&fleet, &hosts[..2], |host| ReleaseOrder::Stage(stage(host, name)));
        let outcomes = switch(&fleet, &hosts, name);
        assert_eq!(outcomes[1..], [HostOutcome::Ok, HostOutcome::Ok], "{}", log(&hosts[0]));
        assert!(matches!(&outcomes[0], HostOutcome::Failed(failure)
            if failure.message == "no agent waits on it, so it missed the word to switch"));
        for host in &hosts[..2] {
            let current = deploy_to(host).join("current/file");
            assert_eq!(std::fs::read_to_string(current).unwrap(), text);
        }
        assert!(!deploy_to(&hosts[2]).join("current").exists());
    }
}

#[test]
fn a_host_whose_release_is_not_complete_does_not_switch_and_says_so() {
    let fleet = Fleet::new(1000);
    let host = Host::new("one");
    start(&fleet, &host, 600).unwrap();
    std::fs::create_dir_all(deploy_to(&host).join("releases/r1")).unwrap();
    let outcomes = switch(&fleet, std::slice::from_ref(&host), "r1");
    assert!(matches!(&outcomes[..], [HostOutcome::Failed(_)]), "{outcomes:?}");
    assert!(!deploy_to(&host).join("current").exists());
}

#[test]
fn a_host_that_hangs_when_the_word_comes_does_not_switch_when_it_wakes_up() {
    let fleet = Fleet::new(1000);
    let host = Host::new("one");
    let agent = Pid::from_raw(start(&fleet, &host, 600).unwrap().pid.cast_signed()).unwrap();
    std::fs::create_dir_all(deploy_to(&host).join("releases/r1")).unwrap();
    let hosts = std::slice::from_ref(&host);
    give_out(&fleet, hosts, |host| ReleaseOrder::Stage(stage(host, "r1")));

    kill_process(agent, Signal::STOP).unwrap();
    let outcomes = switch(&fleet, hosts, "r1");
    let [HostOutcome::Failed(failure)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(failure.message, "lost after it was told to switch");
    assert_eq!(failure.hint.as_deref(), Some("murder releases tells whether it did"));
    kill_process(agent, Signal::CONT).unwrap();

    // By then whatever had come before is read.
    let back = || log(&host).matches("waits for the tracker").count() == 2;
    wait_for(|| back().then_some(())).unwrap_or_else(|| panic!("{}", log(&host)));
    assert!(!deploy_to(&host).join("current").exists());
}

fn give_out(fleet: &Fleet, hosts: &[Host], order: impl Fn(&Host) -> ReleaseOrder) {
    let orders = hosts.iter().map(|host| HostOrder { host: host.name.clone(), order: order(host) });
    fleet.tracker.call(&ReleaseOut { orders: orders.collect(), seconds: 30 }).unwrap();
}

/// How each host ended, by name.
fn switch(fleet: &Fleet, hosts: &[Host], name: &str) -> Vec<HostOutcome> {
    let order = |host: &Host| SwitchOrder {
        host: host.name.clone(),
        switch: ReleaseSwitch {
            deploy_to: text(&deploy_to(host)),
            release: release(name),
            by: "ada@laptop".to_owned(),
            why: SwitchKind::Deploy,
        },
    };
    let orders = hosts.iter().map(order).collect();
    let request = SwitchOut { release: release(name), may_miss: 1, orders };
    let told = fleet.tracker.call(&request).unwrap();
    let SwitchOutReply::Told(run) = told else { panic!("{told:?}") };
    let watch = AdminRequest::Watch(Watch { run });
    let mut tracker = Asking::begin(&fleet.tracker.home(), &watch).unwrap();
    let reply = loop {
        match tracker.frame::<FleetEvent, WatchReply>().unwrap() {
            Some(Frame::Event(_)) => {}
            Some(Frame::Reply(reply)) => break reply,
            other => panic!("{other:?}"),
        }
    };
    reply.reports.into_iter().filter_map(|report| report.outcome).collect()
}

fn check(host: &Host, name: &str) -> ReleaseCheck {
    ReleaseCheck {
        deploy_to: text(&deploy_to(host)),
        release: release(name),
        linked_files: Vec::new(),
        linked_dirs: Vec::new(),
    }
}

fn stage(host: &Host, name: &str) -> ReleaseStage {
    ReleaseStage {
        deploy_to: text(&deploy_to(host)),
        release: release(name),
        revision: name.to_owned(),
        linked_files: Vec::new(),
        linked_dirs: Vec::new(),
    }
}

fn deploy_to(host: &Host) -> PathBuf {
    host.path("srv/app")
}

fn release(name: &str) -> Tag {
    name.parse().unwrap()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn log(host: &Host) -> String {
    std::fs::read_to_string(host.home().role_log(Role::Warm, None)).unwrap_or_default()
}
