//! The file of the hosts that failed, which `--limit @FILE` takes.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::settings::TaskName;

/// The folder of such files; one a task, which the next run of the task replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedHosts {
    folder: PathBuf,
}

impl FailedHosts {
    /// In this folder, which need not be there yet.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// In `$XDG_STATE_HOME/murder`, else `~/.local/state/murder` (XDG base directory
    /// specification 0.8: a relative path counts as none).
    pub fn of_environment(var: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name| var(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = path("XDG_STATE_HOME")
            .or_else(|| path("HOME").map(|home| home.join(".local/state")))
            .unwrap_or_else(std::env::temp_dir);
        Self { folder: state.join("murder") }
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    /// Where the failed hosts of a task are.
    pub fn path(&self, task: TaskName) -> PathBuf {
        self.folder.join(format!("failed-{}.txt", task.as_str().replace(':', "-")))
    }

    /// Writes them, one name a line.
    pub fn write<'a>(
        &self,
        task: TaskName,
        hosts: impl Iterator<Item = &'a str>,
    ) -> io::Result<()> {
        let text: String = hosts.flat_map(|host| [host, "\n"]).collect();
        std::fs::create_dir_all(&self.folder)?;
        let path = self.path(task);
        let beside = path.with_extension(format!("txt.{}", std::process::id()));
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, &path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_is_the_environments() {
        let folder = |pairs: &'static [(&str, &str)]| {
            let var = |name: &str| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            };
            FailedHosts::of_environment(var).path(TaskName::Peer)
        };
        assert_eq!(
            folder(&[("HOME", "/home/u"), ("XDG_STATE_HOME", "/s")]),
            PathBuf::from("/s/murder/failed-peer.txt")
        );
        assert_eq!(
            folder(&[("HOME", "/home/u"), ("XDG_STATE_HOME", "relative")]),
            PathBuf::from("/home/u/.local/state/murder/failed-peer.txt")
        );
    }

    #[test]
    fn the_next_run_replaces_the_file() {
        let folder = std::env::temp_dir().join(format!("murder-failed-{}", std::process::id()));
        let failed = FailedHosts::in_folder(folder.clone());
        failed.write(TaskName::Peer, ["a", "b"].into_iter()).unwrap();
        failed.write(TaskName::Peer, ["c"].into_iter()).unwrap();
        let path = failed.path(TaskName::Peer);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "c\n");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
