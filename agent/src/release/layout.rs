//! Where everything of an application is, and what `current` leads to.

use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use murder_protocol::Tag;

use super::error::ReleaseError;
use crate::home::expand;

/// The folder of one application, whether it is there or not. It may be a symlink.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

/// What is at `current`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Current {
    Nothing,
    /// A link to a release of ours, which may be gone.
    Release(Tag),
    /// A link to something else.
    Elsewhere(PathBuf),
    /// A file or folder, which no rename of a link would replace.
    Taken,
}

impl Layout {
    /// The folder that the operator wrote.
    pub(super) fn at(deploy_to: &str) -> Result<Self, ReleaseError> {
        let root = expand(deploy_to).map_err(ReleaseError::Path)?;
        if root.components().any(|part| part == Component::ParentDir) {
            return Err(ReleaseError::Upwards(root));
        }
        if root.parent().is_none() {
            return Err(ReleaseError::Root);
        }
        match root.metadata() {
            Ok(there) if !there.is_dir() => Err(ReleaseError::NotDirectory(root)),
            _ => Ok(Self { root }),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn releases(&self) -> PathBuf {
        self.root.join("releases")
    }

    pub(super) fn release(&self, release: &Tag) -> PathBuf {
        self.releases().join(release.as_str())
    }

    pub(super) fn shared(&self) -> PathBuf {
        self.root.join("shared")
    }

    pub(super) fn failed(&self) -> PathBuf {
        self.root.join("failed")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("revisions.log")
    }

    pub(super) fn current_link(&self) -> PathBuf {
        self.root.join("current")
    }

    /// Whether the release's own folder is there. A link of its name is none.
    pub(super) fn has(&self, release: &Tag) -> bool {
        self.release(release).symlink_metadata().is_ok_and(|there| there.is_dir())
    }

    /// What `current` leads to.
    pub(super) fn current(&self) -> Result<Current, ReleaseError> {
        let link = self.current_link();
        let target = match link.read_link() {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Current::Nothing),
            // EINVAL: it is no link (readlink(2)).
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(Current::Taken),
            Err(error) => return Err(ReleaseError::io("look at", &link)(error)),
        };
        // Whatever the link is made of, it counts where it ends; but one that ends nowhere may
        // still say by its words which release is missing.
        let ends_in = |base: &Path, path: &Path| first_below(base, path);
        let real = self.releases().canonicalize().ok().zip(link.canonicalize().ok());
        let release = match real {
            Some((base, path)) => ends_in(&base, &path),
            None => ends_in(&self.releases(), &self.root.join(&target)),
        };
        Ok(release.map_or(Current::Elsewhere(target), Current::Release))
    }

    /// Folders in `folder` whose names could be a release's, sorted by name. Hidden ones, which
    /// are half made or half removed, can't.
    pub(super) fn tags_in(folder: &Path) -> Result<Vec<Tag>, ReleaseError> {
        let entries = match folder.read_dir() {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let entries = entries.map_err(ReleaseError::io("read", folder))?;
        let folders = entries.iter().filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()));
        let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
        let mut tags: Vec<Tag> = names.filter_map(|name| name.parse().ok()).collect();
        tags.sort();
        Ok(tags)
    }
}

/// Makes what happened in a folder last.
pub(super) fn sync_folder(path: &Path) -> Result<(), ReleaseError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(ReleaseError::io("sync", path))
}

/// Nothing there is no error.
pub(super) fn tolerate_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// The name of the release that the path is, or is in.
fn first_below(base: &Path, path: &Path) -> Option<Tag> {
    path.strip_prefix(base).ok()?.components().next()?.as_os_str().to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::testing::{Host, tag};
    use super::*;
    use crate::blamed::Blamed as _;

    #[test]
    fn a_folder_that_nobody_can_mean_is_refused() {
        let refusal = |path: &str| Layout::at(path).unwrap_err().failure().to_string();
        assert_eq!(
            refusal("srv/app"),
            "deploy_to can't be used: the path \"srv/app\" is not absolute (write a path that begins with / or ~/)"
        );
        assert_eq!(
            refusal("/srv/../app"),
            "deploy_to /srv/../app has .. in it (write the path without ..)"
        );
        assert_eq!(
            refusal("/"),
            "deploy_to is the root of the file system (choose a folder of the application's own)"
        );
        assert_eq!(
            refusal("/etc/passwd"),
            "/etc/passwd is there already and is no directory (move it away, or choose another \
             deploy_to)"
        );
    }

    #[test]
    fn current_is_known_however_the_link_is_written() {
        let host = Host::new();
        host.tree("r1");
        let layout = host.layout();
        assert_eq!(layout.current().unwrap(), Current::Nothing);
        let absolute = host.path("releases/r1").display().to_string();
        symlink("r1", host.path("releases/newest")).unwrap();
        for target in ["releases/r1", "./releases/r1/", &absolute, "releases/newest"] {
            let _ = std::fs::remove_file(host.path("current"));
            symlink(target, host.path("current")).unwrap();
            assert_eq!(layout.current().unwrap(), Current::Release(tag("r1")), "{target}");
        }
    }

    #[test]
    fn a_link_to_a_release_that_is_gone_still_says_which() {
        let host = Host::new();
        symlink("releases/r7", host.path("current")).unwrap();
        assert_eq!(host.layout().current().unwrap(), Current::Release(tag("r7")));
    }

    #[test]
    fn a_link_to_elsewhere_is_no_release_and_a_folder_is_in_the_way() {
        let host = Host::new();
        symlink("/usr", host.path("current")).unwrap();
        let elsewhere = Current::Elsewhere("/usr".into());
        assert_eq!(host.layout().current().unwrap(), elsewhere);
        std::fs::remove_file(host.path("current")).unwrap();
        std::fs::create_dir(host.path("current")).unwrap();
        assert_eq!(host.layout().current().unwrap(), Current::Taken);
    }
}
