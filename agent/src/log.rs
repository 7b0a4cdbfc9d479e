//! A role's log on its host: one line an event, UTC, and never more than two files of a fixed
//! size.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use murder_protocol::verbs::Role;
use murder_protocol::{Tag, utc};

use crate::home::Home;

/// A log, shared by all who write to it.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    bytes: u64,
    cap: u64,
}

impl Log {
    /// Opens the role's log to append to it.
    pub fn open(home: &Home, role: Role, tag: Option<&Tag>) -> io::Result<Self> {
        Self::open_capped(&home.role_log(role, tag), CAP)
    }

    /// Appends a line. A log that can't be written stops nobody.
    pub fn line(&self, text: impl Display) {
        let line = format!("{} {text}\n", utc_now());
        let _ = self.lock().append(line.as_bytes());
    }

    /// Sends this process's stderr, and so the message of a panic, to the log.
    pub fn take_stderr(&self) -> io::Result<()> {
        Ok(rustix::stdio::dup2_stderr(&self.lock().file)?)
    }

    fn open_capped(path: &Path, cap: u64) -> io::Result<Self> {
        let file = open(path)?;
        let bytes = file.metadata()?.len();
        let inner = Inner { path: path.to_owned(), file, bytes, cap };
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes + line.len() as u64 > self.cap {
            std::fs::rename(&self.path, rotated(&self.path))?;
            self.file = open(&self.path)?;
            self.bytes = 0;
        }
        self.bytes += line.len() as u64;
        self.file.write_all(line)
    }
}

/// Where the lines before the newest ones are: `peer-v1.log.1`.
pub fn rotated(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

/// The last lines of a log, those before its last rotation included.
pub fn tail(path: &Path, lines: usize) -> io::Result<String> {
    let mut text = std::fs::read(rotated(path)).unwrap_or_default();
    text.extend(std::fs::read(path)?);
    let text = String::from_utf8_lossy(&text);
    let all: Vec<_> = text.lines().collect();
    let tail = &all[all.len().saturating_sub(lines)..];
    Ok(tail.iter().flat_map(|line| [line, "\n"]).collect())
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn utc_now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}Z", utc::date_time(since.as_secs()), since.subsec_millis())
}

/// A role writes a few lines an event, so this is months of them; both files together stay below
/// 2 MiB.
const CAP: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_two_files_below_its_cap_and_the_newest_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let log = Log::open_capped(&path, 1000).unwrap();
        for number in 0..200 {
            log.line(format_args!("line {number}"));
        }
        let sizes = [path.metadata().unwrap().len(), rotated(&path).metadata().unwrap().len()];
        assert!(sizes.iter().all(|size| *size <= 1000), "{sizes:?}");
        assert_eq!(dir.path().read_dir().unwrap().count(), 2);
        let end = tail(&path, 30).unwrap();
        let words: Vec<_> = end.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        let wanted: Vec<_> = (170..200).map(|number| format!("line {number}")).collect();
        assert_eq!(words, wanted);
    }
}
