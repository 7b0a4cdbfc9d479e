//! The executable, as the workstation uses it: a word, a line on stdin, marked lines on stdout.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use murder_protocol::verbs::{Hello, NoEvent, Verb};
use murder_protocol::{Decoded, Failure, Frame, PROTOCOL, decode, encode_request};

/// An agent in a folder of its own.
struct Agent {
    dir: tempfile::TempDir,
}

impl Agent {
    fn install() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let agent = Self { dir };
        std::fs::create_dir_all(agent.home().join("bin")).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_murder-agent"), agent.executable()).unwrap();
        agent
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("murder")
    }

    fn executable(&self) -> PathBuf {
        self.home().join("bin/murder-agent-0")
    }

    fn call<V: Verb>(&self, request: &V) -> Result<V::Reply, Failure> {
        let output = run(&self.executable(), V::NAME, &encode_request(request));
        let stdout = String::from_utf8(output.stdout).unwrap();
        let last = stdout.lines().next_back().unwrap_or_default();
        match decode::<V::Event, V::Reply>(last) {
            Decoded::Frame(Frame::Reply(reply)) => {
                assert!(output.status.success());
                Ok(reply)
            }
            Decoded::Frame(Frame::Failed(failure)) => {
                assert_eq!(output.status.code(), Some(1));
                Err(failure)
            }
            _ => panic!("no answer in {stdout:?}"),
        }
    }
}

fn run(executable: &Path, word: &str, input: &str) -> Output {
    let mut child = Command::new(executable)
        .arg(word)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading anything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn hello_says_who_the_agent_is_and_makes_its_folder_private() {
    let agent = Agent::install();
    let reply = agent.call(&Hello {}).unwrap();
    assert_eq!(reply.protocol, PROTOCOL);
    assert_eq!(reply.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(reply.sha256.len(), 64);
    assert_eq!(Path::new(&reply.home), agent.home());
    let mode = agent.home().join("run").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn an_unknown_verb_is_refused_in_a_frame() {
    let agent = Agent::install();
    let output = run(&agent.executable(), "teleport", "{\"protocol\":1,\"request\":{}}\n");
    assert_eq!(output.status.code(), Some(1));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let Decoded::Frame(Frame::Failed(failure)) = decode::<NoEvent, ()>(&stdout) else {
        panic!("{stdout:?}")
    };
    assert_eq!(
        failure.to_string(),
        "this agent does not know the verb \"teleport\" (run the task distribute_files, which \
         brings the agent up to date)"
    );
}

#[test]
fn an_agent_outside_a_bin_folder_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("murder-agent");
    std::fs::copy(env!("CARGO_BIN_EXE_murder-agent"), &path).unwrap();
    let output = run(&path, "hello", "{\"protocol\":1,\"request\":{}}\n");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("the agent runs from its own bin folder only"), "{stdout}");
    assert_eq!(dir.path().read_dir().unwrap().count(), 1);
}

#[test]
fn version_and_usage_are_for_people() {
    let agent = Agent::install();
    let output = run(&agent.executable(), "--version", "");
    let version = format!("murder-agent {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
    assert_eq!(run(&agent.executable(), "--help", "").status.code(), Some(2));
}
