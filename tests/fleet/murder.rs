//! `murder` as it is typed on the laptop of a fleet.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

use crate::net::{BIN, Fleet};

/// How a run of `murder` ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails with everything that was said unless the exit code is this one.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        let Self { code, stdout, stderr } = &self;
        assert_eq!(*code, Some(expected), "stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// Fails unless both outputs together have the text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let Self { stdout, stderr, .. } = &self;
        let both = format!("{stdout}{stderr}");
        assert!(both.contains(text), "{text:?} is not in\nstdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Fleet {
    /// Writes the laptop's inventory: all hosts, the first one being tracker and seeder too.
    pub(crate) fn write_inventory(&self) {
        let hosts: String =
            self.hosts().iter().map(|host| format!("    {}:\n", host.name())).collect();
        let text = format!(
            "all:\n  hosts:\n{hosts}  children:\n    tracker: {{ hosts: {{ h1: }} }}\n    \
             seeder: {{ hosts: {{ h1: }} }}\n"
        );
        std::fs::write(self.laptop().path("/root/inventory.yaml"), text).expect("an inventory");
    }

    /// `murder` with these words, ready to be run on the laptop.
    pub(crate) fn murder(&self, words: &str) -> Command {
        let mut command = self.laptop().command(&format!("{BIN}/murder"));
        command.args(words.split_whitespace()).stdin(Stdio::null());
        command
    }

    /// Runs `murder` with these words to its end.
    pub(crate) fn run(&self, words: &str) -> Ended {
        self.murder(words).output().expect("nsenter is installed").into()
    }

    /// Runs `murder` with these words; every host has to be ok.
    #[track_caller]
    pub(crate) fn ok(&self, words: &str) -> Ended {
        self.run(words).code(0)
    }
}

/// A `murder --json` that still runs, read line by line.
pub(crate) struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    read: String,
}

impl Fleet {
    /// Starts `murder --json` with these words and lets it run.
    pub(crate) fn follow(&self, words: &str) -> Following {
        let mut command = self.murder(&format!("--json {words}"));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter is installed");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Following { child, lines, read: String::new() }
    }
}

impl Following {
    /// Reads on until a line for which the question is answered with yes.
    #[track_caller]
    pub(crate) fn until(&mut self, question: impl Fn(&Value) -> bool) {
        for line in self.lines.by_ref() {
            let line = line.expect("stdout can be read");
            self.read += &format!("{line}\n");
            if question(&serde_json::from_str(&line).expect("stdout is JSON")) {
                return;
            }
        }
        panic!("it ended before what was waited for; it said\n{}", self.read);
    }

    /// Reads on until the fleet as a whole has at least this share of its bytes.
    #[track_caller]
    pub(crate) fn until_share(&mut self, share: f64) {
        self.until(|event| {
            let number = |key: &str| event[key].as_f64().unwrap_or_default();
            let total = number("total_bytes");
            event["event"] == "progress" && total > 0.0 && number("bytes") >= share * total
        });
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal("kill -INT $0");
    }

    /// Presses Ctrl-C twice in no time.
    pub(crate) fn interrupt_twice(&self) {
        // Of two equal signals that wait one is lost; this one means the same.
        self.signal("kill -INT $0 && kill -TERM $0");
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(self) -> Ended {
        self.signal("kill -KILL $0");
        self.end()
    }

    fn signal(&self, line: &str) {
        // nsenter waits for its child, which is the one that the terminal would tell.
        let nsenter = self.child.id();
        let children = format!("/proc/{nsenter}/task/{nsenter}/children");
        let murder = std::fs::read_to_string(children).expect("nsenter runs");
        let kill = Command::new("sh").args(["-c", line, murder.trim()]).status();
        assert!(kill.expect("sh is installed").success());
    }

    /// Reads to the end.
    pub(crate) fn end(mut self) -> Ended {
        for line in self.lines.by_ref() {
            self.read += &format!("{}\n", line.expect("stdout can be read"));
        }
        let output = self.child.wait_with_output().expect("it can be waited for");
        Ended { stdout: self.read, ..Ended::from(output) }
    }
}

impl Ended {
    /// The host events of a `--json` run of one task: outcome by host, each host exactly once.
    pub(crate) fn outcomes(&self) -> BTreeMap<String, String> {
        self.outcomes_where(|_| true)
    }

    /// Those of one of the tasks of a recipe.
    pub(crate) fn outcomes_of(&self, task: &str) -> BTreeMap<String, String> {
        self.outcomes_where(|event| event["task"] == task)
    }

    fn outcomes_where(&self, counts: impl Fn(&Value) -> bool) -> BTreeMap<String, String> {
        let mut outcomes = BTreeMap::new();
        for line in self.stdout.lines() {
            let event: Value = serde_json::from_str(line).expect("stdout is JSON");
            if event["event"] == "host" && counts(&event) {
                let text = |key: &str| event[key].as_str().expect("a text").to_owned();
                let twice = outcomes.insert(text("host"), text("outcome"));
                assert_eq!(twice, None, "{line} is the second one of its host");
            }
        }
        outcomes
    }
}
