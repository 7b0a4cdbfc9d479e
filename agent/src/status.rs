//! What a role is doing, in a file beside its lock, for `status` and for after its end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use murder_protocol::Tag;
use murder_protocol::verbs::{Role, RoleStatus};

use crate::home::{Home, parse_role_name};

/// The status file of one role.
#[derive(Clone, Debug)]
pub struct StatusFile {
    path: PathBuf,
}

impl StatusFile {
    /// The file of this role. Only the holder of the role's lock writes to it.
    pub fn new(home: &Home, role: Role, tag: Option<&Tag>) -> Self {
        Self { path: home.role_file(role, tag, "status.json") }
    }

    /// Replaces the file at once, so that a reader has the old status or the new one.
    pub fn write(&self, status: &RoleStatus) -> io::Result<()> {
        let json = serde_json::to_vec(status)?;
        write_private(&self.path, &json)
    }

    /// Leaves nothing to be told of the role.
    pub fn remove(&self) {
        // One that can't be removed is taken for that of a role that was killed.
        let _ = std::fs::remove_file(&self.path);
    }

    /// What was written last.
    pub fn read(&self) -> Option<RoleStatus> {
        serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()
    }
}

/// The status of every role that ever ran here, as it was written last.
pub fn read_all(home: &Home) -> Vec<RoleStatus> {
    let Ok(entries) = home.run().read_dir() else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let roles = names.filter_map(|name| parse_role_name(name.strip_suffix(".status.json")?));
    let mut all: Vec<RoleStatus> =
        roles.filter_map(|(role, tag)| StatusFile::new(home, role, tag.as_ref()).read()).collect();
    all.sort_by(|a, b| (a.role, &a.tag).cmp(&(b.role, &b.tag)));
    all
}

/// A role of which nothing is known but its name.
pub fn silent(role: Role, tag: Option<Tag>) -> RoleStatus {
    RoleStatus {
        role,
        tag,
        pid: None,
        phase: None,
        bytes: 0,
        total: 0,
        uploaded: 0,
        outcome: None,
        address: None,
        updated_unix: unix_now(),
    }
}

/// Seconds since 1970-01-01 UTC.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Writes a file that only its owner may read, beside its place, synced, then renamed into it.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let written = write_new(&new, bytes).and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file: File =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_status_is_read_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let tag: Tag = "v1".parse().unwrap();
        let status = RoleStatus {
            role: Role::Peer,
            tag: Some(tag.clone()),
            pid: Some(7),
            phase: None,
            bytes: 1,
            total: 2,
            uploaded: 3,
            outcome: None,
            address: None,
            updated_unix: unix_now(),
        };
        let file = StatusFile::new(&home, Role::Peer, Some(&tag));
        assert_eq!(file.read(), None);
        file.write(&status).unwrap();
        assert_eq!(file.read().as_ref(), Some(&status));
        assert_eq!(read_all(&home), [status]);
        assert_eq!(file.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(home.run().read_dir().unwrap().count(), 1);
    }
}
