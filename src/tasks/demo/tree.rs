//! The demo's tree: few large files and many small ones, and what else a tree may have.

use std::fs::{File, Permissions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// Makes a tree of about `size` bytes at `root`, which must not exist; says how many entries it
/// has. Once `stop` is true it ends early with an error.
pub(super) fn make(root: &Path, size: u64, stop: &AtomicBool) -> std::io::Result<u64> {
    let mut maker = Maker { root, stop, noise: Noise(0x9e37_79b9_7f4a_7c15), entries: 0 };
    maker.folder("")?;
    maker.folder("empty folder")?;
    maker.folder("bin")?;
    maker.folder("many")?;
    let small = (size / 8).min(MOST_SMALL * SMALL);
    let large = size - small;
    maker.file("large.bin", large / 2, 0o644)?;
    maker.file("bin/program", large / 4, 0o755)?;
    maker.file("Größe 大きさ.bin", large - large / 2 - large / 4, 0o600)?;
    maker.file("empty", 0, 0o644)?;
    for number in 0..small / SMALL {
        maker.file(&format!("many/{number:04}"), SMALL, 0o644)?;
    }
    let long = format!("many/{}", "a name of more than a hundred characters ".repeat(4).trim());
    maker.file(&long, small % SMALL, 0o640)?;
    symlink("bin/program", root.join("current"))?;
    symlink("nowhere", root.join("dangling"))?;
    std::fs::hard_link(root.join("large.bin"), root.join("bin/linked"))?;
    maker.entries += 3;
    // Last, because each new entry changes the folder's own time.
    for folder in ["many", "bin", "empty folder", ""] {
        File::open(root.join(folder))?.set_modified(time(maker.entries))?;
    }
    Ok(maker.entries)
}

struct Maker<'a> {
    root: &'a Path,
    stop: &'a AtomicBool,
    noise: Noise,
    entries: u64,
}

impl Maker<'_> {
    fn folder(&mut self, name: &str) -> std::io::Result<()> {
        self.entries += 1;
        std::fs::create_dir(self.root.join(name))
    }

    fn file(&mut self, name: &str, size: u64, mode: u32) -> std::io::Result<()> {
        self.entries += 1;
        let mut file = BufWriter::with_capacity(1 << 16, File::create_new(self.root.join(name))?);
        let mut left = size;
        while left > 0 {
            if self.stop.load(Ordering::Relaxed) {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            let mut chunk = left.min(CHUNK);
            left -= chunk;
            while chunk > 0 {
                let bytes = self.noise.next().to_le_bytes();
                let n = chunk.min(bytes.len() as u64) as usize;
                file.write_all(&bytes[..n])?;
                chunk -= n as u64;
            }
        }
        let file = file.into_inner()?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.set_modified(time(self.entries))
    }
}

/// Bytes that gzip can do nothing with (Marsaglia's xorshift64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Some second of September 2001, another one for each entry.
fn time(entry: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + entry)
}

/// In bytes.
const SMALL: u64 = 4096;
const MOST_SMALL: u64 = 512;
/// Written between two looks at whether to stop; it takes about a millisecond.
const CHUNK: u64 = 1 << 20;
