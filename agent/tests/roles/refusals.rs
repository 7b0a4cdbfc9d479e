//! Requests that are answered with a failure, in these words.

use murder_protocol::Blame;
use murder_protocol::verbs::{Role, TorrentRegister};

use crate::fleet::Fleet;
use crate::host::{Host, wait_for};

#[test]
fn a_seeder_without_a_torrent_is_told_to_create_one() {
    let fleet = Fleet::new(1000);
    let path = fleet.seeder.home().torrent(&fleet.tag, None).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        fleet.seed().unwrap_err().to_string(),
        format!(
            "could not read the torrent {}: No such file or directory (os error 2) \
             (run create_torrent first)",
            path.display()
        )
    );
}

#[test]
fn a_seeder_of_another_archive_is_refused_before_it_serves() {
    let fleet = Fleet::new(100_000);
    let path = fleet.archive_of(&fleet.seeder).archive;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[50] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let failure = fleet.seed().unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!(
            "{} does not match its torrent: the hash of piece 0 differs (run create_torrent \
             again, the archive was changed since)",
            path.display()
        )
    );
    assert_eq!(failure.blame, Blame::Operator);
    let free = || fleet.seeder.holder(Role::Seeder, Some(&fleet.tag)).is_none().then_some(());
    wait_for(free).expect("nothing is left running");
}

#[test]
fn a_seeder_with_a_wrong_key_hears_what_the_tracker_said() {
    let mut fleet = Fleet::new(1000);
    fleet.registered.key = murder_protocol::Secret("guessed".to_owned());
    let failure = fleet.seed().unwrap_err();
    assert!(failure.message.starts_with("the tracker refused the seeder: "), "{failure}");
}

#[test]
fn a_second_seeder_of_the_same_is_a_no_op_and_of_another_torrent_replaces_it() {
    let mut fleet = Fleet::new(1000);
    let first = fleet.seed().unwrap();
    let second = fleet.seed().unwrap();
    assert!(!first.already_running && second.already_running);
    assert_eq!(first.pid, second.pid);
    let other = Fleet::new(1001);
    let home = fleet.seeder.home();
    for name in ["v1.tgz", "v1.tgz.torrent"] {
        let from = other.seeder.home().spool().join(name);
        std::fs::copy(from, home.spool().join(name)).unwrap();
    }
    let register = TorrentRegister { tag: fleet.tag.clone(), torrent: other.torrent.clone() };
    fleet.registered = fleet.tracker.call(&register).unwrap();
    let third = fleet.seed().unwrap();
    assert!(!third.already_running && third.pid != first.pid);
    assert_eq!(fleet.seeder.holder(Role::Seeder, Some(&fleet.tag)), Some(third.pid));
}

#[test]
fn a_peer_with_the_torrent_of_another_tag_is_refused() {
    let fleet = Fleet::new(1000);
    fleet.seed().unwrap();
    let peer = Host::new("peer");
    let mut job = fleet.job(&fleet.open(&[&peer]), &peer);
    job.tag = "v2".parse().unwrap();
    assert_eq!(
        peer.call(&job).unwrap_err().to_string(),
        "the torrent is of v1.tgz, and the tag is v2 (run create_torrent again)"
    );
}

#[test]
fn a_peer_whose_spool_can_not_be_written_is_refused() {
    let fleet = Fleet::new(1000);
    fleet.seed().unwrap();
    let peer = Host::new("peer");
    let mut job = fleet.job(&fleet.open(&[&peer]), &peer);
    job.temp_path = Some("/proc/murder".to_owned());
    let failure = peer.call(&job).unwrap_err();
    assert!(failure.message.starts_with("could not make /proc/murder: "), "{failure}");
}
