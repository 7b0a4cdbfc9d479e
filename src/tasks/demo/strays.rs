//! Processes whose program is in a folder that is about to go: a verb that Ctrl-C cut short, or a
//! role that such a verb started a moment later.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Ends every process whose program is below `folder`, and returns once there is none.
pub(super) fn end(folder: &Path) {
    let deadline = Instant::now() + ENDS_WITHIN;
    loop {
        let strays = of(folder);
        if strays.is_empty() || Instant::now() >= deadline {
            return;
        }
        for pid in strays {
            // It may have ended by itself since.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The link to a program that was removed still begins with its folder.
fn of(folder: &Path) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let stray = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        let program = fs::read_link(entry.path().join("exe")).ok()?;
        program.starts_with(folder).then_some(pid)
    };
    entries.flatten().filter_map(stray).collect()
}

/// A killed process is gone at once, unless a disk keeps it.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    #[test]
    fn a_process_of_the_folder_is_ended_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("sleep");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut inside = Command::new(&program).arg("600").spawn().unwrap();
        let mut outside = Command::new("/bin/sleep").arg("600").spawn().unwrap();
        fs::remove_file(&program).unwrap();
        // A zombie has no program any more, so this returns before the child is waited for.
        end(folder.path());
        assert_eq!(inside.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
        assert!(outside.try_wait().unwrap().is_none());
        outside.kill().unwrap();
        outside.wait().unwrap();
    }
}
