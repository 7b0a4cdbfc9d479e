//! The agent's folder on a host (`remote_murder_path`), and the names of everything in it.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use murder_protocol::verbs::Role;
use murder_protocol::{Blame, Format, Tag};

use crate::blamed::Blamed;
use crate::temps::{self, Origin};

/// The folder, with its parts in place.
///
/// `bin/` holds the executables, `run/` locks, sockets and status files, `log/` the logs, and
/// `spool/` archives, torrents and partial data.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

/// The files of a tag's archive, whether they are there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFiles {
    /// The archive.
    pub archive: PathBuf,
    /// Its torrent.
    pub torrent: PathBuf,
    /// The archive while it is incomplete.
    pub partial: PathBuf,
}

impl Home {
    /// The folder of the running executable, which is `HOME/bin/NAME`.
    pub fn of_executable() -> Result<Self, HomeError> {
        let executable = std::env::current_exe().map_err(HomeError::Executable)?;
        let bin = executable.parent().filter(|bin| bin.ends_with("bin"));
        match bin.and_then(Path::parent) {
            Some(root) => Self::open(root),
            None => Err(HomeError::Misplaced(executable)),
        }
    }

    /// Opens the folder at `root`, and makes the parts of it that are missing.
    ///
    /// A folder that already holds a `run`, `log` or `spool` of somebody else, as `/var` does, is
    /// refused, because `uninstall` removes them.
    pub fn open(root: &Path) -> Result<Self, HomeError> {
        let home = Self { root: root.to_owned() };
        let marker = home.marker();
        if !marker.exists() {
            let taken = PARTS.iter().map(|part| root.join(part)).find(|path| path.exists());
            if let Some(path) = taken.filter(|_| !marker.exists()) {
                return Err(HomeError::Taken(path));
            }
            make_private_dir(root)?;
            OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&marker)
                .map_err(|source| HomeError::Make { path: marker, source })?;
        }
        PARTS.iter().try_for_each(|part| make_private_dir(&root.join(part)))?;
        Ok(home)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Executables.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// Locks, sockets and status files.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Logs.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Archives, torrents and partial data, unless the operator names another folder.
    pub fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    /// The running tracker's administrative socket.
    pub fn socket(&self) -> PathBuf {
        self.run().join("tracker.sock")
    }

    /// The file that says that this folder is ours.
    pub fn marker(&self) -> PathBuf {
        self.root.join(".murder-home")
    }

    /// The files of a tag's archive, in `temp` or else in the spool.
    pub fn files(
        &self,
        tag: &Tag,
        format: Format,
        temp: Option<&str>,
    ) -> Result<ArchiveFiles, HomeError> {
        let (folder, name) = (self.temp(temp)?, format.name(tag));
        let [archive, torrent, partial] = FILE_ENDS.map(|end| folder.join(format!("{name}{end}")));
        Ok(ArchiveFiles { archive, torrent, partial })
    }

    /// The torrent of a tag, of whatever format its archive is.
    pub fn torrent(&self, tag: &Tag, temp: Option<&str>) -> Result<PathBuf, HomeError> {
        let zstd = self.files(tag, Format::TarZst, temp)?.torrent;
        if zstd.exists() {
            return Ok(zstd);
        }
        Ok(self.files(tag, Format::Tgz, temp)?.torrent)
    }

    /// The folder for archives: `temp`, made if it is missing, or else the spool.
    pub fn temp(&self, temp: Option<&str>) -> Result<PathBuf, HomeError> {
        let Some(temp) = temp else { return Ok(self.spool()) };
        let path = expand(temp)?;
        let origin = if path.is_dir() { Origin::Found } else { Origin::Made };
        make_private_dir(&path)?;
        // Only uninstall wants to know.
        let _ = temps::remember(self, &path, origin);
        Ok(path)
    }

    /// A file of `run/` that belongs to a role: `tracker.lock`, `peer-v1.json`.
    pub fn role_file(&self, role: Role, tag: Option<&Tag>, extension: &str) -> PathBuf {
        self.run().join(format!("{}.{extension}", role_name(role, tag)))
    }

    /// The log of a role: `tracker.log`, `peer-v1.log`.
    pub fn role_log(&self, role: Role, tag: Option<&Tag>) -> PathBuf {
        self.log().join(format!("{}.log", role_name(role, tag)))
    }
}

/// What follows the archive's name in those of its files, as [`ArchiveFiles`] has them.
pub(crate) const FILE_ENDS: [&str; 3] = ["", ".torrent", ".partial"];

/// The absolute path that the operator wrote, `~` being the user that SSH logged in.
pub fn expand(text: &str) -> Result<PathBuf, HomeError> {
    let path = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            user_home().ok_or(HomeError::NoUserHome)?.join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(text),
    };
    if path.is_absolute() { Ok(path) } else { Err(HomeError::Relative(text.to_owned())) }
}

/// The home of the user that SSH logged in. `std::env::home_dir` would ask the name service, which
/// takes a static executable several hundred kilobytes and the host's own shared libraries.
pub fn user_home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
}

/// What a role is called in file names and messages: `tracker`, `seeder-v1`.
pub fn role_name(role: Role, tag: Option<&Tag>) -> String {
    let role = role_word(role);
    tag.map_or_else(|| role.to_owned(), |tag| format!("{role}-{tag}"))
}

/// The role's own word: `tracker`, `seeder`, `peer` or `warm`.
pub const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Tracker => "tracker",
        Role::Seeder => "seeder",
        Role::Peer => "peer",
        Role::Warm => "warm",
    }
}

/// What a role is called in a sentence: `tracker`, `waiting agent`.
pub const fn role_noun(role: Role) -> &'static str {
    match role {
        Role::Warm => "waiting agent",
        Role::Tracker | Role::Seeder | Role::Peer => role_word(role),
    }
}

/// The role and tag of a name made by [`role_name`].
pub fn parse_role_name(name: &str) -> Option<(Role, Option<Tag>)> {
    match name.split_once('-') {
        None if name == "tracker" => Some((Role::Tracker, None)),
        None if name == "warm" => Some((Role::Warm, None)),
        Some(("seeder", tag)) => Some((Role::Seeder, Some(tag.parse().ok()?))),
        Some(("peer", tag)) => Some((Role::Peer, Some(tag.parse().ok()?))),
        _ => None,
    }
}

/// Why the agent's folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// `/proc` is not mounted, perhaps.
    #[error("could not find out where the agent's executable is")]
    Executable(#[source] io::Error),
    /// It was started from elsewhere.
    #[error("the agent runs from its own bin folder only, and this is {}", .0.display())]
    Misplaced(PathBuf),
    /// The folder is in use for something else.
    #[error("{} is there already, and is not murder's", .0.display())]
    Taken(PathBuf),
    /// No space, no permission.
    #[error("could not make {}", path.display())]
    Make {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `~` was used and the user has no home.
    #[error("the user that SSH logged in has no home directory, so ~ means nothing")]
    NoUserHome,
    /// A path depends on a working directory.
    #[error("the path {0:?} is not absolute")]
    Relative(String),
}

impl Blamed for HomeError {
    fn blame(&self) -> Blame {
        match self {
            Self::Executable(_) | Self::Make { .. } | Self::NoUserHome => Blame::Host,
            Self::Misplaced(_) | Self::Taken(_) | Self::Relative(_) => Blame::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Misplaced(_) => "let distribute_files install it",
            Self::Taken(_) => "set remote_murder_path to a folder of its own",
            Self::NoUserHome | Self::Relative(_) => "write a path that begins with / or ~/",
            Self::Executable(_) | Self::Make { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

fn make_private_dir(path: &Path) -> Result<(), HomeError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| HomeError::Make { path: path.to_owned(), source })
}

const PARTS: [&str; 3] = ["run", "log", "spool"];

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_parts_are_made_private() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(&dir.path().join("deep/murder")).unwrap();
        for part in [home.run(), home.log(), home.spool()] {
            assert_eq!(part.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
        }
        Home::open(home.root()).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_ours_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("log")).unwrap();
        assert_eq!(
            Home::open(dir.path()).unwrap_err().failure().to_string(),
            format!(
                "{}/log is there already, and is not murder's (set remote_murder_path to a folder \
                 of its own)",
                dir.path().display()
            )
        );
    }

    #[test]
    fn files_of_a_tag_are_in_the_spool_or_in_the_given_folder() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let tag: Tag = "v1".parse().unwrap();
        let files = home.files(&tag, Format::TarZst, None).unwrap();
        assert_eq!(files.archive, dir.path().join("spool/v1.tar.zst"));
        assert_eq!(files.partial, dir.path().join("spool/v1.tar.zst.partial"));
        assert_eq!(home.torrent(&tag, None).unwrap(), dir.path().join("spool/v1.tgz.torrent"));
        std::fs::write(&files.torrent, b"").unwrap();
        assert_eq!(home.torrent(&tag, None).unwrap(), files.torrent);
        let temp = dir.path().join("elsewhere");
        let torrent = home.torrent(&tag, temp.to_str()).unwrap();
        assert_eq!(torrent, temp.join("v1.tgz.torrent"));
        assert!(temp.is_dir());
    }

    #[test]
    fn a_relative_path_is_refused_and_a_tilde_is_the_users_home() {
        assert_eq!(
            expand("tmp/x").unwrap_err().failure().to_string(),
            "the path \"tmp/x\" is not absolute (write a path that begins with / or ~/)"
        );
        let user = user_home().unwrap();
        assert_eq!(expand("~/x y").unwrap(), user.join("x y"));
        assert_eq!(expand("~").unwrap(), user);
        assert!(expand("~root/x").is_err());
    }

    #[test]
    fn a_roles_name_can_be_read_back() {
        let tag: Tag = "a-b.c".parse().unwrap();
        for (role, tag) in [(Role::Tracker, None), (Role::Warm, None), (Role::Peer, Some(tag))] {
            let name = role_name(role, tag.as_ref());
            assert_eq!(parse_role_name(&name), Some((role, tag)));
        }
        assert_eq!(parse_role_name("peer"), None);
        assert_eq!(parse_role_name("tracker-x"), None);
    }
}
