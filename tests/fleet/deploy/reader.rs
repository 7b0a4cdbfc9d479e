//! Somebody who uses the application while it is deployed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{HOSTS, Site};
use crate::net::{Fleet, Host};

#[test]
fn a_reader_never_meets_a_missing_or_a_mixed_release_in_twenty_deploys() {
    let Some(site) = Site::up() else { return };
    site.released("0");
    let over = AtomicBool::new(false);

    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| read_on(&site.0, &over));
        // A deploy that fails ends the reader too.
        let reading = Ends(&over);
        for number in 1..=DEPLOYS {
            site.released(&number.to_string());
        }
        drop(reading);
        reader.join().expect("every look finds one whole release")
    });

    let all: BTreeSet<_> = (0..=DEPLOYS).collect();
    assert_eq!(seen, vec![all; HOSTS]);
}

const DEPLOYS: u32 = 20;

/// Ends the reader when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Looks at one host after the other, all the time. Gives the releases met on each.
fn read_on(fleet: &Fleet, over: &AtomicBool) -> Vec<BTreeSet<u32>> {
    let mut seen = vec![BTreeSet::new(); HOSTS];
    let mut latest = [0; HOSTS];
    while !over.load(Ordering::Relaxed) {
        for (host, (seen, latest)) in fleet.hosts().iter().zip(seen.iter_mut().zip(&mut latest)) {
            for release in look(host) {
                assert!(release >= *latest, "{} went from {latest} to {release}", host.name());
                *latest = release;
                seen.insert(release);
            }
        }
        thread::yield_now();
    }
    seen
}

/// The releases that a reader meets who opens a file, goes to the folder of the release, reads all
/// there, and opens the file again.
fn look(host: &Host) -> [u32; 3] {
    let current = host.path("/srv/app/current");
    let number = |path: &Path| -> u32 {
        let text = fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{}: {}: {error}", host.name(), path.display()));
        text.trim().parse().unwrap_or_else(|_| panic!("{}: {text:?}", path.display()))
    };
    let before = number(&current.join("file"));
    // What `cd -P current` does: whatever the link leads to from now on, this stays one folder.
    let opened = File::open(&current).expect("current leads to a folder");
    let folder = Path::new("/proc/self/fd").join(opened.as_raw_fd().to_string());
    let within = FILES.map(|file| number(&folder.join(file)));
    assert_eq!(within, [within[0]; 3], "{}: {FILES:?} are of different releases", host.name());
    [before, within[0], number(&current.join("file"))]
}

/// Each says which release it is of.
const FILES: [&str; 3] = ["file", "other", "REVISION"];
