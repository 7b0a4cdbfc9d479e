//! Whether two trees are the same: names, kinds, modes, times, links and contents.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How two trees differ.
#[derive(Debug, thiserror::Error)]
pub(super) enum Difference {
    /// One of them can't be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, io::Error),
    /// A path is not the same in both.
    #[error("{0}: another {1}")]
    Other(PathBuf, &'static str),
}

/// Compares two trees.
pub(super) fn compare(left: &Path, right: &Path) -> Result<(), Difference> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| Difference::Unreadable(path, error)
    };
    let a = fs::symlink_metadata(left).map_err(unreadable(left))?;
    let b = fs::symlink_metadata(right).map_err(unreadable(right))?;
    let same = |what, same: bool| match same {
        true => Ok(()),
        false => Err(Difference::Other(right.to_owned(), what)),
    };
    same("kind", a.file_type() == b.file_type())?;
    if a.is_symlink() {
        let target = |path: &Path| fs::read_link(path).map_err(unreadable(path));
        return same("target", target(left)? == target(right)?);
    }
    same("mode", a.mode() == b.mode())?;
    same("time", a.mtime() == b.mtime())?;
    if a.is_dir() {
        let (names, others) = (names(left)?, names(right)?);
        same("list of names", names == others)?;
        return names.iter().try_for_each(|name| compare(&left.join(name), &right.join(name)));
    }
    same("number of links", a.nlink() == b.nlink())?;
    same("size", a.len() == b.len())?;
    let read = contents_are_equal(left, right).map_err(unreadable(right))?;
    same("content", read)
}

fn names(folder: &Path) -> Result<BTreeSet<OsString>, Difference> {
    let entries = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect());
    entries.map_err(|error| Difference::Unreadable(folder.to_owned(), error))
}

fn contents_are_equal(left: &Path, right: &Path) -> io::Result<bool> {
    let (mut left, mut right) = (File::open(left)?, File::open(right)?);
    let (mut a, mut b) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let n = fill(&mut left, &mut a)?;
        let m = fill(&mut right, &mut b)?;
        if a[..n] != b[..m] {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

const BUFFER: usize = 1 << 17;

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn pair(name: &str) -> (PathBuf, PathBuf, PathBuf) {
        let folder = std::env::temp_dir().join(format!("murder-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (left, right) = (folder.join("left"), folder.join("right"));
        for root in [&left, &right] {
            tree::make(root, 100_000, &AtomicBool::new(false)).unwrap();
        }
        (folder, left, right)
    }

    #[test]
    fn trees_made_alike_are_the_same() {
        let (folder, left, right) = pair("same");
        compare(&left, &right).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_byte_one_mode_or_one_name_makes_a_difference() {
        let (folder, left, right) = pair("differs");
        let told = || compare(&left, &right).unwrap_err().to_string();
        let large = right.join("large.bin");
        let time = large.metadata().unwrap().modified().unwrap();
        let mut bytes = fs::read(&large).unwrap();
        bytes[7] ^= 1;
        fs::write(&large, &bytes).unwrap();
        File::open(&large).unwrap().set_modified(time).unwrap();
        assert!(told().ends_with(": another content"), "{}", told());
        bytes[7] ^= 1;
        fs::write(&large, &bytes).unwrap();
        assert!(told().ends_with(": another time"), "{}", told());
        File::open(&large).unwrap().set_modified(time).unwrap();
        compare(&left, &right).unwrap();
        fs::write(right.join("more"), "").unwrap();
        assert!(told().ends_with("right: another time"), "{}", told());
        fs::remove_dir_all(folder).unwrap();
    }
}
