//! Roles that outlive the verb that starts them: the parent's end and the child's end.
//!
//! The child is the same executable again, in a session of its own. Its request comes on its
//! stdin and not in its arguments, because other users can read those. It answers with one line,
//! and from then on nobody holds anything of it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use murder_protocol::verbs::Role;
use murder_protocol::{Blame, Failure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::blamed::chain;
use crate::home::{role_noun, role_word};
use crate::log::Log;
use crate::roles::PREFIX;

/// A role that said that it is ready.
#[derive(Debug)]
pub struct Ready<T> {
    /// Its process.
    pub pid: u32,
    /// What it said.
    pub value: T,
}

/// Starts a role, and waits until it is ready or says why it can't be.
pub fn spawn<T>(
    role: Role,
    request: &impl Serialize,
    patience: Duration,
) -> Result<Ready<T>, Failure>
where
    T: DeserializeOwned,
{
    let (word, noun) = (role_word(role), role_noun(role));
    let bug = |what: &str, error: &dyn std::error::Error| {
        Failure::new(Blame::Host, format!("could not {what} the {noun}: {}", chain(error)))
    };
    let mut child = start(word).map_err(|error| bug("start", &error))?;
    if let Err(error) = hand_over(&mut child, request) {
        // It may have ended at once, and then its own words say more.
        return Err(last_words(child, noun).unwrap_or_else(|| bug("talk to", &error)));
    }
    match first_line(&mut child, patience) {
        None => {
            let _ = child.kill();
            let _ = child.wait();
            let seconds = patience.as_secs();
            Err(Failure::new(Blame::Host, format!("the {noun} was not ready after {seconds} s"))
                .hint("look at its log with the task logs"))
        }
        Some(line) => match serde_json::from_slice(line.as_bytes()) {
            Ok(FirstWord::Ready(value)) => {
                let pid = child.id();
                // Whoever outlives the role, as an agent that waits does, must take note of its
                // end, or the kernel keeps its place.
                std::thread::spawn(move || child.wait());
                Ok(Ready { pid, value })
            }
            Ok(FirstWord::Failed(failure)) => {
                // It lets go of what it holds, so that nobody takes it for one that goes on.
                let _ = child.wait();
                Err(failure)
            }
            Err(error) => Err(last_words(child, noun).unwrap_or_else(|| bug("hear", &error))),
        },
    }
}

/// The child's end: it has its request, and its parent waits for its answer.
#[derive(Debug)]
pub struct Started(());

impl Started {
    /// Leaves the parent's session and reads the request.
    pub fn receive<R: DeserializeOwned>() -> io::Result<(Self, R)> {
        rustix::process::setsid()?;
        std::env::set_current_dir("/")?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok((Self(()), serde_json::from_slice(line.as_bytes())?))
    }

    /// Tells the parent that the role is ready, and lets go of it. What goes to stderr from now
    /// on goes to the log.
    pub fn ready(self, value: &impl Serialize, log: &Log) -> io::Result<()> {
        let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        log.take_stderr()?;
        answer(&FirstWord::Ready(value))?;
        Ok(rustix::stdio::dup2_stdout(&null)?)
    }

    /// Tells the parent why the role can't be played.
    pub fn failed(self, failure: Failure) {
        // If the parent is gone there is nobody to tell.
        let _ = answer(&FirstWord::<()>::Failed(failure));
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FirstWord<T> {
    Ready(T),
    Failed(Failure),
}

fn answer(word: &FirstWord<impl Serialize>) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

fn start(word: &str) -> io::Result<Child> {
    // Not the executable's path: a newer agent may have taken its place meanwhile.
    Command::new("/proc/self/exe")
        .arg(format!("{PREFIX}{word}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

fn hand_over(child: &mut Child, request: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    stdin.write_all(&line)
}

/// The child's first line of output, an empty one if it ended without, or nothing if it said
/// nothing in time.
fn first_line(child: &mut Child, patience: Duration) -> Option<String> {
    let stdout = child.stdout.take()?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let _ = tell.send(line);
    });
    told.recv_timeout(patience).ok()
}

/// What a child that ended without an answer wrote to stderr.
fn last_words(mut child: Child, noun: &str) -> Option<Failure> {
    let _ = child.kill();
    let mut text = String::new();
    let stderr = child.stderr.take()?;
    stderr.take(LONGEST_LAST_WORDS).read_to_string(&mut text).ok()?;
    let status = child.wait().ok()?;
    let text = text.trim().replace('\n', " ");
    let text = if text.is_empty() { status.to_string() } else { text };
    Some(Failure::new(Blame::Bug, format!("the {noun} ended before it was ready: {text}")))
}

const LONGEST_LAST_WORDS: u64 = 4096;
