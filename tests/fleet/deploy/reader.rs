//! Somebody who uses the application while it is deployed.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{HOSTS, Site};
use crate::net::{Fleet, Host};

#[test]
fn a_reader_never_meets_a_missing_or_a_mixed_release_in_six_deploys() {
    let Some(site) = Site::up() else { return };
    site.released("r0");
    let over = AtomicBool::new(false);

    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| read_on(&site.0, &over));
        for number in 1..=6 {
            site.released(&format!("r{number}"));
        }
        over.store(true, Ordering::Relaxed);
        reader.join().expect("every look finds one whole release")
    });

    let all: BTreeSet<_> = (0..=6).map(|number| format!("r{number}")).collect();
    assert_eq!(seen, vec![all; HOSTS]);
}

/// Looks at one host after the other, all the time. Gives the releases met on each.
fn read_on(fleet: &Fleet, over: &AtomicBool) -> Vec<BTreeSet<String>> {
    let mut seen = vec![BTreeSet::new(); HOSTS];
    while !over.load(Ordering::Relaxed) {
        for (host, seen) in fleet.hosts().iter().zip(&mut seen) {
            seen.insert(look(host));
        }
        thread::yield_now();
    }
    seen
}

/// The release that `current` leads to, after a look whether it is one and whole.
fn look(host: &Host) -> String {
    let file = |path: &str| {
        let text = fs::read_to_string(host.path(&format!("/srv/app/{path}")));
        text.unwrap_or_else(|error| panic!("{}: {path}: {error}", host.name())).trim().to_owned()
    };
    // Whichever it is, it is there.
    file("current/file");
    let link = fs::read_link(host.path("/srv/app/current")).expect("current is a link");
    let link = link.to_str().expect("its text is UTF-8");
    let name = link.strip_prefix("releases/").expect("it leads to a release").to_owned();
    assert_eq!(file(&format!("{link}/file")), name);
    assert_eq!(file(&format!("{link}/other")), name);
    assert_eq!(file(&format!("{link}/REVISION")), name);
    name
}
