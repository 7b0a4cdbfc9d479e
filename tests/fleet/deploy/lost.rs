//! Hosts that are lost: before the release is staged, before the word, and just after it.

use std::time::{Duration, Instant};
use std::{fs, thread};

use super::{HOSTS, Site};
use crate::faults::{kill_role, signal_role};
use crate::net::{Host, Link};

#[test]
fn a_host_that_is_lost_before_it_is_staged_is_named_and_nobody_switches() {
    let Some(site) = Site::up() else { return };
    let host = site.0.host(3);
    site.released("r1");
    site.build("r2");
    let run = site.deploy_until("updating", "release=r2");
    host.set_link(Link::Down);
    site.open();

    let ended = run.end().code(3);

    let outcomes = ended.outcomes_of("deploy");
    assert_eq!(outcomes["h3"], "unreachable");
    assert_eq!(outcomes.values().filter(|outcome| *outcome == "skipped").count(), HOSTS - 1);
    site.all_have("r1");
    host.set_link(Link::Up);
    let said = site.0.ok("releases deploy_to=/srv/app").says("current    r1");
    assert!(!said.stdout.contains("staged"), "{}", said.stdout);
    site.released("r3");
}

#[test]
fn a_host_whose_agent_is_killed_before_the_word_keeps_all_back_or_within_the_tolerance_itself() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    site.build("r2");
    let run = site.deploy_until("publishing", "release=r2");
    kill_role(site.0.host(3), "role-warm");
    site.open();

    let ended = run.end().code(3);

    ended
        .says("nobody of these 8 was told to switch: no agent waits on h3, and none may be missing")
        .says("no agent waits on it any more: ");
    site.all_have("r1");

    site.build("r3");
    let run = site.deploy_until("publishing", "--max-fail-percentage 25 release=r3");
    kill_role(site.0.host(3), "role-warm");
    site.open();

    run.end().code(4).says("so it missed the word to switch");

    site.all_have_but("r3", 3, "r1");
    site.released("r4");
}

#[test]
fn hosts_that_are_lost_just_after_the_word_are_named_and_none_of_them_switches_later() {
    let Some(site) = Site::up() else { return };
    let [hangs, dies, unheard] = [3, 4, 5].map(|number| site.0.host(number));
    site.released("r1");
    site.build("r2");
    let mut run = site.deploy_until("publishing", "release=r2");
    signal_role(hangs, "role-warm", "STOP");
    signal_role(dies, "role-warm", "STOP");
    unheard.mute();
    site.open();
    run.until(|event| event["event"] == "host" && event["task"] == "switch");
    // The word has gone out.
    kill_role(dies, "role-warm");

    run.until(|event| event["task"] == "switch" && event["host"] == "h5");
    unheard.unmute();
    let ended = run.end().code(3).says("lost after it was told to switch");

    let lost = ended.outcomes_of("switch").into_iter().filter(|(_, outcome)| outcome == "failed");
    assert_eq!(lost.map(|(host, _)| host).collect::<Vec<_>>(), ["h3", "h4", "h5"]);
    // h5 has done what it was told; only its answer was lost.
    let now = ["r2", "r2", "r1", "r1", "r2", "r2", "r2", "r2"];
    assert_eq!(site.current(), now);
    // One that wakes up now finds that the word is old, or that its tracker was silent for long.
    signal_role(hangs, "role-warm", "CONT");
    until_it_logs(hangs, &["came too late", "no tracker: "]);
    assert_eq!(site.current(), now);
    let said = site.0.ok("releases deploy_to=/srv/app");
    said.says("6 hosts").says("2 hosts: h[3:4]  (differs from most)");

    site.0.run("deploy:rollback application=app").code(3).says("name one with release=");
    site.0.ok("deploy:rollback application=app release=r1");
    site.all_have("r1");
    site.released("r3");
}

/// Reads the log of the agent that waits on a host until it has one of these.
fn until_it_logs(host: &Host, texts: &[&str]) {
    let log = host.path("/root/.murder/log/warm.log");
    let begin = Instant::now();
    loop {
        let said = fs::read_to_string(&log).expect("an agent waits there");
        if texts.iter().any(|text| said.contains(text)) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{texts:?} not in {said}");
        thread::yield_now();
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
