//! What other people's BitTorrent clients need: a torrent made by mktorrent, and opentracker.

use std::fs;
use std::net::SocketAddrV4;
use std::process::{Child, Stdio};

use murder_testfleet::State;

use crate::Outcome;
use crate::field::{Field, PAYLOAD, wait_until};

/// Makes a torrent of the field's file with pieces of 2^n bytes, puts it on every host, and starts
/// a tracker for it.
pub(crate) fn prepare(field: &Field, piece_bits: u32) -> Outcome<()> {
    let (seeder, tracker) = (field.seeder(), field.tracker());
    let announce = format!("http://{}:{TRACKER_PORT}/announce", tracker.address);
    let torrent = seeder.file(TORRENT);
    let make = format!("mktorrent -l {piece_bits} -a {announce} -o {torrent} {PAYLOAD}");
    seeder.host().sh(&make);
    let bytes = fs::read(seeder.path(TORRENT))?;
    for peer in field.peers() {
        fs::write(peer.path(TORRENT), &bytes)?;
    }
    // Debian's opentracker answers only for the torrents of its list.
    let shown = seeder.host().sh(&format!("aria2c -S {torrent}"));
    let hash = shown.lines().find_map(|line| line.strip_prefix("Info Hash: "));
    let hash = hash.ok_or("aria2c -S shows no info hash")?;
    fs::write(tracker.path("whitelist"), format!("{hash}\n"))?;
    // It becomes somebody who may not look into every folder.
    tracker.host().sh(&format!("chmod 755 {}", tracker.folder));
    // It ends with the sweep.
    let _: Child = tracker
        .command("opentracker")
        .args(["-i", &tracker.address, "-p", &TRACKER_PORT.to_string(), "-d", "/"])
        .args(["-w", &tracker.file("whitelist")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    wait_until("opentracker listens", || tracker.host().listens(TRACKER_PORT))
}

/// The other ends of connections that the tracker has answered and closed.
pub(crate) fn announces(field: &Field) -> Vec<SocketAddrV4> {
    let sockets = field.tracker().host().sockets().into_iter();
    let closed = sockets
        .filter(|socket| socket.local.port() == TRACKER_PORT && socket.state == State::TimeWait);
    closed.map(|socket| socket.remote).collect()
}

/// Waits until the tracker has answered one more announce than these, that of the seeder, and so
/// knows it.
pub(crate) fn wait_for_announce(field: &Field, before: &[SocketAddrV4]) -> Outcome<()> {
    wait_until("opentracker knows the seeder", || {
        announces(field).iter().any(|from| !before.contains(from))
    })
}

/// The torrent's name in each member's folder.
pub(crate) const TORRENT: &str = "data.torrent";

const TRACKER_PORT: u16 = 6969;
