//! A tree with everything that a file system can do to a copy, and a comparison of trees.

use std::collections::BTreeMap;
use std::fs::{self, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Makes a tree of unicode and long names, empty files and folders, links of both kinds, several
/// modes and times of its own.
pub(crate) fn make(root: &Path) {
    let deep = format!("deep/{}/{}", "d".repeat(60), "e".repeat(60));
    let long = "n".repeat(255);
    for dir in ["empty dir", "söme/größe/日本", "bin", &deep] {
        fs::create_dir_all(root.join(dir)).expect("a folder");
    }
    let write = |path: &str, text: &[u8], mode: u32| {
        fs::write(root.join(path), text).expect("a file");
        fs::set_permissions(root.join(path), Permissions::from_mode(mode)).expect("its mode");
    };
    write("empty", b"", 0o644);
    write("bin/run", b"#!/bin/sh\nexit 0\n", 0o755);
    write("secret", b"for the owner alone", 0o600);
    write("read-only", b"for reading", 0o444);
    write("söme/größe/日本/ファイル 1.txt", "こんにちは".as_bytes(), 0o644);
    write(&format!("{deep}/at the end of a path of more than a hundred bytes"), b"x", 0o640);
    write(&long, b"a name of 255 bytes", 0o644);
    write("two blocks and a bit", &noise(40_001, 7), 0o644);
    fs::hard_link(root.join("bin/run"), root.join("bin/same")).expect("a hard link");
    symlink("bin/run", root.join("link")).expect("a link");
    symlink("/nowhere/at all", root.join("dangling")).expect("a dangling link");
    symlink("empty dir", root.join("link to a folder")).expect("a link to a folder");
    let spring = SystemTime::UNIX_EPOCH + Duration::new(1_268_000_000, 123_456_789);
    for path in ["secret", "bin/run", "empty dir", "bin"] {
        let file = fs::File::open(root.join(path)).expect("it was just made");
        file.set_times(FileTimes::new().set_modified(spring)).expect("a time");
    }
}

/// Bytes that don't compress, the same ones for the same seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// What a copy must have in common with its original.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    mode: u32,
    mtime: (i64, i64),
    /// The file's bytes, or the link's target.
    content: Vec<u8>,
    /// The first path, in order, that is the same file.
    same_as: Option<String>,
}

/// Fails with the first differing path unless both trees are the same.
pub(crate) fn assert_same(original: &Path, copy: &Path) {
    let (original, copy) = (snapshot(original), snapshot(copy));
    let names = |tree: &BTreeMap<String, Entry>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&original), names(&copy), "the trees have different names");
    for (path, entry) in &original {
        let other = &copy[path];
        assert!(entry.content == other.content, "{path}: different contents");
        assert_eq!(
            (entry.mode, entry.mtime, &entry.same_as),
            (other.mode, other.mtime, &other.same_as),
            "{path}: different mode, time or hard link"
        );
    }
}

fn snapshot(root: &Path) -> BTreeMap<String, Entry> {
    let mut tree = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    visit(root, "", &mut inodes, &mut tree);
    tree
}

fn visit(
    root: &Path,
    prefix: &str,
    inodes: &mut BTreeMap<(u64, u64), String>,
    tree: &mut BTreeMap<String, Entry>,
) {
    let dir = root.join(prefix);
    let listing = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut names: Vec<_> = listing
        .map(|entry| entry.expect("a folder's entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    for name in names {
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let full = root.join(&path);
        let meta = fs::symlink_metadata(&full).expect("an entry that was just listed");
        let content = if meta.is_symlink() {
            fs::read_link(&full).expect("a link").into_os_string().into_encoded_bytes()
        } else if meta.is_file() {
            fs::read(&full).expect("a file")
        } else {
            Vec::new()
        };
        let same_as = if meta.is_file() && meta.nlink() > 1 {
            Some(inodes.entry((meta.dev(), meta.ino())).or_insert_with(|| path.clone()).clone())
        } else {
            None
        };
        let (mode, mtime) = (meta.mode(), (meta.mtime(), meta.mtime_nsec()));
        tree.insert(path.clone(), Entry { mode, mtime, content, same_as });
        if meta.is_dir() {
            visit(root, &path, inodes, tree);
        }
    }
}
