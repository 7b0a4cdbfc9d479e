//! Hosts that answer as no sshd should, and what is left when murder is interrupted meanwhile.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Output, Stdio};

use murder_testfleet::{Farm, Homes};
use rustix::process::{Pid, Signal, kill_process};

use crate::crowd::murder;
use crate::farm;

#[test]
fn a_host_that_lets_us_in_and_hangs_up_has_lost_the_connection() {
    let Some(farm) = farm("ForceCommand kill -KILL $PPID") else { return };
    let inventory = farm.inventory(1, Homes::Shared);
    let ran = murder(&farm, &inventory).args(["--limit", "h1", "status"]).output().unwrap();
    says(&ran, "failed h1: the connection was lost: ");
}

#[test]
fn a_host_that_takes_a_connection_and_says_nothing_is_told_from_one_that_is_down() {
    let Some(farm) = farm("") else { return };
    let silent = TcpListener::bind("127.1.0.2:0").unwrap();
    let ran = ask(&farm, &silent, "8s");
    says(&ran, "unreachable h1: it takes connections and says nothing: ");
}

#[test]
fn a_host_that_speaks_something_else_is_no_sshd() {
    let Some(farm) = farm("") else { return };
    let babbler = TcpListener::bind("127.1.0.2:0").unwrap();
    let listener = babbler.try_clone().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            // A TLS alert, as a web server says it.
            let _ = stream.write_all(b"\x15\x03\x01\x00\x02\x02\x28\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let ran = ask(&farm, &babbler, "2m");
    says(&ran, "unreachable h1: what answers there is no sshd: ");
}

#[test]
fn a_host_that_always_hangs_up_says_how_often_it_was_tried() {
    let Some(farm) = farm("") else { return };
    let rude = TcpListener::bind("127.1.0.2:0").unwrap();
    let listener = rude.try_clone().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let ran = ask(&farm, &rude, "8s");
    says(&ran, "unreachable h1: it hung up before its first word, ");
    says(&ran, " times: kex_exchange_identification: ");
}

#[test]
fn an_interrupted_murder_leaves_no_ssh_and_no_control_sockets() {
    let Some(farm) = farm("") else { return };
    let silent = TcpListener::bind("127.1.0.2:0").unwrap();
    let inventory = of_one(&farm, &silent, 8);
    let mut child = murder(&farm, &inventory)
        .args(["--forks", "8", "--limit", "peer", "status"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut streams: Vec<TcpStream> = (0..8).map(|_| silent.accept().unwrap().0).collect();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Each ends when its ssh does.
    for stream in &mut streams {
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
    assert_eq!(fs::read_dir(farm.folder().join("run")).unwrap().count(), 0);
}

/// `murder status` of a host that listens there, and has so long to answer.
fn ask(farm: &Farm, listener: &TcpListener, timeout: &str) -> Output {
    let inventory = of_one(farm, listener, 1);
    let words = ["--timeout", timeout, "--limit", "peer", "status"];
    murder(farm, &inventory).args(words).output().unwrap()
}

/// An inventory whose peers are all the same listener.
fn of_one(farm: &Farm, listener: &TcpListener, peers: usize) -> PathBuf {
    let at = listener.local_addr().unwrap();
    let (ip, port) = (at.ip(), at.port());
    let hosts: String = (1..=peers)
        .map(|number| format!("        h{number}: {{ansible_host: {ip}, ansible_port: {port}}}\n"))
        .collect();
    let first = "{ hosts: { h0: { ansible_host: 127.1.0.1 } } }";
    let yaml = format!(
        "all:\n  children:\n    tracker: {first}\n    seeder: {first}\n    peer:\n      \
         hosts:\n{hosts}"
    );
    let path = farm.folder().join("strange.yaml");
    fs::write(&path, yaml).unwrap();
    path
}

#[track_caller]
fn says(ran: &Output, text: &str) {
    let (stdout, stderr) =
        (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(stderr.contains(text), "{text:?} is not in\nstdout:\n{stdout}\nstderr:\n{stderr}");
}
