//! What is not needed any more: old releases, and those that failed.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use murder_protocol::verbs::Releases;
use murder_protocol::{Tag, utc};

use super::Done;
use super::error::ReleaseError;
use super::layout::{Current, Layout, sync_folder};
use super::lock::ChangeLock;
use super::look::look;
use super::switch::FRESH;
use crate::place::remove_tree;

/// Removes complete releases but for the latest so many, `current` and the one before it, and what
/// earlier removals and switches have left. What can't be removed is a warning.
pub(super) fn clean_up(layout: &Layout, keep: u32) -> Result<Done, ReleaseError> {
    let mut done = Done::default();
    if !layout.root().is_dir() {
        return Ok(done);
    }
    let turn = ChangeLock::take(layout)?;
    for release in too_old(&look(layout)?, keep) {
        match put_away(layout, &release) {
            Ok(()) => done.did(format!("removes {release}")),
            Err(error) => done.warn(format!("could not remove {release}: {error}")),
        }
    }
    let left = left_overs(layout);
    // Nobody counts those any more, so nobody has to wait until they are gone.
    drop(turn);
    for path in left {
        if let Err(error) = remove_tree(&path) {
            done.warn(format!("could not remove {}: {error}", path.display()));
        }
    }
    Ok(done)
}

/// Keeps what is there of a release apart, unless it is current.
pub(super) fn set_aside_unless_current(
    layout: &Layout,
    release: &Tag,
    why: &str,
    now: u64,
) -> Result<Done, ReleaseError> {
    let mut done = Done::default();
    if !layout.has(release) {
        return Ok(done);
    }
    let _turn = ChangeLock::take(layout)?;
    if layout.current()? == Current::Release(release.clone()) {
        done.warn(format!("{release} is current, so it stays"));
        return Ok(done);
    }
    set_aside(layout, release, why, now)?;
    done.did(format!("sets {release} aside, as failed/{release}"));
    Ok(done)
}

/// Moves the release to `failed/`, in place of the one that is there. The caller has its turn.
pub(super) fn set_aside(
    layout: &Layout,
    release: &Tag,
    why: &str,
    now: u64,
) -> Result<(), ReleaseError> {
    let folder = layout.failed();
    remove_tree(&folder).map_err(ReleaseError::io("remove", &folder))?;
    std::fs::create_dir(&folder).map_err(ReleaseError::io("create", &folder))?;
    let note = folder.join("WHY");
    let line = format!("{}Z {release}: {why}\n", utc::date_time(now));
    std::fs::write(&note, line).map_err(ReleaseError::io("write", &note))?;
    let path = layout.release(release);
    move_tree(&path, &folder.join(release.as_str()))
        .map_err(ReleaseError::io("set aside", &path))?;
    sync_folder(&folder)?;
    sync_folder(&layout.releases())
}

/// The complete releases that neither the number nor their part keeps.
fn too_old(releases: &Releases, keep: u32) -> Vec<Tag> {
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let many = releases.complete.len().saturating_sub(keep);
    let old = releases.complete[..many].iter().map(|entry| &entry.release);
    let in_use = [&releases.current, &releases.previous];
    old.filter(|release| !in_use.contains(&&Some((*release).clone()))).cloned().collect()
}

/// Gives the release a name that is no release's. If the process ends, the next clean-up finds it.
fn put_away(layout: &Layout, release: &Tag) -> io::Result<()> {
    let away = layout.releases().join(format!("{REMOVED}{release}"));
    remove_tree(&away)?;
    std::fs::rename(layout.release(release), away)
}

fn left_overs(layout: &Layout) -> Vec<PathBuf> {
    let in_folder = |folder: &Path, start: &'static str| {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let is_ours = move |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(start))
        };
        entries.map(|entry| entry.path()).filter(is_ours).collect::<Vec<_>>()
    };
    let mut left = in_folder(&layout.releases(), REMOVED);
    left.extend(in_folder(layout.root(), FRESH));
    left
}

/// Renames a folder into another one, for which it has to be writable (rename(2)).
fn move_tree(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let mode = from.symlink_metadata()?.permissions().mode();
            std::fs::set_permissions(from, Permissions::from_mode(mode | 0o700))?;
            std::fs::rename(from, to)
        }
        result => result,
    }
}

const REMOVED: &str = ".murder-removed-";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::testing::{Host, tag};
    use super::*;

    #[test]
    fn the_latest_so_many_complete_ones_stay() {
        let host = Host::new();
        for (now, release) in ["e", "d", "c", "b", "a"].into_iter().enumerate() {
            host.deployed(release, now as u64);
        }
        host.tree("half");
        assert!(host.clean_up(5).did.is_empty());
        assert_eq!(host.clean_up(3).did, ["removes e", "removes d"]);
        assert_eq!(host.complete(), ["c", "b", "a"]);
        assert_eq!(host.list().incomplete, [tag("half")]);
        assert!(host.clean_up(3).did.is_empty());
    }

    #[test]
    fn current_and_the_one_before_it_stay_whatever_the_number_says() {
        for keep in [0, 1, 2] {
            let host = Host::new();
            for (now, release) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
                host.deployed(release, now as u64);
            }
            // Leads back to c, with b before it; d and e are newer and were taken back.
            host.roll_back("c", 9);
            host.clean_up(keep);
            let newer: &[&str] = match keep {
                0 => &[],
                1 => &["e"],
                _ => &["d", "e"],
            };
            assert_eq!(host.complete(), [&["b", "c"], newer].concat(), "keep {keep}");
        }
    }

    #[test]
    fn current_stays_where_its_link_is_odd() {
        let host = Host::new();
        ["a", "b", "c"].into_iter().for_each(|release| host.staged(release, 1));
        fs::create_dir(host.path("releases/a/public")).unwrap();
        symlink("releases/a/public", host.path("current")).unwrap();
        host.clean_up(1);
        assert_eq!(host.complete(), ["a", "c"]);
    }

    #[test]
    fn what_interrupted_removals_and_switches_have_left_goes_with_the_next_clean_up() {
        let host = Host::new();
        host.deployed("a", 1);
        fs::create_dir_all(host.path("releases/.murder-removed-x/deep")).unwrap();
        symlink("releases/x", host.path(".murder-current-7")).unwrap();
        assert_eq!((host.complete().len(), host.list().incomplete.len()), (1, 0));
        assert_eq!(host.clean_up(5).warnings, [""; 0]);
        let hidden = |folder: &str| {
            let entries = fs::read_dir(host.path(folder)).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.starts_with(".murder-") && name != ".murder-lock").count()
        };
        assert_eq!((hidden(""), hidden("releases")), (0, 0));
    }

    #[test]
    fn a_release_with_folders_that_are_read_only_is_removed_and_moved() {
        let host = Host::new();
        for (now, release) in ["a", "b", "c"].into_iter().enumerate() {
            host.deployed(release, now as u64);
            let closed = host.path("releases").join(release).join("closed");
            fs::create_dir(&closed).unwrap();
            fs::write(closed.join("inside"), "").unwrap();
            fs::set_permissions(&closed, Permissions::from_mode(0o500)).unwrap();
        }
        assert_eq!(host.clean_up(0).did, ["removes a"]);
        let b = host.path("releases/b");
        fs::set_permissions(&b, Permissions::from_mode(0o500)).unwrap();
        host.set_aside("b", "it failed");
        assert!(host.path("failed/b/closed/inside").exists() && !b.exists());
    }

    #[test]
    fn the_last_failed_release_is_kept_apart_with_its_reason() {
        let host = Host::new();
        host.deployed("a", 1);
        host.staged("b", 2);
        host.tree("c");
        let done = host.set_aside("b", "web1: bin/check: exit status 1");
        assert_eq!(done.did, ["sets b aside, as failed/b"]);
        assert_eq!(
            fs::read_to_string(host.path("failed/WHY")).unwrap(),
            "1970-01-01T00:00:00Z b: web1: bin/check: exit status 1\n"
        );
        host.set_aside("c", "again");
        assert_eq!(host.list().failed, Some(tag("c")));
        assert_eq!(fs::read_to_string(host.path("failed/c/file")).unwrap(), "c");
        assert_eq!(fs::read_dir(host.path("failed")).unwrap().count(), 2);
        assert!(host.set_aside("gone", "again").did.is_empty());
    }

    #[test]
    fn a_release_that_is_current_is_not_set_aside() {
        let host = Host::new();
        host.deployed("a", 1);
        let done = host.set_aside("a", "it failed");
        assert_eq!((done.did.len(), done.warnings), (0, vec!["a is current, so it stays".into()]));
        assert_eq!(host.complete(), ["a"]);
    }

    #[test]
    fn where_nothing_is_there_is_nothing_to_clean_up() {
        let host = Host::new();
        fs::remove_dir(host.path("")).unwrap();
        assert_eq!(host.clean_up(0).did, [""; 0]);
        assert!(!host.path("").exists());
        fs::create_dir(host.path("")).unwrap();
    }
}
