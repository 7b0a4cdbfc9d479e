//! From a tree that is in its place to a complete release.

use std::fs::File;
use std::path::Path;

use murder_protocol::verbs::ReleaseStage;

use super::Done;
use super::error::ReleaseError;
use super::layout::Layout;
use super::links::{self, Linking};
use super::lock::ChangeLock;
use super::marker::{Marker, noted_content, write_revision};

/// Links what is shared, and marks the release as complete. One that is complete stays as it is.
pub(super) fn stage(layout: &Layout, order: &ReleaseStage, now: u64) -> Result<Done, ReleaseError> {
    let links = links::parse(&order.linked_files, &order.linked_dirs)?;
    let (release, folder) = (&order.release, layout.release(&order.release));
    if !layout.has(release) {
        return Err(ReleaseError::Absent { release: release.clone(), folder: layout.releases() });
    }
    let _turn = ChangeLock::take(layout)?;
    let mut done = Done::default();
    if Marker::read(layout, release).is_some() {
        return Ok(done);
    }
    let lacking = links::look_for(layout, &links)?;
    if !lacking.files.is_empty() {
        return Err(ReleaseError::Missing(lacking.files));
    }
    for path in &lacking.folders {
        std::fs::create_dir_all(path).map_err(ReleaseError::io("create", path))?;
    }
    for link in &links {
        if link.link_from(layout, &folder)? == Linking::Made {
            done.did(format!("links {}", link.name()));
        }
    }
    write_revision(&folder, &order.revision)?;
    // The peer has synced the tree; this is for the links, and for a tree that was put here by
    // other means.
    sync_file_system(&folder)?;
    if !links.is_empty() {
        sync_file_system(&layout.shared())?;
    }
    let (release, revision) = (release.clone(), order.revision.clone());
    let complete = format!("marks {release} as complete");
    let content = noted_content(&folder);
    Marker { release, revision, staged_unix: now, content }.write(&folder)?;
    done.did(complete);
    Ok(done)
}

fn sync_file_system(path: &Path) -> Result<(), ReleaseError> {
    let synced = File::open(path).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
    synced.map_err(ReleaseError::io("sync", path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use murder_protocol::verbs::ReleaseOrder;

    use super::super::marker::MARKER;
    use super::super::testing::{Host, tag};
    use super::*;

    fn asked(host: &Host) -> ReleaseStage {
        ReleaseStage {
            linked_files: vec!["config/database.yml".to_owned()],
            linked_dirs: vec!["log".to_owned()],
            ..host.stage("r1")
        }
    }

    #[test]
    fn a_release_is_linked_and_then_complete() {
        let host = Host::new();
        host.tree("r1");
        fs::create_dir_all(host.path("shared/config")).unwrap();
        fs::write(host.path("shared/config/database.yml"), "secret").unwrap();
        let done = host.order(&ReleaseOrder::Stage(asked(&host)), 70).unwrap();
        let wanted = ["links config/database.yml", "links log", "marks r1 as complete"];
        assert_eq!(done.did, wanted);
        let entry = &done.releases.complete[0];
        assert_eq!((entry.staged_unix, entry.switched_unix), (70, None));
        assert_eq!(entry.revision, "revision-of-r1");
        let release = host.path("releases/r1");
        let read = |name: &str| fs::read_to_string(release.join(name)).unwrap();
        assert_eq!(read("config/database.yml"), "secret");
        assert_eq!(read("REVISION"), "revision-of-r1\n");
        assert!(release.join("log").is_dir());
        // Again, and with another revision: it stays.
        let again = ReleaseStage { revision: "other".to_owned(), ..asked(&host) };
        let again = host.order(&ReleaseOrder::Stage(again), 80).unwrap();
        assert_eq!((again.did.len(), &again.releases), (0, &done.releases));
    }

    #[test]
    fn without_a_linked_file_nothing_is_touched() {
        let host = Host::new();
        let release = host.tree("r1");
        assert_eq!(
            host.refusal(&ReleaseOrder::Stage(asked(&host))),
            "/shared/config/database.yml is not there (put it there on each host, or take it out \
             of linked_files)"
        );
        assert_eq!(fs::read_dir(release).unwrap().count(), 1);
        assert_eq!(host.list().incomplete, [tag("r1")]);
    }

    #[test]
    fn a_release_that_did_not_come_is_refused() {
        let host = Host::new();
        assert_eq!(
            host.refusal(&ReleaseOrder::Stage(host.stage("r1"))),
            "there is no release r1 in /releases (deploy it anew)"
        );
    }

    #[test]
    fn whatever_was_done_before_a_crash_it_is_complete_after_staging_again_and_not_before() {
        // The order of the steps is that of `stage`; each state is one a crash can leave.
        let steps: [fn(&Path); 4] = [
            |release| fs::create_dir(release.join("config")).unwrap(),
            |release| std::os::unix::fs::symlink("nowhere", release.join("log")).unwrap(),
            |release| fs::write(release.join("REVISION.murder-new"), "revi").unwrap(),
            |release| fs::write(release.join(format!("{MARKER}.murder-new")), "{\"rel").unwrap(),
        ];
        for many in 0..=steps.len() {
            let host = Host::new();
            let release = host.tree("r1");
            fs::create_dir_all(host.path("shared/config")).unwrap();
            fs::write(host.path("shared/config/database.yml"), "secret").unwrap();
            steps[..many].iter().for_each(|step| step(&release));
            assert_eq!(host.list().incomplete, [tag("r1")], "after {many} steps");
            host.order(&ReleaseOrder::Stage(asked(&host)), 70).unwrap();
            assert_eq!(host.complete(), ["r1"]);
            assert!(release.join("log").is_dir());
            let mut left = fs::read_dir(&release).unwrap();
            assert!(left.all(|entry| {
                !entry.unwrap().file_name().into_string().unwrap().ends_with(".murder-new")
            }));
        }
    }
}
