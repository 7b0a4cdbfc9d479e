//! What a running role was asked to do, so that a second request can tell whether it is the same.

use std::path::PathBuf;

use murder_protocol::Tag;
use murder_protocol::verbs::Role;
use serde::Serialize;

use crate::home::Home;
use crate::status::write_private;

/// A file beside the role's lock. Only the holder of the lock writes to it, and what it says
/// holds only while somebody has the lock.
#[derive(Debug)]
pub(crate) struct JobFile {
    path: PathBuf,
}

impl JobFile {
    /// That of this role.
    pub(crate) fn new(home: &Home, role: Role, tag: &Tag) -> Self {
        Self { path: home.role_file(role, Some(tag), "job.json") }
    }

    /// Says what the role does.
    pub(crate) fn write(&self, job: &impl Serialize) -> std::io::Result<()> {
        write_private(&self.path, &serde_json::to_vec(job)?)
    }

    /// Whether the role does this.
    pub(crate) fn is(&self, job: &impl Serialize) -> bool {
        let wanted = serde_json::to_vec(job).ok();
        wanted.is_some() && std::fs::read(&self.path).ok() == wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_job_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let file = JobFile::new(&home, Role::Peer, &"v1".parse().unwrap());
        assert!(!file.is(&("a", 1)));
        file.write(&("a", 1)).unwrap();
        assert!(file.is(&("a", 1)));
        assert!(!file.is(&("a", 2)));
    }
}
