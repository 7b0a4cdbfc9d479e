//! The executable in a folder of its own, as `distribute_files` leaves it on a host.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use murder_protocol::verbs::Verb;
use murder_protocol::{Decoded, Failure, Frame, decode, encode_request};
use tempfile::TempDir;

/// An agent on a host. What it starts doesn't end with it.
pub(crate) struct Installed {
    folder: TempDir,
}

impl Installed {
    pub(crate) fn new() -> Self {
        let installed = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(installed.home().join("bin")).unwrap();
        copy_executable(&installed.executable());
        installed
    }

    /// The agent's folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.path("murder")
    }

    /// A path on the host; no other name than `murder` is the agent's.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn executable(&self) -> PathBuf {
        self.home().join("bin/murder-agent-0")
    }

    /// The executable with one word, and pipes.
    pub(crate) fn command(&self, word: &str) -> Command {
        let mut command = Command::new(self.executable());
        command.arg(word).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// A verb that runs, with its request.
    pub(crate) fn start<V: Verb>(&self, request: &V) -> Child {
        let mut child = self.command(V::NAME).spawn().unwrap();
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write_all(encode_request(request).as_bytes()).unwrap();
        child
    }

    /// What the workstation would do over SSH.
    pub(crate) fn call<V: Verb>(&self, request: &V) -> Result<V::Reply, Failure> {
        let output = self.start(request).wait_with_output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        match decode::<V::Event, V::Reply>(stdout.lines().last().unwrap_or_default()) {
            Decoded::Frame(Frame::Reply(reply)) => {
                assert_eq!(output.status.code(), Some(0));
                Ok(reply)
            }
            Decoded::Frame(Frame::Failed(failure)) => {
                assert_eq!(output.status.code(), Some(1));
                Err(failure)
            }
            _ => panic!("{}: no answer in {stdout:?}", V::NAME),
        }
    }
}

/// In a process of its own: a child that another test starts in the meantime would have the copy
/// open for writing, and what is open for writing can't be run.
pub(crate) fn copy_executable(to: &Path) {
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_murder-agent")).arg(to).status();
    assert!(copied.unwrap().success());
}
