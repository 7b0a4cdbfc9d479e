//! What outlives a release: files and folders of `shared/` that every release links to.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use super::error::ReleaseError;
use super::layout::Layout;
use super::marker::MARKER;
use crate::place::remove_tree;

/// A path below `shared/` and below each release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Linked {
    path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Dir,
}

/// What `shared/` lacks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lacking {
    /// Folders, which can be made.
    pub(super) folders: Vec<PathBuf>,
    /// Files, which only the operator has.
    pub(super) files: Vec<PathBuf>,
}

/// Whether a link had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linking {
    Made,
    WasThere,
}

/// Checks the paths by themselves and against each other.
pub(super) fn parse(files: &[String], dirs: &[String]) -> Result<Vec<Linked>, ReleaseError> {
    let files = files.iter().map(|text| (text, Kind::File));
    let mut all: Vec<Linked> = Vec::new();
    for (text, kind) in files.chain(dirs.iter().map(|text| (text, Kind::Dir))) {
        let path = relative(text)?;
        if let Some(other) = all.iter().find(|it| overlap(&it.path, &path)) {
            let outer = other.path.display().to_string();
            return Err(ReleaseError::Nested { outer, inner: text.clone() });
        }
        all.push(Linked { path, kind });
    }
    Ok(all)
}

/// Looks at what `shared/` has of these, and refuses what can't be linked to.
pub(super) fn look_for(layout: &Layout, links: &[Linked]) -> Result<Lacking, ReleaseError> {
    let mut lacking = Lacking::default();
    for link in links {
        link.look(layout, &mut lacking)?;
    }
    lacking.folders.dedup();
    Ok(lacking)
}

impl Linked {
    /// The path as the operator would write it.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn look(&self, layout: &Layout, lacking: &mut Lacking) -> Result<(), ReleaseError> {
        let path = layout.shared().join(&self.path);
        let parent = path.parent().unwrap_or(Path::new("/"));
        check_inside(&layout.shared(), parent)?;
        let wrong = |is, among| {
            let path = path.clone();
            Err(ReleaseError::WrongKind { path, is, among })
        };
        match (path.metadata(), self.kind) {
            (Ok(there), Kind::Dir) if !there.is_dir() => wrong("no directory", "linked_dirs"),
            (Ok(there), Kind::File) if there.is_dir() => wrong("a directory", "linked_files"),
            (Ok(_), _) => Ok(()),
            (Err(error), _) if error.kind() != io::ErrorKind::NotFound => {
                Err(ReleaseError::io("look at", &path)(error))
            }
            (Err(_), Kind::Dir) if path.is_symlink() => {
                wrong("a symlink that leads nowhere", "linked_dirs")
            }
            (Err(_), Kind::Dir) => {
                lacking.folders.push(path);
                Ok(())
            }
            (Err(_), Kind::File) => {
                if !parent.is_dir() {
                    lacking.folders.push(parent.to_owned());
                }
                lacking.files.push(path);
                Ok(())
            }
        }
    }

    /// Lets the release have a link at the path, in place of whatever it has there.
    pub(super) fn link_from(
        &self,
        layout: &Layout,
        release: &Path,
    ) -> Result<Linking, ReleaseError> {
        let link = release.join(&self.path);
        // Absolute as Capistrano's, since a folder on the way may be a symlink.
        let target = layout.shared().join(&self.path);
        if let Some(parent) = link.parent() {
            check_inside(release, parent)?;
            std::fs::create_dir_all(parent).map_err(ReleaseError::io("create", parent))?;
        }
        if link.read_link().is_ok_and(|there| there == target) {
            return Ok(Linking::WasThere);
        }
        remove_tree(&link).map_err(ReleaseError::io("replace", &link))?;
        symlink(target, &link).map_err(ReleaseError::io("link", &link))?;
        Ok(Linking::Made)
    }
}

/// The path, if it can only lead to something below where it begins.
fn relative(text: &str) -> Result<PathBuf, ReleaseError> {
    let refuse = |why| Err(ReleaseError::Linked { path: text.to_owned(), why });
    let mut path = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => return refuse("has .. in it"),
            Component::RootDir | Component::Prefix(_) => return refuse("is absolute"),
        }
    }
    if path.as_os_str().is_empty() {
        return refuse("is empty");
    }
    if [MARKER, "REVISION"].iter().any(|ours| path == Path::new(ours)) {
        return refuse("is written anew for each release");
    }
    Ok(path)
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Refuses a folder that a symlink leads out of `root`. As far as it is missing it leads nowhere.
fn check_inside(root: &Path, folder: &Path) -> Result<(), ReleaseError> {
    let there = folder.ancestors().find(|path| path.symlink_metadata().is_ok());
    let Some(there) = there.filter(|there| there.starts_with(root)) else { return Ok(()) };
    let real = |path: &Path| path.canonicalize().map_err(ReleaseError::io("follow", path));
    if real(there)?.starts_with(real(root)?) {
        return Ok(());
    }
    Err(ReleaseError::LeadsOut { path: there.to_owned(), root: root.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::Host;
    use super::*;
    use crate::blamed::Blamed as _;

    fn dirs(host: &Host, names: &[&str]) -> Result<Lacking, String> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        host.told(parse(&[], &names).and_then(|links| look_for(&host.layout(), &links)))
    }

    fn files(host: &Host, names: &[&str]) -> Result<Lacking, String> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        host.told(parse(&names, &[]).and_then(|links| look_for(&host.layout(), &links)))
    }

    #[test]
    fn paths_that_could_lead_anywhere_are_refused() {
        let refusal = |text: &str| relative(text).unwrap_err().failure().to_string();
        let hint = "(write it relative to shared/, such as config/database.yml)";
        for (text, why) in [
            ("", "is empty"),
            (".", "is empty"),
            ("/etc/passwd", "is absolute"),
            ("../x", "has .. in it"),
            ("a/../../x", "has .. in it"),
            ("REVISION", "is written anew for each release"),
            (".murder-release", "is written anew for each release"),
        ] {
            assert_eq!(refusal(text), format!("the linked path {text:?} {why} {hint}"));
        }
        assert_eq!(relative("./a//b/").unwrap(), Path::new("a/b"));
    }

    #[test]
    fn paths_within_each_other_are_refused() {
        let names = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let refused = parse(&names(&["log/keep"]), &names(&["log"])).unwrap_err();
        assert_eq!(
            refused.failure().to_string(),
            "the linked paths \"log/keep\" and \"log\" lie within each other (name only one of \
             them)"
        );
        assert!(parse(&[], &names(&["log", "log/"])).is_err());
        assert_eq!(parse(&[], &names(&["log", "logs"])).unwrap().len(), 2);
    }

    #[test]
    fn a_shared_link_to_a_bigger_disk_is_the_operators_own() {
        let host = Host::new();
        fs::create_dir_all(host.path("shared")).unwrap();
        fs::create_dir(host.path("disk")).unwrap();
        symlink(host.path("disk"), host.path("shared/uploads")).unwrap();
        assert_eq!(dirs(&host, &["uploads"]).unwrap(), Lacking::default());
        // But nothing is made beyond it.
        assert_eq!(
            dirs(&host, &["uploads/today"]).unwrap_err(),
            "/shared/uploads leads out of /shared (take the link away, or what is linked below it)"
        );
        symlink("nowhere", host.path("shared/log")).unwrap();
        assert_eq!(
            dirs(&host, &["log"]).unwrap_err(),
            "/shared/log is a symlink that leads nowhere, and stands among the linked_dirs (take \
             it out of there, or replace what is in shared/)"
        );
    }

    #[test]
    fn a_file_is_no_folder_and_the_other_way_round() {
        let host = Host::new();
        fs::create_dir_all(host.path("shared/log")).unwrap();
        fs::write(host.path("shared/.env"), "").unwrap();
        let hint = "(take it out of there, or replace what is in shared/)";
        assert_eq!(
            dirs(&host, &[".env"]).unwrap_err(),
            format!("/shared/.env is no directory, and stands among the linked_dirs {hint}")
        );
        assert_eq!(
            files(&host, &["log"]).unwrap_err(),
            format!("/shared/log is a directory, and stands among the linked_files {hint}")
        );
    }

    #[test]
    fn what_a_release_has_at_the_path_gives_way_to_the_link() {
        let host = Host::new();
        let release = host.tree("r1");
        fs::create_dir_all(release.join("log/old")).unwrap();
        fs::write(release.join("log/old/x"), "").unwrap();
        fs::write(release.join(".env"), "").unwrap();
        let all = parse(&[".env".into(), "a/b/c.yml".into()], &["log".into()]).unwrap();
        for wanted in [Linking::Made, Linking::WasThere] {
            for link in &all {
                assert_eq!(link.link_from(&host.layout(), &release).unwrap(), wanted);
            }
        }
        for name in [".env", "a/b/c.yml", "log"] {
            let target = host.path("shared").join(name);
            assert_eq!(release.join(name).read_link().unwrap(), target);
        }
    }

    #[test]
    fn a_link_in_a_release_is_followed_within_it_only() {
        let host = Host::new();
        let release = host.tree("r1");
        fs::create_dir(release.join("web")).unwrap();
        symlink("web", release.join("public")).unwrap();
        symlink("../..", release.join("up")).unwrap();
        let link = |path: &str| {
            let link = Linked { path: path.into(), kind: Kind::Dir };
            host.told(link.link_from(&host.layout(), &release))
        };
        assert_eq!(link("public/uploads").unwrap(), Linking::Made);
        assert!(release.join("web/uploads").is_symlink());
        assert_eq!(
            link("up/uploads").unwrap_err(),
            "/releases/r1/up leads out of /releases/r1 (take the link away, or what is linked \
             below it)"
        );
        assert!(!host.path("uploads").is_symlink());
    }
}
