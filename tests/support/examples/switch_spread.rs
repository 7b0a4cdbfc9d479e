//! How far apart the hosts of a fleet switch to a release, once the tracker has the word: the time
//! between the first and the last change of `current`, and that from the word to the last.
//!
//! `switch_spread MURDER HOSTS ROUNDS`; all hosts are on this machine, and so have one clock.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use murder_testfleet::{Fleet, Host, PROGRAMS, Plan};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [murder, hosts, rounds] = words.as_slice() else {
        panic!("switch_spread MURDER HOSTS ROUNDS");
    };
    let murder = Path::new(murder).canonicalize().expect("the path of murder");
    let hosts = hosts.parse().expect("a number of hosts");
    let rounds: usize = rounds.parse().expect("a number of rounds");
    let fleet = Fleet::up(&Plan { hosts, sshd: true, programs: vec![murder] });
    let names: String =
        fleet.hosts().iter().map(|host| format!("    {}:\n", host.name())).collect();
    let text = format!(
        "all:\n  hosts:\n{names}  children:\n    tracker: {{ hosts: {{ h1: }} }}\n    seeder: {{ \
         hosts: {{ h1: }} }}\n"
    );
    std::fs::write(fleet.laptop().path("/root/inventory.yaml"), text).expect("an inventory");
    for task in ["distribute_files", "start_tracker", "warm"] {
        let mut command = fleet.laptop().command(&format!("{PROGRAMS}/murder"));
        assert!(command.args(["-q", task]).status().expect("nsenter is installed").success());
    }
    println!("round  first ms  last ms  spread ms");
    for round in 1..=rounds {
        let (first, last) = switch(&fleet, &format!("r{round}"));
        let ms = |span: Duration| span.as_secs_f64() * 1000.0;
        println!("{round:5}  {:8.1}  {:7.1}  {:9.1}", ms(first), ms(last), ms(last - first));
    }
}

/// When the first and the last host had switched, since the word was given.
fn switch(fleet: &Fleet, release: &str) -> (Duration, Duration) {
    let each = |order: &dyn Fn(&Host) -> String| {
        fleet.hosts().iter().map(order).collect::<Vec<_>>().join(",")
    };
    let place = |host: &Host| {
        let (name, rest) = (host.name(), "\"linked_files\":[],\"linked_dirs\":[]");
        format!(
            "{{\"host\":\"{name}\",\"order\":{{\"stage\":{{\"deploy_to\":\"/root/app\",\"release\":\
             \"{release}\",\"revision\":\"{release}\",{rest}}}}}}}"
        )
    };
    for host in fleet.hosts() {
        host.sh(&format!(
            "mkdir -p app/releases/{release}; echo {release} >app/releases/{release}/file"
        ));
    }
    ask(fleet, "release-out", &format!("{{\"orders\":[{}],\"seconds\":60}}", each(&place)));
    let order = |host: &Host| {
        format!(
            "{{\"host\":\"{}\",\"switch\":{{\"deploy_to\":\"/root/app\",\"release\":\"{release}\",\
             \"by\":\"ada@laptop\",\"why\":\"deploy\"}}}}",
            host.name()
        )
    };
    let orders = each(&order);
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    ask(fleet, "switch-out", &format!("{{\"release\":\"{release}\",\"orders\":[{orders}]}}"));
    let mut at = Vec::new();
    for host in fleet.hosts() {
        at.push(switched(host, release) - begin);
    }
    (at.iter().min().copied().unwrap_or_default(), at.iter().max().copied().unwrap_or_default())
}

/// When the host's `current` became this release; waits until it is.
fn switched(host: &Host, release: &str) -> Duration {
    let current = host.path("/root/app/current");
    while std::fs::read_link(&current).ok() != Some(Path::new("releases").join(release)) {
        std::thread::yield_now();
    }
    let changed = std::fs::symlink_metadata(&current).expect("it is there");
    let nanoseconds = u32::try_from(changed.ctime_nsec()).expect("less than a second");
    Duration::new(u64::try_from(changed.ctime()).expect("after 1970"), nanoseconds)
}

/// Asks the tracker, on its host.
fn ask(fleet: &Fleet, verb: &str, request: &str) {
    let mut command = fleet.host(1).command("sh");
    command.args(["-c", &format!("exec .murder/bin/murder-agent {verb}")]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("nsenter is installed");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    writeln!(stdin, "{{\"protocol\":2,\"request\":{request}}}").expect("the agent reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the agent ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("refused"), "{verb}: {said}");
}
