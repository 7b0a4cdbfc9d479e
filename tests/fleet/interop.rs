//! With BitTorrent programs of other people: from our seeder through our tracker, and from theirs
//! through opentracker.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use murder_protocol::PROTOCOL;
use serde_json::{Value, json};

use crate::fleet_of;
use crate::net::{Fleet, Host};
use crate::session::small_tree_on_the_seeder;
use crate::tree;

const TORRENT: &str = "/root/.murder/spool/v1.tgz.torrent";
const ARCHIVE: &str = "/root/.murder/spool/v1.tgz";

#[test]
fn aria2_downloads_from_our_seeder_through_our_tracker() {
    let Some(fleet) = fleet_of(2) else { return };
    seeded(&fleet);

    let tracker = format!("http://{}:8998/announce", fleet.host(1).address());
    let output = aria2(fleet.host(2), &tracker, &["--seed-time=0"]).output().unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    same_archive(&fleet, "/tmp/v1.tgz");
}

#[test]
fn libtorrent_downloads_from_our_seeder_through_our_tracker() {
    let Some(fleet) = fleet_of(2) else { return };
    seeded(&fleet);

    let tracker = format!("{}:8998", fleet.host(1).address());
    let output = libtorrent(fleet.host(2), "/tmp", &tracker).output().unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    same_archive(&fleet, "/tmp/v1.tgz");
}

#[test]
fn our_peer_downloads_from_a_libtorrent_seeder_through_opentracker() {
    let Some(fleet) = fleet_of(2) else { return };
    packed(&fleet);
    let mut tracker = Guard(opentracker(&fleet));
    let address = format!("{}:6969", fleet.host(1).address());
    let mut seeder = libtorrent(fleet.host(1), "/root/.murder/spool", &address);
    let seeder = seeder.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut seeder = Guard(seeder);
    let mut said = String::new();
    BufReader::new(seeder.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "complete\n");

    fetch_without_our_tracker(&fleet, &address);

    tree::assert_same(&fleet.host(1).path("/root/files"), &fleet.host(2).path("/srv/app/v1"));
    assert!(tracker.0.try_wait().unwrap().is_none(), "opentracker ended early");
}

#[test]
fn our_peer_downloads_from_an_aria2_seeder_through_opentracker() {
    let Some(fleet) = fleet_of(2) else { return };
    packed(&fleet);
    let _tracker = Guard(opentracker(&fleet));
    let address = format!("{}:6969", fleet.host(1).address());
    fleet.host(1).sh(&format!("cp {ARCHIVE} /tmp/"));
    let seed = ["--check-integrity", "--seed-ratio=0.0", "--console-log-level=notice"];
    let mut seeder = aria2(fleet.host(1), &format!("http://{address}/announce"), &seed);
    let _seeder = Guard(seeder.stdout(Stdio::null()).spawn().unwrap());

    fetch_without_our_tracker(&fleet, &address);

    tree::assert_same(&fleet.host(1).path("/root/files"), &fleet.host(2).path("/srv/app/v1"));
}

/// A tree with some MiB of noise, packed on `h1`.
fn packed(fleet: &Fleet) {
    small_tree_on_the_seeder(fleet);
    fs::write(fleet.host(1).path("/root/files/large"), tree::noise(8 << 20, 5)).unwrap();
    fleet.ok("distribute_files");
    fleet.ok("start_tracker");
    fleet.ok("create_torrent tag=v1 files_path=~/files");
    // What a person would copy to the foreign client's host.
    let torrent = fs::read(fleet.host(1).path(TORRENT)).unwrap();
    fleet.hosts().iter().for_each(|h| fs::write(h.path("/tmp/v1.torrent"), &torrent).unwrap());
}

fn seeded(fleet: &Fleet) {
    packed(fleet);
    fleet.ok("start_seeding tag=v1");
}

#[track_caller]
fn same_archive(fleet: &Fleet, copy: &str) {
    let copy = fs::read(fleet.host(2).path(copy)).unwrap();
    assert!(copy == fs::read(fleet.host(1).path(ARCHIVE)).unwrap(), "the archives differ");
}

fn aria2(host: &Host, tracker: &str, options: &[&str]) -> Command {
    let mut command = host.command("aria2c");
    command
        .args(["--no-conf", "--dir=/tmp", "--enable-dht=false", "--bt-stop-timeout=60"])
        .arg(format!("--bt-tracker={tracker}"))
        .args(options)
        .arg("/tmp/v1.torrent")
        .stdin(Stdio::null());
    command
}

fn libtorrent(host: &Host, folder: &str, tracker: &str) -> Command {
    let mut command = host.command("/usr/bin/python3");
    // The script goes in by argument, since the host can't see the source tree's folder.
    command.args(["-c", include_str!("libtorrent_peer.py"), "/tmp/v1.torrent", folder, tracker]);
    command.stdin(Stdio::null());
    command
}

/// Debian's opentracker answers only for the torrents of its list.
fn opentracker(fleet: &Fleet) -> Child {
    let host = fleet.host(1);
    let said = agent(host, "torrent-read", &json!({ "tag": "v1", "temp_path": null }));
    let hash = said["summary"]["info_hash"].as_str().unwrap();
    fs::write(host.path("/tmp/whitelist"), format!("{hash}\n")).unwrap();
    let mut command = host.command("opentracker");
    command.args(["-i", host.address(), "-p", "6969", "-w", "/tmp/whitelist", "-d", "/"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Has the agent of `h2` fetch `v1` with a tracker that is not ours, and waits for its end.
fn fetch_without_our_tracker(fleet: &Fleet, tracker: &str) {
    let said = agent(fleet.host(1), "torrent-read", &json!({ "tag": "v1", "temp_path": null }));
    let request = json!({
        "run": "none", "key": "none", "tag": "v1", "torrent": said["torrent"],
        "reach": {
            "host": "h2", "trackers": [tracker], "announce_ip": null, "peer_ports": [6881, 6889]
        },
        "destination": {
            "path": "/srv/app/v1", "unsafe_please_delete": false, "keep_owner": false
        },
        "temp_path": null, "seed_seconds": 0, "lease_seconds": 60, "timeout_seconds": 60,
    });
    agent(fleet.host(2), "peer-start", &request);
    fleet.host(2).sh("flock .murder/run/peer-v1.lock true");
}

/// Asks a host's agent as the workstation would, and gives its reply.
#[track_caller]
fn agent(host: &Host, verb: &str, request: &Value) -> Value {
    let line = json!({ "protocol": PROTOCOL, "request": request });
    fs::write(host.path("/tmp/request"), format!("{line}\n")).unwrap();
    let said = host.sh(&format!(".murder/bin/murder-agent {verb} </tmp/request || true"));
    let frame = said.lines().last().and_then(|line| line.strip_prefix("murder/1 "));
    let frame: Value = serde_json::from_str(frame.unwrap_or("null")).unwrap();
    assert!(frame["reply"].is_object(), "{verb}: {said}");
    frame["reply"].clone()
}

/// Ends a process that the test started.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
