//! How a run ends, in every way it can.

use super::*;

const DESK: Watcher = Watcher(1);
const AGENT: AgentConn = AgentConn(7);

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn run_of(hosts: &[&str]) -> Run {
    let plan = Plan {
        id: RunId("r1".to_owned()),
        key: Secret("k".to_owned()),
        tag: "v1".parse().unwrap(),
        info_hash: Some(InfoHash([1; 20])),
        total: 1000,
        timeout: Duration::from_secs(600),
        uploaded_before: 50,
        opened: at(0),
    };
    Run::new(plan, hosts.iter().map(|host| (*host).to_owned()), Leases::default())
}

fn report(host: &str, phase: Phase, bytes: u64, outcome: Option<HostOutcome>) -> HostReport {
    HostReport {
        host: host.to_owned(),
        phase,
        bytes,
        total: 1000,
        uploaded: 0,
        downloaded: bytes,
        elapsed_ms: 1,
        outcome,
    }
}

fn message(run: &Run, host: &str) -> String {
    match &run.hosts[host].report.outcome {
        Some(HostOutcome::Failed(failure)) => failure.message.clone(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_run_is_over_once_each_host_has_an_outcome() {
    let mut run = run_of(&["a", "b"]);
    run.accepted(at(1), DESK, "a");
    assert_eq!(run.hello(at(2), "a", AGENT), Greeting::TakesPart);
    let ok = report("a", Phase::Done, 1000, Some(HostOutcome::Ok));
    assert_eq!(run.report(at(3), ok.clone()), Kept::Now);
    assert!(!run.is_over());
    run.gone(at(4), DESK, "b", HostOutcome::Skipped("no_release".to_owned()));
    assert!(run.is_over());
    assert_eq!((run.ended(), run.hosts()), (2, 2));
    assert_eq!(run.tally(), "1 ok, 0 failed, 1 skipped");
    assert_eq!(run.report(at(5), ok), Kept::Before);
}

#[test]
fn the_first_outcome_of_a_host_stands() {
    let mut run = run_of(&["a"]);
    run.hello(at(1), "a", AGENT);
    run.report(at(2), report("a", Phase::Done, 1000, Some(HostOutcome::Ok)));
    let revision = run.revision();
    run.gone(at(3), DESK, "a", HostOutcome::Skipped("x".to_owned()));
    run.report(at(3), report("a", Phase::Failed, 5, Some(HostOutcome::Skipped(String::new()))));
    assert_eq!(run.expire(at(4000), "t").len(), 0);
    assert_eq!(message(&run, "a"), "Some(Ok)");
    assert_eq!(run.revision(), revision);
    assert_eq!(run.hello(at(5), "a", AGENT), Greeting::HasOutcome);
}

#[test]
fn a_host_that_took_the_job_and_never_came_is_given_up() {
    let mut run = run_of(&["a"]);
    run.watcher_came(DESK, Came::Newly);
    run.accepted(at(10), DESK, "a");
    assert_eq!(run.expire(at(39), "10.0.0.1:8998").len(), 0);
    assert_eq!(run.expire(at(40), "10.0.0.1:8998").len(), 1);
    assert_eq!(message(&run, "a"), "took the job but never reached the tracker at 10.0.0.1:8998");
    assert_eq!(run.hosts["a"].report.elapsed_ms, 30_000);
    assert_eq!(run.hello(at(41), "a", AGENT), Greeting::GivenUp);
}

#[test]
fn a_host_that_is_silent_for_its_lease_is_given_up_where_it_was() {
    let mut run = run_of(&["a"]);
    run.hello(at(0), "a", AGENT);
    run.report(at(5), report("a", Phase::Downloading, 630, None));
    run.heard(at(20), "a");
    run.lost("a", AGENT);
    assert_eq!(run.expire(at(49), "t").len(), 0);
    assert_eq!(run.expire(at(50), "t").len(), 1);
    assert_eq!(message(&run, "a"), "went silent 30 s ago while downloading (63 %)");
}

#[test]
fn a_host_that_comes_back_within_its_lease_goes_on() {
    let mut run = run_of(&["a"]);
    run.hello(at(0), "a", AGENT);
    run.lost("a", AGENT);
    assert_eq!(run.hello(at(29), "a", AgentConn(8)), Greeting::TakesPart);
    run.lost("a", AGENT);
    assert_eq!(run.agents().collect::<Vec<_>>(), [AgentConn(8)]);
    assert_eq!(run.expire(at(31), "t").len(), 0);
}

#[test]
fn hosts_without_a_job_are_given_up_once_the_workstation_is_away_for_long() {
    let mut run = run_of(&["a", "b", "c"]);
    run.watcher_came(DESK, Came::Newly);
    run.accepted(at(1), DESK, "a");
    run.hello(at(2), "a", AGENT);
    run.hello(at(2), "b", AgentConn(8));
    assert_eq!(run.expire(at(20), "t").len(), 0);
    run.watcher_left(at(20), DESK);
    run.heard(at(40), "a");
    run.heard(at(40), "b");
    assert_eq!(run.expire(at(49), "t").len(), 0);
    assert_eq!(run.expire(at(50), "t").len(), 1);
    assert_eq!(message(&run, "c"), "the workstation went away before this host had the job");
}

#[test]
fn a_workstation_that_only_looks_on_does_not_keep_hosts_without_a_job_waiting() {
    let mut run = run_of(&["a"]);
    run.watcher_came(DESK, Came::Newly);
    run.watcher_left(at(5), DESK);
    run.watcher_came(Watcher(2), Came::Newly);
    assert_eq!(run.expire(at(35), "t").len(), 1);
}

#[test]
fn a_workstation_that_comes_back_and_goes_on_handing_out_does() {
    let mut run = run_of(&["a", "b"]);
    run.watcher_came(DESK, Came::Newly);
    run.watcher_left(at(5), DESK);
    run.accepted(at(6), Watcher(2), "a");
    run.hello(at(7), "a", AGENT);
    run.heard(at(60), "a");
    assert_eq!(run.expire(at(60), "t").len(), 0);
}

#[test]
fn a_run_that_nobody_ever_watched_does_not_wait_for_ever() {
    let mut run = run_of(&["a", "b"]);
    assert_eq!(run.expire(at(30), "t").len(), 2);
    assert!(run.is_over());
}

#[test]
fn a_host_that_takes_too_long_is_given_up_after_it_could_have_said_so_itself() {
    let mut run = run_of(&["a"]);
    run.hello(at(100), "a", AGENT);
    run.report(at(100), report("a", Phase::Downloading, 10, None));
    run.heard(at(714), "a");
    assert_eq!(run.expire(at(714), "t").len(), 0);
    assert_eq!(run.expire(at(715), "t").len(), 1);
    assert_eq!(message(&run, "a"), "not done within 600 s, still downloading (1 %)");
}

#[test]
fn a_watcher_sees_every_host_first_and_then_only_what_changed() {
    let mut run = run_of(&["a", "b"]);
    assert_eq!(run.changed_since(0).count(), 2);
    let seen = run.revision();
    run.accepted(at(1), DESK, "b");
    let names: Vec<_> = run.changed_since(seen).map(|report| report.host.as_str()).collect();
    assert_eq!(names, ["b"]);
    let seen = run.revision();
    run.heard(at(2), "b");
    assert_eq!(run.revision(), seen);
}

#[test]
fn the_seeders_upload_counts_from_the_runs_begin() {
    let mut run = run_of(&["a"]);
    run.seeders_sent(at(1), 50);
    assert_eq!(run.seeder_uploaded(), 0);
    run.seeders_sent(at(1), 1050);
    assert_eq!(run.seeder_uploaded(), 1000);
}

#[test]
fn a_seeder_has_a_moment_after_the_end_to_say_what_it_sent() {
    let mut run = run_of(&["a"]);
    run.gone(at(1), DESK, "a", HostOutcome::Ok);
    run.count([AGENT]);
    assert!(run.is_over() && run.is_counting(at(1)));
    run.seeders_sent(at(1), 150);
    assert!(!run.is_counting(at(2)));
    run.seeders_sent(at(2), 999);
    assert_eq!(run.seeder_uploaded(), 100);
}

#[test]
fn nobody_waits_for_the_count_once_every_seeder_has_answered_or_gone() {
    let mut run = run_of(&["a"]);
    run.gone(at(1), DESK, "a", HostOutcome::Ok);
    assert!(!run.is_counting(at(1)), "there is no seeder");
    run.count([AgentConn(7), AgentConn(8)]);
    run.counted(AgentConn(7));
    assert!(run.is_counting(at(1)));
    run.counted(AgentConn(8));
    assert!(!run.is_counting(at(1)));
}

#[test]
fn a_run_survives_a_restart_of_the_tracker_and_gives_everybody_a_new_lease() {
    let mut run = run_of(&["a", "b", "c"]);
    run.hello(at(0), "a", AGENT);
    run.accepted(at(1), DESK, "b");
    run.gone(at(1), DESK, "c", HostOutcome::Ok);
    let kept = serde_json::to_string(&run).unwrap();
    let mut run: Run = serde_json::from_str(&kept).unwrap();
    run.resume(at(100));
    assert_eq!((run.ended(), run.hosts()), (1, 3));
    assert_eq!(run.expire(at(129), "t").len(), 0);
    assert_eq!(run.expire(at(130), "t").len(), 2);
    assert!(run.is_over());
}

#[test]
fn an_unknown_host_is_no_part_of_the_run() {
    let mut run = run_of(&["a"]);
    assert_eq!(run.hello(at(0), "x", AGENT), Greeting::Unknown);
    assert_eq!(run.report(at(0), report("x", Phase::Done, 0, Some(HostOutcome::Ok))), Kept::Open);
    run.accepted(at(0), DESK, "x");
    assert_eq!((run.hosts(), run.ended()), (1, 0));
}

#[test]
fn a_workstation_that_was_cut_off_goes_on_handing_out() {
    let mut run = run_of(&["a"]);
    run.watcher_came(DESK, Came::Newly);
    let kept = serde_json::to_string(&run).unwrap();
    let mut run: Run = serde_json::from_str(&kept).unwrap();
    run.resume(at(10));
    run.watcher_came(Watcher(1), Came::Again);
    assert_eq!(run.expire(at(60), "t").len(), 0);
}

#[test]
fn a_workstation_that_says_nothing_for_long_hands_out_nothing() {
    let mut run = run_of(&["a"]);
    run.watcher_came(DESK, Came::Newly);
    assert_eq!(run.expire(at(599), "t").len(), 0);
    assert_eq!(run.expire(at(600), "t").len(), 1);
}

fn switch_of(hosts: &[&str]) -> Run {
    let plan = Plan { info_hash: None, timeout: Duration::from_secs(30), ..run_of(&[]).plan };
    Run::switch(plan, hosts.iter().map(|host| (*host).to_owned()), Leases::default())
}

#[test]
fn a_switch_is_over_once_each_host_has_answered_whoever_watches() {
    let mut run = switch_of(&["a", "b"]);
    run.switched(at(1), "a", HostOutcome::Ok);
    run.cut_off("a");
    assert!(!run.is_over());
    run.switched(at(2), "b", HostOutcome::Failed(verdict::untold(None)));
    assert!(run.is_over() && !run.is_counting(at(2)), "no seeder has anything to say");
    assert_eq!(message(&run, "a"), "Some(Ok)");
    assert_eq!(message(&run, "b"), "no agent waits on it, so it missed the word to switch");
    assert_eq!(run.hosts["a"].report.elapsed_ms, 1000);
}

#[test]
fn a_host_that_was_told_to_switch_is_given_up_only_when_it_can_not_do_so_any_more() {
    let mut run = switch_of(&["cut off", "silent"]);
    run.cut_off("cut off");
    assert_eq!(run.expire(at(VALID.as_secs() + 9), "t").len(), 0);
    assert_eq!(run.expire(at(VALID.as_secs() + 10), "t").len(), 1);
    assert_eq!(message(&run, "cut off"), "lost after it was told to switch");
    assert_eq!(run.expire(at(29), "t").len(), 0);
    assert_eq!(run.expire(at(30), "t").len(), 1);
    assert_eq!(message(&run, "silent"), "lost after it was told to switch");
}

#[test]
fn after_a_restart_no_answer_to_the_word_to_switch_can_come_any_more() {
    let mut run = switch_of(&["a"]);
    let kept = serde_json::to_string(&run).unwrap();
    run = serde_json::from_str(&kept).unwrap();
    run.resume(at(5));
    assert_eq!(run.expire(at(19), "t").len(), 0);
    assert_eq!(run.expire(at(20), "t").len(), 1);
}
