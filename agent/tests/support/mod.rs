//! Trees that are hard to copy, and what a copy has to agree in.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Makes one of everything that a tree can hold.
pub(crate) fn nasty_tree(root: &Path) {
    let deep = root.join("a".repeat(60)).join("b".repeat(60)).join("c".repeat(60));
    fs::create_dir_all(&deep).unwrap();
    write(&deep.join("deep"), b"below a path of more than 100 characters");
    write(&root.join("n".repeat(255)), b"the longest name");
    write(&root.join("näme ☃ 名前.txt"), "ünïcode".as_bytes());
    write(&root.join(OsStr::from_bytes(b"latin1-\xe9\xff")), b"not UTF-8");
    write(&root.join("new\nline and 'quotes\" $(x)"), b"shell");
    write(&root.join(format!("{}\n{}", "x".repeat(90), "y".repeat(90))), b"long line feed");
    write(&root.join("-rf"), b"an option?");
    write(&root.join("empty"), b"");
    fs::create_dir(root.join("empty-dir")).unwrap();
    symlink("näme ☃ 名前.txt", root.join("link")).unwrap();
    symlink("/nowhere/at//all/./", root.join("dangling")).unwrap();
    symlink("t".repeat(300), root.join("long-link")).unwrap();
    symlink("empty-dir", root.join("dir-link")).unwrap();
    let big: Vec<u8> =
        (0..3_000_000u32).flat_map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes()).collect();
    write(&root.join("big"), &big);
    fs::hard_link(root.join("big"), root.join("empty-dir/../big-too")).unwrap();
    fs::hard_link(deep.join("deep"), root.join("zz-deep-too")).unwrap();
    for (name, mode) in [("run.sh", 0o755), ("private", 0o600), ("read-only", 0o444)] {
        write(&root.join(name), name.as_bytes());
        fs::set_permissions(root.join(name), Permissions::from_mode(mode)).unwrap();
    }
    let closed = root.join("closed");
    fs::create_dir(&closed).unwrap();
    write(&closed.join("inside"), b"a folder that can't be written to");
    fs::set_permissions(&closed, Permissions::from_mode(0o500)).unwrap();
    set_mtime(&closed, 1_000_000_000, 999_999_999);
    set_mtime(&root.join("empty"), 0, 1);
    set_mtime(&root.join("private"), 500_000_000, 0);
    set_mtime(root, 1_234_567_890, 123_456_789);
}

/// Everything about a tree that a copy has to agree in, by path.
pub(crate) fn describe(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut links = BTreeMap::new();
    describe_below(root, Path::new(""), &mut links, &mut all);
    all
}

fn describe_below(
    root: &Path,
    path: &Path,
    links: &mut BTreeMap<u64, PathBuf>,
    all: &mut BTreeMap<PathBuf, String>,
) {
    let full = root.join(path);
    let metadata = full.symlink_metadata().unwrap();
    let content = if metadata.is_symlink() {
        format!("{:?}", full.read_link().unwrap())
    } else if metadata.is_dir() {
        "directory".to_owned()
    } else {
        let first = links.entry(metadata.ino()).or_insert_with(|| path.to_owned());
        let bytes = fs::read(&full).unwrap();
        format!("{} bytes, {:x}, same as {first:?}", bytes.len(), sum(&bytes))
    };
    let (mode, seconds, nanos) = (metadata.mode(), metadata.mtime(), metadata.mtime_nsec());
    all.insert(path.to_owned(), format!("{mode:o} {seconds}.{nanos:09} {content}"));
    if metadata.is_dir() {
        let mut names: Vec<_> =
            full.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names.iter().for_each(|name| describe_below(root, &path.join(name), links, all));
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

pub(crate) fn set_mtime(path: &Path, seconds: u64, nanos: u32) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// FNV-1a, enough to tell two files of a test apart.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
