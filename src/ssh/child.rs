//! One running command on a host, wherever it runs: its stdin, its lines, and how it ended.

use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::task::JoinHandle;

use super::error::CallError;

/// A running command.
pub(super) struct Child {
    stdin: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    /// What it prints.
    pub(super) stdout: BufReader<Pin<Box<dyn AsyncRead + Send>>>,
    stderr: JoinHandle<String>,
    process: Process,
}

enum Process {
    /// It runs here.
    Local(tokio::process::Child),
    /// It runs at the other end of an ssh of its own.
    Ssh(tokio::process::Child),
    /// It runs at the other end of a master.
    Mux(Box<openssh::Child<Arc<openssh::Session>>>),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// Its exit code; `None` for a signal, or for a connection that broke.
    pub(super) code: Option<i32>,
    /// The end of what it wrote to stderr.
    pub(super) stderr: String,
}

impl Child {
    /// Starts a line in the login shell at the other end of a session.
    pub(super) async fn remote(
        session: Arc<openssh::Session>,
        line: &str,
    ) -> Result<Self, CallError> {
        let mut child = session
            .arc_raw_command(line)
            .stdin(openssh::Stdio::piped())
            .stdout(openssh::Stdio::piped())
            .stderr(openssh::Stdio::piped())
            .spawn()
            .await
            .map_err(|error| CallError::Lost(words(&error)))?;
        let (stdin, stdout, stderr) =
            (child.stdin().take(), child.stdout().take(), child.stderr().take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(CallError::Lost("ssh gave no pipes".into()));
        };
        let stderr = tokio::spawn(last_of(stderr));
        Ok(Self::of(stdin, stdout, stderr, Process::Mux(Box::new(child))))
    }

    /// The command of an ssh that has logged in.
    pub(super) fn ssh(
        ssh: tokio::process::Child,
        stdin: tokio::process::ChildStdin,
        stdout: tokio::process::ChildStdout,
        stderr: JoinHandle<String>,
    ) -> Self {
        Self::of(stdin, stdout, stderr, Process::Ssh(ssh))
    }

    /// Starts a program of this machine.
    pub(super) fn local(program: &str, args: &[&str]) -> std::io::Result<Self> {
        let mut child = tokio::process::Command::new(program)
            .args(args)
            .current_dir(std::env::home_dir().unwrap_or_else(|| "/".into()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on the terminal is for us; agents on this machine go on as others do.
            .process_group(0)
            .spawn()?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(std::io::Error::other("a child process without pipes"));
        };
        let stderr = tokio::spawn(last_of(stderr));
        Ok(Self::of(stdin, stdout, stderr, Process::Local(child)))
    }

    fn of(
        stdin: impl AsyncWrite + Send + 'static,
        stdout: impl AsyncRead + Send + 'static,
        stderr: JoinHandle<String>,
        process: Process,
    ) -> Self {
        Self {
            stdin: Some(Box::pin(stdin)),
            stdout: BufReader::new(Box::pin(stdout)),
            stderr,
            process,
        }
    }

    /// Sends bytes to its stdin. A command that no longer reads has its reason, which
    /// [`Self::end`] tells; so that is no error here.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        if let Some(stdin) = &mut self.stdin
            && (stdin.write_all(bytes).await.is_err() || stdin.flush().await.is_err())
        {
            self.stdin = None;
        }
    }

    /// Whether its stdin is still open.
    pub(super) fn takes_input(&self) -> bool {
        self.stdin.is_some()
    }

    /// Closes its stdin.
    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end.
    pub(super) async fn end(mut self) -> Ended {
        self.close_stdin();
        let code = match self.process {
            Process::Local(mut child) => child.wait().await.ok().and_then(|status| status.code()),
            Process::Ssh(mut child) => {
                let code = child.wait().await.ok().and_then(|status| status.code());
                code.filter(|code| *code != SSH_FAILED)
            }
            Process::Mux(child) => match child.wait().await {
                Ok(status) => status.code(),
                // That is how the crate says 127.
                Err(openssh::Error::Remote(_)) => Some(NOT_FOUND),
                Err(_) => None,
            },
        };
        let stderr = tokio::time::timeout(STDERR_GRACE, self.stderr).await;
        Ended { code, stderr: stderr.ok().and_then(Result::ok).unwrap_or_default() }
    }
}

/// The shells' exit code for a command that isn't there (POSIX, 2.8.2).
pub(super) const NOT_FOUND: i32 = 127;
/// The shells' exit code for a command that can't be executed (POSIX, 2.8.2).
pub(super) const NOT_EXECUTABLE: i32 = 126;

/// ssh's own exit code: the connection broke (ssh(1), "EXIT STATUS").
const SSH_FAILED: i32 = 255;

/// A process that was left behind may hold stderr open; it is waited for no longer than this.
pub(super) const STDERR_GRACE: Duration = Duration::from_secs(1);
/// So much of stderr is kept for an error message, in bytes.
pub(super) const STDERR_KEPT: usize = 4096;

/// An error with its causes, which the Display of `openssh`'s errors leaves out.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

async fn last_of(stream: impl AsyncRead) -> String {
    let mut stream = Box::pin(stream);
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..n]);
        let surplus = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}
