//! Before a release comes: whether it could go here, and what has to be made for it.

use std::path::{Path, PathBuf};

use murder_protocol::Tag;
use murder_protocol::verbs::ReleaseCheck;
use rustix::fs::{Access, access};

use super::clean::set_aside;
use super::error::ReleaseError;
use super::history::History;
use super::layout::{Current, Layout};
use super::lock::ChangeLock;
use super::marker::Marker;
use super::{Done, links};

/// Says what [`prepare`] would do, and refuses what would fail later.
pub(super) fn check(layout: &Layout, order: &ReleaseCheck) -> Result<Done, ReleaseError> {
    let plan = Plan::make(layout, order)?;
    plan.folders.iter().try_for_each(|path| check_writable(path))?;
    let mut done = Done::default();
    plan.folders.iter().for_each(|path| done.did(makes(path)));
    if let Some(release) = &plan.half_made {
        done.did(sets_aside(release));
    }
    plan.refuse_missing()?;
    Ok(done)
}

/// Makes the folders that are missing, those for linked files too, so that the operator can put
/// them there. A half-made release of the name gives way.
pub(super) fn prepare(
    layout: &Layout,
    order: &ReleaseCheck,
    now: u64,
) -> Result<Done, ReleaseError> {
    let mut done = Done::default();
    let plan = Plan::make(layout, order)?;
    for path in &plan.folders {
        std::fs::create_dir_all(path).map_err(ReleaseError::io("create", path))?;
        done.did(makes(path));
    }
    plan.refuse_missing()?;
    if let Some(release) = &plan.half_made {
        let _turn = ChangeLock::take(layout)?;
        set_aside(layout, release, "it was half made when it was deployed anew", now)?;
        done.did(sets_aside(release));
    }
    Ok(done)
}

/// What is to be done before a release can come.
#[derive(Debug)]
struct Plan {
    /// Each is made with those above it.
    folders: Vec<PathBuf>,
    half_made: Option<Tag>,
    missing_files: Vec<PathBuf>,
}

impl Plan {
    fn make(layout: &Layout, order: &ReleaseCheck) -> Result<Self, ReleaseError> {
        let links = links::parse(&order.linked_files, &order.linked_dirs)?;
        let current = layout.current()?;
        if current == Current::Taken {
            return Err(ReleaseError::CurrentTaken(layout.current_link()));
        }
        refuse_taken(layout, &order.release, &current)?;
        let mut folders = Vec::new();
        for path in [layout.releases(), layout.shared()] {
            match path.metadata() {
                Ok(there) if there.is_dir() => {}
                Ok(_) => return Err(ReleaseError::NotDirectory(path)),
                Err(_) => folders.push(path),
            }
        }
        let lacking = links::look_for(layout, &links)?;
        folders.extend(lacking.folders);
        let half_made = half_made(layout, &order.release, &current)?;
        Ok(Self { folders, half_made, missing_files: lacking.files })
    }

    fn refuse_missing(&self) -> Result<(), ReleaseError> {
        match self.missing_files.as_slice() {
            [] => Ok(()),
            missing => Err(ReleaseError::Missing(missing.to_vec())),
        }
    }
}

/// Refuses the name of a release that hosts have switched to. One that is only staged may be the
/// same one: a peer can tell, once it knows what is to come.
fn refuse_taken(layout: &Layout, release: &Tag, current: &Current) -> Result<(), ReleaseError> {
    if Marker::read(layout, release).is_none() {
        return Ok(());
    }
    let (release, folder) = (release.clone(), layout.releases());
    if *current == Current::Release(release.clone()) {
        return Err(ReleaseError::IsCurrent { release, folder });
    }
    match History::read(layout).first_switched().contains_key(&release) {
        true => Err(ReleaseError::WasCurrent { release, folder }),
        false => Ok(()),
    }
}

/// The release, if something is in the way of it that can be moved.
fn half_made(
    layout: &Layout,
    release: &Tag,
    current: &Current,
) -> Result<Option<Tag>, ReleaseError> {
    let path = layout.release(release);
    if path.symlink_metadata().is_err() || Marker::read(layout, release).is_some() {
        return Ok(None);
    }
    if !layout.has(release) {
        return Err(ReleaseError::NotDirectory(path));
    }
    let release = release.clone();
    if *current == Current::Release(release.clone()) {
        return Err(ReleaseError::HalfMadeIsCurrent { release, folder: layout.releases() });
    }
    Ok(Some(release))
}

fn makes(path: &Path) -> String {
    format!("makes {}", path.display())
}

fn sets_aside(release: &Tag) -> String {
    format!("sets the half-made {release} aside, as failed/{release}")
}

/// Whether the folder could be made.
fn check_writable(path: &Path) -> Result<(), ReleaseError> {
    let nearest = path.ancestors().find(|path| path.symlink_metadata().is_ok());
    let nearest = nearest.unwrap_or(Path::new("/"));
    if !nearest.is_dir() {
        return Err(ReleaseError::NotDirectory(nearest.to_owned()));
    }
    access(nearest, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| ReleaseError::io("write to", nearest)(error.into()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use murder_protocol::verbs::ReleaseOrder;

    use super::super::testing::Host;
    use super::*;

    fn asked(host: &Host) -> ReleaseCheck {
        ReleaseCheck {
            linked_files: vec!["config/database.yml".to_owned(), ".env".to_owned()],
            linked_dirs: vec!["log".to_owned(), "tmp/pids".to_owned()],
            ..host.check("r1")
        }
    }

    fn names(host: &Host) -> Vec<String> {
        let entries = fs::read_dir(host.path("")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_check_says_what_is_missing_and_changes_nothing() {
        let host = Host::new();
        assert_eq!(
            host.refusal(&ReleaseOrder::Check(asked(&host))),
            "/shared/config/database.yml and /shared/.env are not there (put it there on each \
             host, or take it out of linked_files)"
        );
        let check = ReleaseCheck { linked_files: Vec::new(), ..asked(&host) };
        let did = host.order(&ReleaseOrder::Check(check), 0).unwrap().did;
        let did: Vec<_> = did.iter().map(|it| it.replace(&host.deploy_to(), "")).collect();
        let wanted =
            ["makes /releases", "makes /shared", "makes /shared/log", "makes /shared/tmp/pids"];
        assert_eq!(did, wanted);
        assert!(names(&host).is_empty());
    }

    #[test]
    fn folders_are_made_so_that_the_files_can_be_put_there() {
        let host = Host::new();
        let order = ReleaseOrder::Prepare(asked(&host));
        host.order(&order, 0).unwrap_err();
        for file in ["config/database.yml", ".env"] {
            fs::write(host.path("shared").join(file), "").unwrap();
        }
        assert!(host.order(&order, 0).unwrap().did.is_empty());
        assert!(host.path("shared/tmp/pids").is_dir() && host.path("releases").is_dir());
        assert_eq!(names(&host), ["releases", "shared"]);
    }

    #[test]
    fn a_folder_that_is_missing_with_all_above_it_is_made() {
        let host = Host::new();
        let deploy_to = host.path("deep/app");
        let check =
            ReleaseCheck { deploy_to: deploy_to.to_str().unwrap().to_owned(), ..host.check("r1") };
        host.order(&ReleaseOrder::Check(check.clone()), 0).unwrap();
        assert!(!deploy_to.exists());
        host.order(&ReleaseOrder::Prepare(check), 0).unwrap();
        assert!(deploy_to.join("releases").is_dir());
    }

    #[test]
    fn a_folder_at_current_is_refused_before_anything_is_made() {
        let host = Host::new();
        fs::create_dir(host.path("current")).unwrap();
        assert_eq!(
            host.refusal(&ReleaseOrder::Prepare(host.check("r1"))),
            "/current is there already and is no link to a release (move it away, and deploy again)"
        );
        assert_eq!(names(&host), ["current"]);
    }

    #[test]
    fn a_file_where_a_folder_has_to_be_is_refused() {
        let host = Host::new();
        fs::write(host.path("releases"), "").unwrap();
        assert_eq!(
            host.refusal(&ReleaseOrder::Check(host.check("r1"))),
            "/releases is there already and is no directory (move it away, or choose another \
             deploy_to)"
        );
    }

    #[test]
    fn what_current_leads_to_is_not_moved_though_it_has_no_marker() {
        let host = Host::new();
        let by_hand = host.tree("r1");
        std::os::unix::fs::symlink("releases/r1", host.path("current")).unwrap();
        assert_eq!(
            host.refusal(&ReleaseOrder::Prepare(host.check("r1"))),
            "the release r1 in /releases is current, and is not complete (give the new release \
             another name)"
        );
        assert!(by_hand.is_dir());
    }

    #[test]
    fn a_half_made_release_of_the_name_gives_way_and_a_complete_one_stays() {
        let host = Host::new();
        host.tree("r1");
        let order = ReleaseOrder::Prepare(host.check("r1"));
        let done = host.order(&order, 60).unwrap();
        assert_eq!(done.did[1], "sets the half-made r1 aside, as failed/r1");
        assert_eq!(done.releases.failed.unwrap().as_str(), "r1");
        assert!(!host.path("releases/r1").exists());
        assert_eq!(
            fs::read_to_string(host.path("failed/WHY")).unwrap(),
            "1970-01-01T00:01:00Z r1: it was half made when it was deployed anew\n"
        );
        host.staged("r1", 1);
        assert!(host.order(&order, 0).unwrap().did.is_empty());
        assert_eq!(host.complete(), ["r1"]);
    }

    #[test]
    fn the_name_of_a_release_that_was_switched_to_is_refused_while_it_is_there() {
        let host = Host::new();
        for release in ["r1", "r2"] {
            host.deployed(release, 1);
        }
        let refusal = |release| host.refusal(&ReleaseOrder::Check(host.check(release)));
        assert_eq!(
            refusal("r2"),
            "the release r2 in /releases is current already (give the new release another name; \
             deploy:rollback release=r2 switches all hosts that have this one to it)"
        );
        assert_eq!(
            refusal("r1"),
            "the release r1 in /releases was current before (give the new release another name; \
             deploy:rollback release=r1 switches all hosts that have this one to it)"
        );
        fs::remove_dir_all(host.path("releases/r1")).unwrap();
        host.order(&ReleaseOrder::Check(host.check("r1")), 0).unwrap();
    }
}
