//! What is never replaced, and what is never deleted along with a tree around it.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::error::PlaceError;
use crate::home::Home;

/// The places of this host that are no destinations.
#[derive(Debug)]
pub(super) struct Forbidden {
    homes: Vec<PathBuf>,
    mounts: Vec<PathBuf>,
    agent: PathBuf,
}

impl Forbidden {
    pub(super) fn of_this_host(home: &Home) -> Self {
        let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
        let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        let own = crate::home::user_home();
        let homes = homes(&passwd).chain(own).chain(HOMES.into_iter().flat_map(children));
        Self {
            homes: homes.filter_map(|path| path.canonicalize().ok()).collect(),
            mounts: mount_points(&mounts).collect(),
            agent: home.root().canonicalize().unwrap_or_else(|_| home.root().to_owned()),
        }
    }

    /// Refuses a final path, which is canonical as far as it exists.
    pub(super) fn check(&self, path: &Path) -> Result<(), PlaceError> {
        let depth = path.components().count();
        let what = match depth {
            0 | 1 => "the root of the file system",
            2 => "a path of one component",
            _ if self.homes.iter().any(|home| home == path) => "a home directory",
            _ if self.mounts.iter().any(|mount| mount == path) => "a mount point",
            _ if path.starts_with(&self.agent) => "within murder's own folder",
            _ if self.agent.starts_with(path) => "around murder's own folder",
            _ => return Ok(()),
        };
        Err(PlaceError::Never { path: path.to_owned(), what })
    }

    /// Refuses a tree that is to be deleted, for what is below it.
    pub(super) fn check_deletion(&self, path: &Path) -> Result<(), PlaceError> {
        let homes = self.homes.iter().map(|home| (home, "a home directory"));
        let mounts = self.mounts.iter().map(|mount| (mount, "a mount point"));
        match homes.chain(mounts).find(|(inner, _)| inner.starts_with(path)) {
            Some((inner, what)) => {
                Err(PlaceError::Holds { path: path.to_owned(), inner: inner.clone(), what })
            }
            None => Ok(()),
        }
    }
}

/// The sixth fields of passwd(5).
fn homes(passwd: &[u8]) -> impl Iterator<Item = PathBuf> {
    let fields = |line: &[u8]| line.split(|byte| *byte == b':').nth(5).map(<[u8]>::to_vec);
    let lines = passwd.split(|byte| *byte == b'\n');
    lines
        .filter_map(fields)
        .filter(|home| home.starts_with(b"/"))
        .map(|home| OsString::from_vec(home).into())
}

/// What is in a folder, if it is there.
fn children(folder: &str) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Where users have their homes whom passwd(5) doesn't know, since they are a directory service's.
const HOMES: [&str; 3] = ["/home", "/var/home", "/export/home"];

/// The fifth fields of proc_pid_mountinfo(5), where a space is `\040`.
fn mount_points(mountinfo: &[u8]) -> impl Iterator<Item = PathBuf> {
    let field = |line: &[u8]| line.split(|byte| *byte == b' ').nth(4).map(unescape);
    mountinfo.split(|byte| *byte == b'\n').filter_map(field)
}

fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    Path::new(std::ffi::OsStr::from_bytes(&out)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden() -> Forbidden {
        Forbidden {
            homes: vec!["/home/ann".into(), "/srv/www/app".into()],
            mounts: vec!["/".into(), "/data/disk one".into()],
            agent: "/opt/x/murder".into(),
        }
    }

    fn refusal(path: &str) -> String {
        forbidden().check(Path::new(path)).unwrap_err().to_string()
    }

    #[test]
    fn places_that_nobody_can_mean_are_refused() {
        for (path, what) in [
            ("/", "the root of the file system"),
            ("/srv", "a path of one component"),
            ("/home/ann", "a home directory"),
            ("/data/disk one", "a mount point"),
            ("/opt/x/murder/spool/y", "within murder's own folder"),
            ("/opt/x/murder", "within murder's own folder"),
            ("/opt/x", "around murder's own folder"),
        ] {
            let wanted = format!("the destination {path} is {what}, which is never replaced");
            assert_eq!(refusal(path), wanted);
        }
        for path in ["/home/ann/x", "/srv/www", "/data/disk", "/opt/x/murder2"] {
            forbidden().check(Path::new(path)).unwrap();
        }
    }

    #[test]
    fn a_tree_around_a_home_or_a_mount_point_is_not_deleted() {
        let refusal = |path: &str| forbidden().check_deletion(Path::new(path)).unwrap_err();
        assert_eq!(
            refusal("/srv/www").to_string(),
            "the destination /srv/www has /srv/www/app in it, which is a home directory"
        );
        assert_eq!(
            refusal("/data").to_string(),
            "the destination /data has /data/disk one in it, which is a mount point"
        );
        forbidden().check_deletion(Path::new("/srv/www/app/x")).unwrap();
    }

    #[test]
    fn homes_and_mount_points_are_read_from_the_system() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nodd line\nx:x:1:1::/h x:/bin/sh\n";
        assert_eq!(homes(passwd).collect::<Vec<_>>(), [Path::new("/root"), Path::new("/h x")]);
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bob")).unwrap();
        let found: Vec<_> = children(dir.path().to_str().unwrap()).collect();
        assert_eq!(found, [dir.path().join("bob")]);
        assert_eq!(children("/not/there").count(), 0);
        let mountinfo =
            b"21 1 8:1 / / rw - ext4 /dev/a rw\n36 21 0:3 /r /mnt/a\\040b rw - nfs s rw\n";
        let mounts: Vec<_> = mount_points(mountinfo).collect();
        assert_eq!(mounts, [Path::new("/"), Path::new("/mnt/a b")]);
    }
}
