//! Whole outputs of the three readers, from events and a virtual clock.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{InMemoryTerm, TermLike as _};
use murder::cli::{self, Typed};
use murder::fleet::{HostResult, Outcome};
use murder::report::{
    Bars, Data, Desk, Event, FailedHosts, GoesOn, Json, Line, Paint, Plain, Reader, Screen, Size,
    Talk,
};
use murder::settings::{Invocation, TaskName, Verbosity};
use murder_protocol::{Blame, Failure, FleetEvent, HostReport, Phase};

#[test]
fn a_log_has_a_line_when_counts_change_and_a_summary() {
    let mut play = Play::plain("plain", Verbosity::Normal);
    play.small_run();
    assert_eq!(
        play.talk(),
        "    1s  peer: 4 connecting
    7s  peer: 1 starting, 2 downloading, 1 unreachable; 24.0 MiB of 144.0 MiB, 3.4 MiB/s, 35s left
   12s  peer: 1 downloading, 1 done, 1 failed, 1 unreachable; 84.0 MiB of 96.0 MiB, 7.0 MiB/s, 2s left
peer: 2 ok, 1 failed, 1 unreachable in 15.5s
  hosts took   p50 12.0s, p95 15.5s, last 15.5s (web2)
  moved        96.0 MiB at 6.2 MiB/s over the fleet
  seeder sent  1.06 times the archive of 48.0 MiB
failed web3: /srv: no space left on device (free some)
unreachable db-a: connection refused
try these hosts again:
  murder -i prod.yaml --limit @STATE/failed-peer.txt peer destination_path=/srv tag=v1
"
    );
    assert_eq!(play.failed_hosts(TaskName::Peer), "web3\ndb-a\n");
    assert_eq!(play.data(), "");
}

#[test]
fn json_has_one_object_a_line_and_nothing_else() {
    let mut play = Play::json("json", Verbosity::Normal);
    play.small_run();
    assert_eq!(play.talk(), "");
    assert_eq!(
        play.data(),
        r#"{"event":"progress","task":"peer","seconds":1.0,"hosts":4,"connecting":4,"starting":0,"downloading":0,"verifying":0,"extracting":0,"done":0,"skipped":0,"failed":0,"unreachable":0,"bytes":0,"total_bytes":201326592,"bytes_per_second":0}
{"event":"host","host":"db-a","task":"peer","outcome":"unreachable","error":"connection refused","seconds":2.0}
{"event":"progress","task":"peer","seconds":2.0,"hosts":4,"connecting":3,"starting":0,"downloading":0,"verifying":0,"extracting":0,"done":0,"skipped":0,"failed":0,"unreachable":1,"bytes":0,"total_bytes":150994944,"bytes_per_second":0}
{"event":"progress","task":"peer","seconds":7.0,"hosts":4,"connecting":0,"starting":1,"downloading":2,"verifying":0,"extracting":0,"done":0,"skipped":0,"failed":0,"unreachable":1,"bytes":25165824,"total_bytes":150994944,"bytes_per_second":3595117}
{"event":"host","host":"web3","task":"peer","outcome":"failed","error":"/srv: no space left on device (free some)","seconds":8.0}
{"event":"progress","task":"peer","seconds":8.0,"hosts":4,"connecting":0,"starting":0,"downloading":2,"verifying":0,"extracting":0,"done":0,"skipped":0,"failed":1,"unreachable":1,"bytes":25165824,"total_bytes":100663296,"bytes_per_second":3145728}
{"event":"progress","task":"peer","seconds":12.0,"hosts":4,"connecting":0,"starting":0,"downloading":1,"verifying":0,"extracting":0,"done":1,"skipped":0,"failed":1,"unreachable":1,"bytes":88080384,"total_bytes":100663296,"bytes_per_second":7340032}
{"event":"host","host":"web1","task":"peer","outcome":"ok","error":null,"seconds":12.0}
{"event":"progress","task":"peer","seconds":15.5,"hosts":4,"connecting":0,"starting":0,"downloading":0,"verifying":0,"extracting":0,"done":2,"skipped":0,"failed":1,"unreachable":1,"bytes":100663296,"total_bytes":100663296,"bytes_per_second":8882055}
{"event":"host","host":"web2","task":"peer","outcome":"ok","error":null,"seconds":15.5}
{"event":"summary","task":"peer","ok":2,"failed":1,"unreachable":1,"skipped":0,"bytes":100663296,"seconds":15.5,"p50_seconds":12.0,"p95_seconds":15.5,"max_seconds":15.5,"last_host":"web2","archive_bytes":50331648,"seeder_copies":1.06}
"#
    );
    for line in play.data().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object());
    }
}

#[test]
fn a_narrow_terminal_shows_one_bar_the_counts_and_the_slowest_hosts() {
    let mut play = Play::bars("bars80", Verbosity::Normal);
    play.thousand_hosts();
    assert_eq!(
        play.frame(24, 80),
        "peer [===>                    ]  13%  6.5 GiB of 46.8 GiB  1.3 GiB/s  31s left
  40 connecting  60 starting  800 downloading  98 done  1 failed  1 unreachable
    web0100  connecting
    web0101  connecting
    web0102  connecting
    web0103  connecting
    web0104  connecting"
    );
    assert_eq!(play.frame(5, 80).lines().count(), 3, "a small terminal");
    assert_eq!(play.frame(1, 80).lines().count(), 1, "the smallest terminal");
}

#[test]
fn a_wide_terminal_has_a_wider_bar() {
    let mut play = Play::bars("bars200", Verbosity::Normal);
    play.thousand_hosts();
    let frame = play.frame(60, 200);
    assert_eq!(
        frame.lines().next().unwrap(),
        "peer [========>                                                   ]  13%  \
         6.5 GiB of 46.8 GiB  1.3 GiB/s  31s left"
    );
    assert!(frame.lines().all(|line| line.len() < 200));
}

#[test]
fn a_task_without_bytes_counts_hosts() {
    let mut play = Play::bars("hosts", Verbosity::Normal);
    play.at(0.0, &started(TaskName::DistributeFiles, &["web1", "web2", "web3", "web4"]));
    play.at(1.0, &ended("web2", Outcome::Skipped("it is there".into()), 1.0));
    play.at(3.0, &phase("web1", Phase::Starting));
    assert_eq!(
        play.frame(24, 80),
        "distribute_files [=========>                          ]  25%  1 of 4 hosts  3s
  2 connecting  1 starting  1 skipped
    web1  starting
    web3  connecting
    web4  connecting"
    );
}

#[test]
fn a_host_that_packs_says_how_far_it_is() {
    let mut play = Play::bars("pack", Verbosity::Normal);
    play.at(0.0, &started(TaskName::CreateTorrent, &["seed"]));
    for second in 1..=4 {
        let bytes = second << 20;
        let progress =
            Event::Progress { host: "seed".into(), what: "packing", bytes, total: 10 << 20 };
        play.at(second as f64, &progress);
    }
    assert_eq!(
        play.frame(24, 80),
        "create_torrent [======>        ]  40%  4.0 MiB of 10.0 MiB  1.0 MiB/s  6s left
  1 starting
    seed  packing       40%  4.0 MiB"
    );
}

#[test]
fn what_was_packed_is_not_what_was_moved() {
    let mut play = Play::plain("packed", Verbosity::Normal);
    play.at(0.0, &started(TaskName::CreateTorrent, &["seed"]));
    let (host, what) = ("seed".into(), "packing");
    play.at(0.5, &Event::Progress { host, what, bytes: 10 << 20, total: 10 << 20 });
    play.at(0.6, &ended("seed", Outcome::Ok(String::new()), 0.6));
    play.at(0.6, &Event::TaskEnded);
    assert_eq!(play.talk(), "create_torrent: 1 ok in 0.6s\n");
}

#[test]
fn many_hosts_with_the_same_reason_are_one_line_with_their_names() {
    let hosts: Vec<String> = (1..=30).map(|number| format!("web{number:02}")).collect();
    let names: Vec<_> = hosts.iter().map(String::as_str).collect();
    let mut play = Play::plain("fold", Verbosity::Quiet);
    play.at(0.0, &started(TaskName::StopSeeding, &names));
    for host in &names[..28] {
        play.at(1.0, &ended(host, Outcome::Unreachable(refused()), 1.0));
    }
    play.at(1.0, &ended("web29", Outcome::Ok("stopped".into()), 1.0));
    play.at(1.0, &ended("web30", Outcome::Skipped("nothing ran".into()), 1.0));
    play.at(2.0, &Event::TaskEnded);
    assert_eq!(
        play.talk(),
        "unreachable 28 hosts: connection refused
    web01, web02, web03, web04, web05, web06, web07, web08, web09, web10, web11,
    web12, web13, web14, web15, web16, web17, web18, web19, web20, web21, web22,
    web23, web24, web25, web26, web27, web28
try these hosts again:
  murder -i prod.yaml peer destination_path=/srv tag=v1
"
    );
}

#[test]
fn a_run_without_failures_is_silent_with_q() {
    let mut play = Play::plain("quiet", Verbosity::Quiet);
    play.at(0.0, &started(TaskName::StartTracker, &["tr"]));
    play.at(0.5, &Event::Note("worth knowing".into()));
    play.at(1.0, &ended("tr", Outcome::Ok("started".into()), 1.0));
    play.at(1.0, &Event::TaskEnded);
    assert_eq!((play.talk(), play.data()), (String::new(), String::new()));
}

#[test]
fn steps_and_ends_of_each_host_are_told_with_v() {
    let mut play = Play::plain("verbose", Verbosity::Verbose);
    play.at(0.0, &started(TaskName::StartTracker, &["tr"]));
    let text = "connected as deploy".into();
    play.at(0.3, &Event::Step { host: "tr".into(), text });
    play.at(0.8, &ended("tr", Outcome::Ok("listens on 10.0.0.1:8998".into()), 0.8));
    play.at(0.8, &Event::TaskEnded);
    assert_eq!(
        play.talk(),
        "    0.3s  tr: connected as deploy
    0.8s  tr: ok, listens on 10.0.0.1:8998
start_tracker: 1 ok in 0.8s
"
    );
}

#[test]
fn what_hosts_say_of_their_success_is_folded() {
    let mut play = Play::plain("details", Verbosity::Normal);
    play.at(0.0, &started(TaskName::DistributeFiles, &["a", "b", "c", "d"]));
    for host in ["a", "b", "c"] {
        play.at(0.5, &ended(host, Outcome::Skipped("the agent is there".into()), 0.5));
    }
    play.at(0.5, &ended("d", Outcome::Ok("pushed 1.1 MiB".into()), 0.5));
    play.at(0.5, &Event::TaskEnded);
    assert_eq!(
        play.talk(),
        "distribute_files: 1 ok, 3 skipped in 0.5s
  3 hosts: skipped, the agent is there
  d: pushed 1.1 MiB
"
    );
}

#[test]
fn a_task_of_tasks_says_how_each_ended_and_then_sums_up() {
    let mut play = Play::plain("nested", Verbosity::Normal);
    play.at(0.0, &started(TaskName::Distribute, &["a", "b"]));
    play.at(0.0, &started(TaskName::DistributeFiles, &["a", "b"]));
    play.at(0.4, &ended("a", Outcome::Ok(String::new()), 0.4));
    play.at(0.4, &ended("b", Outcome::Ok(String::new()), 0.4));
    play.at(0.5, &Event::TaskEnded);
    play.at(0.5, &started(TaskName::StartTracker, &["a"]));
    play.at(0.7, &ended("a", Outcome::Ok(String::new()), 0.2));
    play.at(0.7, &Event::TaskEnded);
    play.at(0.9, &Event::TaskEnded);
    assert_eq!(
        play.talk(),
        "distribute_files: 2 ok in 0.4s
start_tracker: 1 ok in 0.2s
distribute: 2 ok in 0.9s
  hosts took   p50 0.4s, p95 0.6s, last 0.6s (a)
"
    );
}

#[test]
fn the_times_of_a_task_of_tasks_are_those_of_the_peers() {
    let mut play = Play::plain("nested-times", Verbosity::Normal);
    play.at(0.0, &started(TaskName::Distribute, &["a", "b"]));
    play.at(0.0, &started(TaskName::Peer, &["a", "b"]));
    play.at(0.0, &Event::Archive { bytes: 48 << 20, run: None });
    let reports = ["a", "b"].map(|host| report(host, Phase::Done, 48 << 20)).into();
    play.at(0.1, &Event::Fleet(FleetEvent { reports, seeder_uploaded: 48 << 20 }));
    play.at(2.0, &ended("a", Outcome::Ok(String::new()), 2.0));
    play.at(3.0, &ended("b", Outcome::Ok(String::new()), 3.0));
    play.at(3.0, &Event::TaskEnded);
    play.at(4.0, &ended("a", Outcome::Ok(String::new()), 4.0));
    play.at(4.0, &ended("b", Outcome::Ok(String::new()), 4.0));
    play.at(4.0, &Event::TaskEnded);
    assert_eq!(
        play.talk(),
        "peer: 2 ok in 3.0s
distribute: 2 ok in 4.0s
  hosts took   p50 2.0s, p95 3.0s, last 3.0s (b)
  moved        96.0 MiB at 24.0 MiB/s over the fleet
  seeder sent  1.00 times the archive of 48.0 MiB
"
    );
}

#[test]
fn after_ctrl_c_one_is_told_how_to_follow_and_how_to_stop() {
    let event = Event::Interrupted(GoesOn::Peers("v1".parse().unwrap()));
    let mut play = Play::plain("interrupt", Verbosity::Normal);
    play.at(1.0, &event);
    play.at(1.0, &Event::Interrupted(GoesOn::Switch("r2".parse().unwrap())));
    play.at(1.0, &Event::Interrupted(GoesOn::Begun));
    play.at(1.0, &Event::Interrupted(GoesOn::Nothing));
    assert_eq!(
        play.talk(),
        "interrupted: murder stopped following; the hosts go on by themselves
  follow them again:  murder -i prod.yaml attach tag=v1
  stop them:          murder -i prod.yaml stop_peering tag=v1
interrupted: murder stopped following; hosts that were told to switch do so
  follow them again:  murder -i prod.yaml attach tag=r2
interrupted: murder stopped; a host may end what it had begun
  see what runs there:  murder -i prod.yaml status
interrupted: murder stopped, and nothing that it did goes on
"
    );
    let mut play = Play::json("interrupt-json", Verbosity::Normal);
    play.at(1.0, &event);
    assert_eq!(
        play.data(),
        r#"{"event":"interrupted","attach":"murder -i prod.yaml attach tag=v1","stop":"murder -i prod.yaml stop_peering tag=v1"}
"#
    );
}

#[test]
fn data_goes_to_stdout_in_the_form_that_was_asked_for() {
    let data = Data {
        text: "web1  seeding v1\n".into(),
        json: vec![serde_json::json!({"event": "status", "host": "web1"}).to_string()],
    };
    let mut play = Play::plain("data", Verbosity::Quiet);
    play.at(0.0, &Event::Data(data.clone()));
    assert_eq!((play.data(), play.talk()), ("web1  seeding v1\n".into(), String::new()));
    let mut play = Play::json("data-json", Verbosity::Quiet);
    play.at(0.0, &Event::Data(data));
    assert_eq!(play.data(), "{\"event\":\"status\",\"host\":\"web1\"}\n");
}

#[test]
fn colours_end_before_the_line_does() {
    let mut play = Play::bars_in("colours", Verbosity::Normal, Paint::ON);
    play.thousand_hosts();
    for columns in [20, 40, 60, 80] {
        for line in play.frame(24, columns).lines() {
            let (on, off) = (line.matches("\x1b[3").count(), line.matches("\x1b[0m").count());
            assert_eq!(on, off, "{columns}: {line:?}");
        }
    }
}

#[test]
fn a_terminal_of_any_size_never_scrolls_because_of_a_frame() {
    let mut play = Play::bars("screen", Verbosity::Normal);
    play.thousand_hosts();
    for (rows, columns) in [(24, 80), (60, 200), (4, 40), (2, 20), (24, 300)] {
        let terminal = InMemoryTerm::new(rows, columns);
        let mut screen = Screen::new(terminal.clone());
        let nothing: Option<fn()> = None;
        for second in 6..12_u64 {
            let now = Duration::from_secs(second);
            let frame = play.desk.frame(now, screen.size());
            screen.draw(frame, now, nothing);
            let shown = terminal.contents();
            assert!(shown.starts_with("peer ["), "{rows}x{columns}: {shown}");
            assert_eq!(shown.matches("peer [").count(), 1, "{rows}x{columns}: {shown}");
        }
        let said = || terminal.write_line("a note").unwrap();
        screen.draw(Vec::new(), Duration::from_secs(20), Some(said));
        assert_eq!(terminal.contents(), "a note");
    }
}

#[test]
fn ten_thousand_hosts_cost_little() {
    let hosts: Vec<String> = (0..10_000).map(|number| format!("web{number:05}")).collect();
    let mut play = Play::bars("large", Verbosity::Normal);
    let begin = Instant::now();
    play.at(0.0, &Event::TaskStarted { task: TaskName::Peer, hosts: hosts.clone() });
    play.at(0.0, &Event::Archive { bytes: 100, run: None });
    for round in 1..=20_u64 {
        let reports =
            hosts.iter().map(|host| report(host, Phase::Downloading, round * 5)).collect();
        let fleet = FleetEvent { reports, seeder_uploaded: round };
        play.at(round as f64, &Event::Fleet(fleet));
        assert_eq!(play.frame(24, 80).lines().count(), 7);
    }
    for host in &hosts {
        play.at(21.0, &ended(host, Outcome::Ok(String::new()), 20.0));
    }
    play.at(21.0, &Event::TaskEnded);
    // 200,000 reports and 10,000 ends: some hundred times what a second of a real run brings. The
    // limit is for a debug build on a busy machine.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(play.talk().starts_with("peer: 10000 ok in 21.0s"));
}

/// A desk with one reader, and everything it said.
struct Play {
    desk: Desk,
    lines: Vec<Line>,
    now: Duration,
    state: PathBuf,
}

impl Play {
    fn plain(name: &str, verbosity: Verbosity) -> Self {
        Self::with(name, Box::new(Plain::new(talk(verbosity, Paint::OFF))))
    }

    fn json(name: &str, verbosity: Verbosity) -> Self {
        Self::with(name, Box::new(Json::new(verbosity, invocation())))
    }

    fn bars(name: &str, verbosity: Verbosity) -> Self {
        Self::bars_in(name, verbosity, Paint::OFF)
    }

    fn bars_in(name: &str, verbosity: Verbosity, paint: Paint) -> Self {
        Self::with(name, Box::new(Bars::new(talk(verbosity, paint))))
    }

    fn with(name: &str, reader: Box<dyn Reader>) -> Self {
        let state = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{name}"));
        let failed = FailedHosts::in_folder(state.clone());
        let desk = Desk::new(vec![reader], invocation(), failed);
        Self { desk, lines: Vec::new(), now: Duration::ZERO, state }
    }

    fn at(&mut self, seconds: f64, event: &Event) {
        self.now = Duration::from_secs_f64(seconds);
        self.lines.extend(self.desk.handle(event, self.now));
        self.lines.extend(self.desk.tick(self.now));
    }

    /// One host goes through, one is slow, one has a full disk, one is down.
    fn small_run(&mut self) {
        self.at(0.0, &started(TaskName::Peer, &["web1", "web2", "web3", "db-a"]));
        self.at(0.0, &Event::Archive { bytes: 48 << 20, run: None });
        self.at(1.0, &phase("web1", Phase::Connecting));
        self.at(2.0, &ended("db-a", Outcome::Unreachable(refused()), 2.0));
        let reports = vec![
            report("web1", Phase::Downloading, 16 << 20),
            report("web2", Phase::Downloading, 8 << 20),
            report("web3", Phase::Starting, 0),
        ];
        let seeder_uploaded = 20 << 20;
        self.at(0.0, &Event::Fleet(FleetEvent { reports: Vec::new(), seeder_uploaded: 0 }));
        self.at(7.0, &Event::Fleet(FleetEvent { reports, seeder_uploaded }));
        let full = Failure::new(Blame::Host, "/srv: no space left on device").hint("free some");
        self.at(8.0, &ended("web3", Outcome::Failed(full), 8.0));
        let reports = vec![
            report("web1", Phase::Done, 48 << 20),
            report("web2", Phase::Downloading, 36 << 20),
        ];
        let seeder_uploaded = 53_351_547;
        self.at(12.0, &Event::Fleet(FleetEvent { reports, seeder_uploaded }));
        self.at(12.0, &ended("web1", Outcome::Ok(String::new()), 12.0));
        let reports = vec![report("web2", Phase::Done, 48 << 20)];
        self.at(15.5, &Event::Fleet(FleetEvent { reports, seeder_uploaded }));
        self.at(15.5, &ended("web2", Outcome::Ok(String::new()), 15.5));
        self.at(16.0, &Event::TaskEnded);
    }

    /// The middle of a large run.
    fn thousand_hosts(&mut self) {
        let hosts: Vec<String> = (0..1000).map(|number| format!("web{number:04}")).collect();
        self.at(0.0, &Event::TaskStarted { task: TaskName::Peer, hosts: hosts.clone() });
        self.at(0.0, &Event::Archive { bytes: 48 << 20, run: None });
        self.at(0.0, &Event::Fleet(FleetEvent::default()));
        let reports = hosts[140..].iter().enumerate().map(|(index, host)| match index {
            0..60 => report(host, Phase::Starting, 0),
            _ => report(host, Phase::Downloading, 5 << 19),
        });
        let reports = reports.collect();
        self.at(4.0, &Event::Fleet(FleetEvent { reports, seeder_uploaded: 50 << 20 }));
        let done = hosts[..98].iter().map(|host| report(host, Phase::Done, 48 << 20)).collect();
        self.at(5.0, &Event::Fleet(FleetEvent { reports: done, seeder_uploaded: 50 << 20 }));
        self.at(5.0, &ended("web0098", Outcome::Failed(refused()), 5.0));
        self.at(5.0, &ended("web0099", Outcome::Unreachable(refused()), 5.0));
    }

    fn frame(&self, rows: usize, columns: usize) -> String {
        self.desk.frame(self.now, Size { rows, columns }).join("\n")
    }

    fn talk(&self) -> String {
        let state = self.state.display().to_string();
        let talk = self.lines.iter().filter_map(|line| match line {
            Line::Talk(text) => Some(format!("{text}\n")),
            Line::Data(_) => None,
        });
        talk.collect::<String>().replace(&state, "STATE")
    }

    fn data(&self) -> String {
        let data = self.lines.iter().filter_map(|line| match line {
            Line::Data(text) => Some(format!("{text}\n")),
            Line::Talk(_) => None,
        });
        data.collect()
    }

    fn failed_hosts(&self, task: TaskName) -> String {
        std::fs::read_to_string(self.state.join(format!("failed-{task}.txt"))).unwrap()
    }
}

fn talk(verbosity: Verbosity, paint: Paint) -> Talk {
    Talk::new(paint, verbosity, invocation(), 80)
}

fn invocation() -> Invocation {
    let line = "-i prod.yaml peer tag=v1 destination_path=/srv";
    match cli::parse(line.split(' ').map(Into::into)).unwrap() {
        Typed::Task { options, task, values } => Invocation::new(&options, task, &values),
        other => panic!("{other:?}"),
    }
}

fn started(task: TaskName, hosts: &[&str]) -> Event {
    Event::TaskStarted { task, hosts: hosts.iter().map(|&host| host.to_owned()).collect() }
}

fn phase(host: &str, phase: Phase) -> Event {
    Event::HostPhase { host: host.into(), phase }
}

fn ended(host: &str, outcome: Outcome, seconds: f64) -> Event {
    let elapsed = Duration::from_secs_f64(seconds);
    Event::HostEnded(HostResult { host: host.into(), outcome, elapsed })
}

fn refused() -> Failure {
    Failure::new(Blame::Network, "connection refused")
}

fn report(host: &str, phase: Phase, bytes: u64) -> HostReport {
    HostReport {
        host: host.into(),
        phase,
        bytes,
        total: 48 << 20,
        uploaded: 0,
        downloaded: bytes,
        elapsed_ms: 0,
        outcome: None,
    }
}
