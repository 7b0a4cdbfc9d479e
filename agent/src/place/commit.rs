//! The moment in which a tree or file appears.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::error::PlaceError;
use super::placement::{OnConflict, Placement, Target};
use super::remove::remove_tree;
use super::staging::Staging;

/// Something that is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its final path.
    pub path: PathBuf,
    /// What it replaced and what could not be deleted, if so; the next run tries again.
    pub left_over: Option<PathBuf>,
}

impl Placement {
    /// Renames what is in the staging folder to its final path. The caller has synced it.
    pub fn commit(&self, mut staging: Staging) -> Result<Placed, PlaceError> {
        let path = match self.target {
            Target::Tree => {
                self.commit_tree(&staging)?;
                self.path.clone()
            }
            Target::File | Target::FileIn => self.commit_file(&staging)?,
        };
        staging.keep_parents();
        sync_folder(self.folder())?;
        let removed = remove_tree(staging.path()).and_then(|()| remove_tree(&staging.old_path()));
        let left_over = removed.is_err().then(|| staging.path().to_owned());
        Ok(Placed { path, left_over })
    }

    fn commit_tree(&self, staging: &Staging) -> Result<(), PlaceError> {
        // Renaming a folder replaces an empty one and nothing else (rename(2)).
        match std::fs::rename(staging.path(), &self.path) {
            Ok(()) => Ok(()),
            Err(error) if is_in_the_way(&error) => {
                self.check_tree()?;
                match self.on_conflict {
                    OnConflict::Replace => self.replace_tree(staging),
                    // It was there, and is gone again.
                    OnConflict::Refuse => Err(PlaceError::io("rename to", &self.path)(error)),
                }
            }
            Err(error) => Err(PlaceError::io("rename to", &self.path)(error)),
        }
    }

    fn replace_tree(&self, staging: &Staging) -> Result<(), PlaceError> {
        match renameat_with(CWD, staging.path(), CWD, &self.path, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            // An old kernel, or a file system such as NFS, which can only rename.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                rename_twice(staging.path(), &self.path, &staging.old_path())
                    .map_err(PlaceError::io("replace", &self.path))
            }
            Err(error) => Err(PlaceError::io("replace", &self.path)(error.into())),
        }
    }

    fn commit_file(&self, staging: &Staging) -> Result<PathBuf, PlaceError> {
        let file = only_file(staging.path())?;
        let path = match self.target {
            Target::FileIn => self.path.join(file.file_name().unwrap_or_default()),
            Target::Tree | Target::File => self.path.clone(),
        };
        self.check_file(&path)?;
        std::fs::rename(&file, &path).map_err(PlaceError::io("rename to", &path))?;
        Ok(path)
    }
}

/// For a moment nothing is at `path`, which the interface allows; a crash in that moment is mended
/// by the next run.
fn rename_twice(new: &Path, path: &Path, old: &Path) -> io::Result<()> {
    std::fs::rename(path, old)?;
    std::fs::rename(new, path).inspect_err(|_| {
        // The error that matters is the first one.
        let _ = std::fs::rename(old, path);
    })
}

fn only_file(folder: &Path) -> Result<PathBuf, PlaceError> {
    let entries = folder.read_dir().and_then(Iterator::collect::<io::Result<Vec<_>>>);
    match entries.map_err(PlaceError::io("read", folder))?.as_slice() {
        [entry] if entry.file_type().is_ok_and(|kind| kind.is_file()) => Ok(entry.path()),
        _ => Err(PlaceError::NotOneFile),
    }
}

fn is_in_the_way(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory)
}

fn sync_folder(path: &Path) -> Result<(), PlaceError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(PlaceError::io("sync", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_exchange_the_old_tree_is_kept_until_the_new_one_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let [new, path, old] = ["new", "path", "old"].map(|name| dir.path().join(name));
        std::fs::create_dir(&path).unwrap();
        assert!(rename_twice(&new, &path, &old).is_err());
        assert!(path.is_dir() && !old.exists());
        std::fs::create_dir_all(new.join("fresh")).unwrap();
        rename_twice(&new, &path, &old).unwrap();
        assert!(path.join("fresh").is_dir() && old.is_dir() && !new.exists());
    }
}
