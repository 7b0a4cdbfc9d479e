//! Ctrl-C while the demo runs: nothing of it may be left, at whichever moment it comes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::site::assert_no_process_of;

#[test]
fn an_interrupted_demo_removes_all_of_it_before_it_ends() {
    // While agents are pushed, while peers are started, and while they work.
    for moment in ["distribute_files", "start_seeding", "peer"] {
        let folder = tempfile::tempdir().unwrap();
        let mut demo = Command::new(env!("CARGO_BIN_EXE_murder"))
            .args(["--json", "demo", "hosts=3", "size=16M"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(demo.stdout.take().unwrap()).lines();
        let events: Vec<Value> = lines
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .scan(false, |pressed, event: Value| {
                let text = event["message"].as_str().unwrap_or_default();
                let first = !*pressed && event["task"] == moment;
                // The second one, as the first takes its time, must not cut the cleaning short.
                if first || text.starts_with("removes ") {
                    *pressed = true;
                    kill_process(Pid::from_child(&demo), Signal::INT).unwrap();
                }
                Some(event)
            })
            .collect();
        assert_eq!(demo.wait().unwrap().code(), Some(130), "{moment}: {events:#?}");
        assert!(events.iter().any(|event| event["event"] == "interrupted"), "{events:#?}");
        assert!(events.iter().all(|event| event["event"] != "summary"), "{events:#?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{moment}");
        assert_no_process_of(folder.path());
    }
}
