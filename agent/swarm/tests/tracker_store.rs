//! What a tracker's store remembers, and for how long.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use murder_swarm::Time;
use murder_swarm::tracker::{
    Announce, Answer, Config, Event, Gone, Registered, ScrapeEntry, Store, Tally, Want,
};
use murder_swarm::wire::{InfoHash, PeerId};

const TORRENT: InfoHash = InfoHash([7; 20]);
const OTHER: InfoHash = InfoHash([8; 20]);

fn store() -> Store {
    let mut store = Store::new(Config::default(), 1);
    assert_eq!(store.register(TORRENT), Registered::New);
    store
}

fn id(n: u8) -> PeerId {
    PeerId([n; 20])
}

fn addr(n: u8) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(10, 0, 0, n).into(), 6881)
}

fn word(n: u8, event: Event, left: u64) -> Announce {
    let want = Want::UpTo(50);
    Announce { info_hash: TORRENT, peer_id: id(n), addr: addr(n), event, left, want }
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn names(answer: &Answer) -> Vec<u8> {
    let mut names: Vec<_> = answer.peers.iter().map(|peer| peer.peer_id.0[0]).collect();
    names.sort_unstable();
    names
}

#[test]
fn only_registered_torrents_are_tracked() {
    let mut store = store();
    let stranger = Announce { info_hash: OTHER, ..word(1, Event::Started, 5) };
    let error = store.announce(at(0), &stranger).unwrap_err();
    assert_eq!(error.to_string(), "the torrent is not registered with this tracker");
    assert_eq!(store.scrape(&[OTHER]), []);
    assert!(!store.leave(&OTHER, &id(1)) && !store.touch(at(0), &OTHER, &id(1)));
    assert_eq!(store.registered().collect::<Vec<_>>(), [TORRENT]);
}

#[test]
fn registering_twice_keeps_the_members_and_unregistering_forgets_them() {
    let mut store = store();
    store.announce(at(0), &word(1, Event::Started, 5)).unwrap();
    assert_eq!(store.register(TORRENT), Registered::Before);
    assert_eq!(names(&store.announce(at(0), &word(2, Event::Started, 5)).unwrap()), [1]);
    assert!(store.unregister(&TORRENT) && !store.unregister(&TORRENT));
    assert!(store.announce(at(0), &word(1, Event::Regular, 5)).is_err());
}

#[test]
fn a_member_hears_of_those_before_it_and_never_of_itself() {
    let mut store = store();
    assert_eq!(names(&store.announce(at(0), &word(1, Event::Started, 0)).unwrap()), []);
    assert_eq!(names(&store.announce(at(0), &word(2, Event::Started, 5)).unwrap()), [1]);
    assert_eq!(names(&store.announce(at(0), &word(3, Event::Started, 5)).unwrap()), [1, 2]);
    assert_eq!(names(&store.announce(at(0), &word(1, Event::Regular, 0)).unwrap()), [2, 3]);
}

#[test]
fn a_member_that_wants_fresh_peers_hears_of_none_twice() {
    let mut store = store();
    (1..=40).for_each(|n| drop(store.announce(at(0), &word(n, Event::Started, 5))));
    let mut heard = Vec::new();
    for _ in 0..6 {
        let fresh = Announce { want: Want::Fresh(8), ..word(41, Event::Regular, 5) };
        heard.extend(names(&store.announce(at(0), &fresh).unwrap()));
    }
    heard.sort_unstable();
    assert_eq!(heard, (1..=40).collect::<Vec<_>>());
}

#[test]
fn a_member_that_wants_nobody_is_let_in_all_the_same() {
    let mut store = store();
    store.announce(at(0), &word(1, Event::Started, 5)).unwrap();
    let quiet = Announce { want: Want::UpTo(0), ..word(2, Event::Started, 5) };
    assert_eq!(names(&store.announce(at(0), &quiet).unwrap()), []);
    assert_eq!(names(&store.announce(at(0), &word(3, Event::Started, 5)).unwrap()), [1, 2]);
}

#[test]
fn seeds_are_not_told_of_seeds() {
    let mut store = store();
    store.announce(at(0), &word(1, Event::Started, 0)).unwrap();
    assert_eq!(names(&store.announce(at(0), &word(2, Event::Started, 0)).unwrap()), []);
    assert_eq!(names(&store.announce(at(0), &word(3, Event::Started, 5)).unwrap()), [1, 2]);
    store.announce(at(1), &word(3, Event::Completed, 0)).unwrap();
    assert_eq!(names(&store.announce(at(2), &word(3, Event::Regular, 0)).unwrap()), []);
}

#[test]
fn who_stops_is_forgotten_at_once() {
    let mut store = store();
    store.announce(at(0), &word(1, Event::Started, 5)).unwrap();
    let answer = store.announce(at(1), &word(1, Event::Stopped, 5)).unwrap();
    assert_eq!((answer.peers, answer.tally), (vec![], Tally::default()));
    assert_eq!(names(&store.announce(at(1), &word(2, Event::Started, 5)).unwrap()), []);
}

#[test]
fn who_leaves_is_forgotten_by_its_neighbours() {
    let mut store = store();
    store.announce(at(0), &word(1, Event::Started, 5)).unwrap();
    store.announce(at(0), &word(2, Event::Started, 5)).unwrap();
    assert!(store.leave(&TORRENT, &id(1)) && !store.leave(&TORRENT, &id(1)));
    assert_eq!(names(&store.announce(at(0), &word(2, Event::Regular, 5)).unwrap()), []);
}

#[test]
fn a_peer_that_was_restarted_under_a_new_name_takes_its_place() {
    let mut store = store();
    store.announce(at(0), &word(1, Event::Started, 5)).unwrap();
    let again = Announce { addr: addr(1), ..word(9, Event::Started, 5) };
    assert_eq!(names(&store.announce(at(1), &again).unwrap()), []);
    assert_eq!(names(&store.announce(at(1), &word(2, Event::Started, 5)).unwrap()), [9]);
}

#[test]
fn a_peer_that_moves_is_handed_out_where_it_is_now() {
    let mut store = store();
    store.announce(at(0), &word(1, Event::Started, 5)).unwrap();
    store.announce(at(1), &Announce { addr: addr(100), ..word(1, Event::Regular, 5) }).unwrap();
    let answer = store.announce(at(1), &word(2, Event::Started, 5)).unwrap();
    assert_eq!(answer.peers[0].addr, addr(100));
}

#[test]
fn a_peer_that_moves_to_where_another_one_listened_takes_its_place() {
    let mut store = store();
    store.announce(at(0), &word(1, Event::Started, 5)).unwrap();
    store.announce(at(0), &word(2, Event::Started, 5)).unwrap();
    store.announce(at(1), &Announce { addr: addr(1), ..word(2, Event::Regular, 5) }).unwrap();
    let answer = store.announce(at(1), &word(3, Event::Started, 5)).unwrap();
    assert_eq!((names(&answer), answer.peers[0].addr), (vec![2], addr(1)));
}

#[test]
fn who_is_silent_for_two_and_a_half_intervals_is_forgotten() {
    let mut store = store();
    assert_eq!(store.poll_deadline(), None);
    store.announce(at(0), &word(1, Event::Started, 5)).unwrap();
    store.announce(at(10), &word(2, Event::Started, 5)).unwrap();
    assert_eq!(store.poll_deadline(), Some(at(75)));
    assert_eq!(store.expire(at(74)), []);
    assert_eq!(store.expire(at(75)), [Gone { info_hash: TORRENT, peer_id: id(1) }]);
    assert_eq!(store.poll_deadline(), Some(at(85)));
    assert!(store.touch(at(80), &TORRENT, &id(2)));
    assert_eq!(store.expire(at(85)), []);
    assert_eq!(store.poll_deadline(), Some(at(155)));
}

#[test]
fn the_interval_grows_with_the_members_and_nobody_expires_before_it() {
    let config = Config { announces_per_second: 1, ..Config::default() };
    let mut store = Store::new(config, 1);
    store.register(TORRENT);
    for n in 0..200 {
        store.announce(at(0), &word(n, Event::Started, 5)).unwrap();
    }
    let answer = store.announce(at(0), &word(200, Event::Started, 5)).unwrap();
    assert_eq!(answer.interval, Duration::from_secs(200));
    assert!((0..200).all(|n| store.leave(&TORRENT, &id(n))));
    assert_eq!(store.expire(at(499)), []);
    assert_eq!(store.expire(at(500)).len(), 1);
}

#[test]
fn a_scrape_counts_seeds_others_and_completions() {
    let mut store = store();
    store.announce(at(0), &word(1, Event::Started, 0)).unwrap();
    store.announce(at(0), &word(2, Event::Started, 5)).unwrap();
    store.announce(at(0), &word(3, Event::Started, 5)).unwrap();
    store.announce(at(1), &word(3, Event::Completed, 0)).unwrap();
    let tally = Tally { complete: 2, incomplete: 1, downloaded: 1 };
    assert_eq!(store.scrape(&[OTHER, TORRENT]), [ScrapeEntry { info_hash: TORRENT, tally }]);
}

#[test]
fn completing_twice_counts_once() {
    let mut store = store();
    store.announce(at(0), &word(1, Event::Started, 5)).unwrap();
    for _ in 0..2 {
        store.announce(at(1), &word(1, Event::Completed, 0)).unwrap();
    }
    assert_eq!(store.scrape(&[TORRENT])[0].tally.downloaded, 1);
}
