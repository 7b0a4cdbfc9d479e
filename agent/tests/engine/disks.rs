//! Disks that have no room.

use std::process::Command;

use murder_agent::blamed::Blamed as _;
use murder_agent::disk::Archive;
use murder_swarm::Lengths;

/// A file system of one MiB, unmounted at the end of the test.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(folder.path())
            .output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self(folder))
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_without_room_for_the_archive_is_an_error_before_anything_moves() {
    let Some(tiny) = Tiny::mount() else {
        eprintln!("LEFT OUT: a full disk, because mounting a tmpfs needs root");
        return;
    };
    let path = tiny.0.path().join("v1.tgz.partial");
    let lengths = Lengths::new(2 << 20, 1 << 18).unwrap();
    let failure = Archive::open_partial(&path, lengths).unwrap_err().failure();
    assert_eq!(
        failure.to_string(),
        format!(
            "no room for the 2.0 MiB of {}: No space left on device (os error 28) \
             (free space below {}, or set temp_path to a larger file system)",
            path.display(),
            tiny.0.path().display()
        )
    );
    assert!(!path.exists(), "nothing is left behind");
}
