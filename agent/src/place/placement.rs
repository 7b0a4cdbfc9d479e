//! A destination that was looked at and found usable.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Component, Path, PathBuf};

use murder_protocol::verbs::Destination;
use murder_swarm::metainfo::{About, Kind};
use rustix::fs::{Access, access, statvfs};

use super::error::PlaceError;
use super::forbidden::Forbidden;
use crate::home::{Home, expand};

/// Where something goes, checked.
#[derive(Debug)]
pub struct Placement {
    /// For a tree its final path; for a file its final path, or the folder it goes into. Canonical
    /// as far as it existed when it was checked.
    pub(super) path: PathBuf,
    pub(super) target: Target,
    pub(super) on_conflict: OnConflict,
    pub(super) forbidden: Forbidden,
    home: Home,
}

/// What is to appear at a placement's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Tree,
    /// The path is the file's.
    File,
    /// The path is the folder that the file goes into, under its own name.
    FileIn,
}

/// What happens to a tree that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnConflict {
    Refuse,
    Replace,
}

impl Placement {
    /// Looks at the destination, and changes nothing. It is looked at again when the tree is
    /// there, since others may put something in its place meanwhile.
    pub fn check(home: &Home, wanted: &Destination, about: &About) -> Result<Self, PlaceError> {
        if wanted.keep_owner && !rustix::process::geteuid().is_root() {
            return Err(PlaceError::NotRoot);
        }
        let written = expand(&wanted.path).map_err(PlaceError::Path)?;
        let path = canonical(&written)?;
        let (target, path) = match about.kind {
            Kind::Tree => (Target::Tree, path),
            // As cp, a link to a folder is that folder.
            Kind::File if path.is_dir() => {
                (Target::FileIn, path.canonicalize().map_err(PlaceError::io("find", &path))?)
            }
            Kind::File if wanted.path.ends_with('/') => (Target::FileIn, path),
            Kind::File => (Target::File, path),
        };
        let on_conflict =
            if wanted.unsafe_please_delete { OnConflict::Replace } else { OnConflict::Refuse };
        let forbidden = Forbidden::of_this_host(home);
        let placement = Self { path, target, on_conflict, forbidden, home: home.clone() };
        match target {
            Target::Tree => placement.check_tree()?,
            Target::File => placement.check_file(&placement.path)?,
            Target::FileIn => placement.check_folder()?,
        }
        placement.check_room(about)?;
        Ok(placement)
    }

    /// The final path, or for a file the folder it goes into if it exists already.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that the rename happens in.
    pub(super) fn folder(&self) -> &Path {
        match self.target {
            Target::FileIn => &self.path,
            Target::Tree | Target::File => self.path.parent().unwrap_or(Path::new("/")),
        }
    }

    pub(super) const fn home(&self) -> &Home {
        &self.home
    }

    /// Refuses what can't be replaced by a tree, by the operator's wish or by anybody's.
    pub(super) fn check_tree(&self) -> Result<(), PlaceError> {
        let path = &self.path;
        self.forbidden.check(path)?;
        let Some(there) = look(path)? else { return Ok(()) };
        if there.is_symlink() {
            return Err(PlaceError::Symlink(path.clone()));
        }
        match self.on_conflict {
            OnConflict::Replace => self.forbidden.check_deletion(path),
            OnConflict::Refuse if !there.is_dir() => Err(PlaceError::NotDirectory(path.clone())),
            OnConflict::Refuse => {
                let mut entries = path.read_dir().map_err(PlaceError::io("read", path))?;
                match entries.next() {
                    Some(_) => Err(PlaceError::NotEmpty(path.clone())),
                    None => Ok(()),
                }
            }
        }
    }

    /// Refuses what a file can't replace: as `cp`, only another file.
    pub(super) fn check_file(&self, path: &Path) -> Result<(), PlaceError> {
        self.forbidden.check(path)?;
        match look(path)? {
            None => Ok(()),
            Some(there) if there.is_symlink() => Err(PlaceError::Symlink(path.to_owned())),
            Some(there) if there.is_dir() => Err(PlaceError::IsDirectory(path.to_owned())),
            Some(there) if !there.is_file() => Err(PlaceError::NotFile(path.to_owned())),
            Some(_) => Ok(()),
        }
    }

    fn check_folder(&self) -> Result<(), PlaceError> {
        self.forbidden.check(&self.path.join("file"))?;
        match look(&self.path)? {
            Some(there) if !there.is_dir() => Err(PlaceError::Below(self.path.clone())),
            _ => Ok(()),
        }
    }

    fn check_room(&self, about: &About) -> Result<(), PlaceError> {
        let path = nearest(self.folder());
        if !path.is_dir() {
            return Err(PlaceError::Below(path.to_owned()));
        }
        let failed = |error: rustix::io::Errno| PlaceError::io("write to", path)(error.into());
        access(path, Access::WRITE_OK | Access::EXEC_OK).map_err(failed)?;
        let room = statvfs(path).map_err(failed)?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        if free < about.tree_bytes {
            return Err(PlaceError::Space {
                path: path.to_owned(),
                free,
                needed: about.tree_bytes,
            });
        }
        // Some file systems, such as Btrfs, have no fixed number of inodes and say 0.
        if room.f_files > 0 && room.f_favail < about.entries {
            let free = room.f_favail;
            return Err(PlaceError::Inodes { path: path.to_owned(), free, needed: about.entries });
        }
        Ok(())
    }
}

/// The path with the links above its last name resolved, as far as it exists.
fn canonical(path: &Path) -> Result<PathBuf, PlaceError> {
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(PlaceError::Upwards(path.to_owned()));
    }
    let Some((parent, name)) = path.parent().zip(path.file_name()) else {
        return Ok(PathBuf::from("/"));
    };
    let there = nearest(parent);
    let missing: PathBuf = parent.strip_prefix(there).map(Path::to_owned).unwrap_or_default();
    let mut path = there.canonicalize().map_err(PlaceError::io("find", there))?;
    path.extend(&missing);
    path.push(OsString::from(name));
    Ok(path)
}

/// The path itself or the first above it that exists. A dangling link exists.
pub(super) fn nearest(path: &Path) -> &Path {
    let mut ancestors = path.ancestors();
    ancestors.find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("/"))
}

/// What is at the path, if anything is.
fn look(path: &Path) -> Result<Option<Metadata>, PlaceError> {
    match path.symlink_metadata() {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(PlaceError::Below(nearest(path).to_owned()))
        }
        Err(error) => Err(PlaceError::io("look at", path)(error)),
    }
}
