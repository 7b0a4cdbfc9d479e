//! Removes a tree, with the folders in it that its owner has made read-only.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Removes whatever is at the path, without following a link. Nothing there is no error.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let metadata = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result?,
    };
    if !metadata.is_dir() {
        return tolerate_missing(std::fs::remove_file(path));
    }
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            tolerate_missing(std::fs::remove_dir_all(path))
        }
        result => tolerate_missing(result),
    }
}

/// Gives the owner the right to change every folder of the tree.
fn open_up(path: &Path) -> io::Result<()> {
    let mut permissions = path.symlink_metadata()?.permissions();
    permissions.set_mode(permissions.mode() | 0o700);
    std::fs::set_permissions(path, permissions)?;
    for entry in path.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

fn tolerate_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
