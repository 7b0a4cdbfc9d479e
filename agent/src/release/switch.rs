//! The moment in which a release becomes current.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use murder_protocol::Tag;
use murder_protocol::verbs::ReleaseSwitch;

use super::Done;
use super::error::ReleaseError;
use super::history::{self, History};
use super::layout::{Current, Layout, sync_folder};
use super::lock::ChangeLock;
use super::look::look;
use super::marker::Marker;

/// Lets `current` lead to the release, which has to be complete. Whoever opens a path through
/// `current` meanwhile finds the release before or this one, and always one of them.
pub(super) fn switch(
    layout: &Layout,
    order: &ReleaseSwitch,
    now: u64,
) -> Result<Done, ReleaseError> {
    let marker = prove(layout, &order.release)?;
    let _turn = ChangeLock::take(layout)?;
    let before = match layout.current()? {
        Current::Taken => return Err(ReleaseError::CurrentTaken(layout.current_link())),
        Current::Nothing => String::new(),
        Current::Elsewhere(target) => format!(" from {}", target.display()),
        Current::Release(release) if release == order.release => {
            return Ok(already(layout, order, &marker, now));
        }
        Current::Release(release) => format!(" from {release}"),
    };
    replace_link(layout, &order.release)?;
    let mut done = Done::default();
    done.did(format!("switches current{before} to {}", order.release));
    // From here on it has happened, and is never said to have failed.
    if let Err(error) = sync_folder(layout.root()) {
        done.warn(crate::blamed::chain(&error));
    }
    write_down(layout, order, &marker, now, &mut done);
    Ok(done)
}

/// Whether a release is here whole; without a name, the one that was current before.
pub(super) fn prove_wanted(layout: &Layout, wanted: Option<&Tag>) -> Result<Done, ReleaseError> {
    let wanted = match wanted {
        Some(wanted) => wanted.clone(),
        None => {
            let previous = look(layout)?.previous;
            previous.ok_or_else(|| ReleaseError::NonePrevious(layout.releases()))?
        }
    };
    let marker = prove(layout, &wanted)?;
    let mut done = Done::default();
    done.did(format!("has {} whole", marker.release));
    Ok(done)
}

/// The marker of a release that is complete.
fn prove(layout: &Layout, release: &Tag) -> Result<Marker, ReleaseError> {
    let error = |release, folder| {
        if layout.has(release) {
            ReleaseError::Incomplete { release: release.clone(), folder }
        } else {
            ReleaseError::Absent { release: release.clone(), folder }
        }
    };
    Marker::read(layout, release).ok_or_else(|| error(release, layout.releases()))
}

/// A crash may have come between the link and its line in the log.
fn already(layout: &Layout, order: &ReleaseSwitch, marker: &Marker, now: u64) -> Done {
    let mut done = Done::default();
    if History::read(layout).since(&order.release).is_none() {
        write_down(layout, order, marker, now, &mut done);
    }
    done
}

fn replace_link(layout: &Layout, release: &Tag) -> Result<(), ReleaseError> {
    let link = layout.current_link();
    let fresh = fresh_name(layout)?;
    symlink(Path::new("releases").join(release.as_str()), &fresh)
        .map_err(ReleaseError::io("link", &fresh))?;
    std::fs::rename(&fresh, &link).map_err(|source| {
        // The error that matters is the first one.
        let _ = std::fs::remove_file(&fresh);
        ReleaseError::io("replace", &link)(source)
    })
}

fn fresh_name(layout: &Layout) -> Result<PathBuf, ReleaseError> {
    let chance = getrandom::u64().map_err(|error| {
        let source = std::io::Error::other(error.to_string());
        ReleaseError::io("get randomness for", layout.root())(source)
    })?;
    Ok(layout.root().join(format!("{FRESH}{chance:016x}")))
}

fn write_down(layout: &Layout, order: &ReleaseSwitch, marker: &Marker, now: u64, done: &mut Done) {
    if let Err(error) = history::append(layout, order, &marker.revision, now) {
        done.warn(format!("could not write to {}: {error}", layout.log().display()));
    }
}

/// What links are called before they are renamed.
pub(super) const FRESH: &str = ".murder-current-";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    use murder_protocol::verbs::{ReleaseOrder, SwitchKind};

    use super::super::testing::{Host, tag};
    use super::*;

    fn order(host: &Host, release: &str) -> ReleaseOrder {
        ReleaseOrder::Switch(host.switch(release))
    }

    #[test]
    fn current_leads_to_the_release_and_the_log_says_who_did_it() {
        let host = Host::new();
        host.staged("r1", 60);
        host.staged("r2", 120);
        let done = host.order(&order(&host, "r1"), 180).unwrap();
        assert_eq!(done.did, ["switches current to r1"]);
        assert_eq!(host.path("current").read_link().unwrap(), Path::new("releases/r1"));
        let done = host.order(&order(&host, "r2"), 240).unwrap();
        assert_eq!(done.did, ["switches current from r1 to r2"]);
        let rollback = ReleaseSwitch { why: SwitchKind::Rollback, ..host.switch("r1") };
        let done = host.order(&ReleaseOrder::Switch(rollback), 300).unwrap();
        assert_eq!((done.releases.current, done.releases.previous), (Some(tag("r1")), None));
        assert_eq!(done.releases.complete[0].switched_unix, Some(180));
        assert_eq!(done.releases.current_since_unix, Some(300));
        assert_eq!(
            fs::read_to_string(host.path("revisions.log")).unwrap(),
            "1970-01-01T00:03:00Z deployed as release r1 by ada@laptop (at revision-of-r1)\n\
             1970-01-01T00:04:00Z deployed as release r2 by ada@laptop (at revision-of-r2)\n\
             1970-01-01T00:05:00Z rolled back to release r1 by ada@laptop (at revision-of-r1)\n"
        );
    }

    #[test]
    fn a_second_word_changes_nothing_and_writes_the_line_that_a_crash_kept_back() {
        let host = Host::new();
        host.staged("r1", 1);
        symlink("releases/r1", host.path("current")).unwrap();
        for _ in 0..2 {
            assert!(host.order(&order(&host, "r1"), 2).unwrap().did.is_empty());
            let log = fs::read_to_string(host.path("revisions.log")).unwrap();
            assert_eq!(log.lines().count(), 1);
        }
    }

    #[test]
    fn only_a_complete_release_is_switched_to() {
        let host = Host::new();
        host.deployed("r1", 1);
        host.tree("r2");
        assert_eq!(
            host.refusal(&order(&host, "r2")),
            "the release r2 in /releases is not complete (deploy it anew)"
        );
        assert_eq!(
            host.refusal(&order(&host, "r3")),
            "there is no release r3 in /releases (deploy it anew)"
        );
        assert_eq!(host.list().current, Some(tag("r1")));
    }

    #[test]
    fn a_folder_at_current_is_never_replaced() {
        let host = Host::new();
        host.staged("r1", 1);
        fs::create_dir(host.path("current")).unwrap();
        assert_eq!(
            host.refusal(&order(&host, "r1")),
            "/current is there already and is no link to a release (move it away, and deploy again)"
        );
        let left = fs::read_dir(host.path("")).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(FRESH)
        });
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn a_deploy_to_that_is_a_symlink_is_what_it_leads_to() {
        let host = Host::new();
        fs::create_dir(host.path("real")).unwrap();
        symlink("real", host.path("app")).unwrap();
        let deploy_to = host.path("app").to_str().unwrap().to_owned();
        let release = host.path("real/releases/r1");
        fs::create_dir_all(&release).unwrap();
        fs::write(release.join("file"), "r1").unwrap();
        let stage = murder_protocol::verbs::ReleaseStage {
            deploy_to: deploy_to.clone(),
            ..host.stage("r1")
        };
        host.order(&ReleaseOrder::Stage(stage), 1).unwrap();
        let switch = ReleaseSwitch { deploy_to, ..host.switch("r1") };
        let done = host.order(&ReleaseOrder::Switch(switch), 2).unwrap();
        assert_eq!(done.releases.current, Some(tag("r1")));
        assert!(host.path("app").is_symlink());
        assert_eq!(fs::read_to_string(host.path("app/current/file")).unwrap(), "r1");
    }

    #[test]
    fn a_log_that_can_not_be_written_is_a_warning() {
        let host = Host::new();
        host.staged("r1", 1);
        fs::create_dir(host.path("revisions.log")).unwrap();
        let done = host.order(&order(&host, "r1"), 2).unwrap();
        assert_eq!(done.releases.current, Some(tag("r1")));
        let warning = done.warnings[0].replace(&host.deploy_to(), "");
        assert_eq!(warning, "could not write to /revisions.log: Is a directory (os error 21)");
    }

    #[test]
    fn a_reader_never_sees_a_missing_or_a_mixed_release() {
        let host = Host::new();
        for release in ["r1", "r2"] {
            fs::write(host.tree(release).join("same"), release).unwrap();
            host.staged(release, 1);
        }
        host.order(&order(&host, "r1"), 2).unwrap();
        let is_over = AtomicBool::new(false);
        let current = host.path("current");
        let read = || {
            let mut reads = 0u32;
            while !is_over.load(Ordering::Relaxed) {
                fs::read(current.join("file")).unwrap();
                // What is opened by one descriptor is of one release.
                let folder = fs::File::open(&current).unwrap();
                let at = |name: &str| {
                    let flags = rustix::fs::OFlags::RDONLY;
                    let mode = rustix::fs::Mode::empty();
                    let file = rustix::fs::openat(&folder, name, flags, mode).unwrap();
                    std::io::read_to_string(fs::File::from(file)).unwrap()
                };
                assert_eq!(at("file"), at("same"));
                reads += 1;
            }
            reads
        };
        std::thread::scope(|scope| {
            let readers = [scope.spawn(read), scope.spawn(read)];
            for number in 0..200 {
                let release = if number % 2 == 0 { "r2" } else { "r1" };
                host.order(&order(&host, release), 3).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
            assert!(readers.into_iter().all(|reader| reader.join().unwrap() > 0));
        });
    }
}
