//! One ssh process that logs in to a host and runs one command there.
//!
//! A master that commands are sent through costs a process that outlives us, a folder and a
//! handful of messages; one command needs none of it. What ssh tells of itself comes with the
//! command's stderr: at LogLevel VERBOSE a line says when it has logged in.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child as SshProcess, Command};
use tokio::sync::oneshot;

use super::cause::Unreachable;
use super::child::{Child, STDERR_GRACE, STDERR_KEPT};
use super::connect::{ALIVE_INTERVAL, ConnectOptions, Way};
use crate::settings::HostKeys;

/// Logs in, and starts a line in the login shell there.
///
/// # Errors
///
/// It was not logged in within `limit`.
pub(super) async fn log_in(
    way: &Way<'_>,
    options: ConnectOptions,
    line: &str,
    limit: Duration,
) -> Result<Child, Unreachable> {
    let mut process = command(way, options, line).spawn().map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            Unreachable::no_ssh()
        } else {
            Unreachable::other(format!("ssh can't be started: {error}"))
        }
    })?;
    // Waiting for a process closes the stdin that it still has.
    let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(Unreachable::other("ssh was started without pipes"));
    };
    let (tell, told) = oneshot::channel();
    let stderr = tokio::spawn(words_of(stderr, tell));
    match tokio::time::timeout(limit, logged_in(&mut process, told)).await {
        Ok(LogIn::Stands) => Ok(Child::ssh(process, stdin, stdout, stderr)),
        Ok(LogIn::Ended) => Err(Unreachable::from_log(&stderr.await.unwrap_or_default())),
        // Dropping the process kills it.
        Err(_) => Err(Unreachable::too_slow(limit)),
    }
}

enum LogIn {
    Stands,
    Ended,
}

async fn logged_in(process: &mut SshProcess, mut told: oneshot::Receiver<()>) -> LogIn {
    let stands = tokio::select! {
        biased;
        told = &mut told => told.is_ok(),
        // A command may be over before its login was read.
        _ = process.wait() => matches!(tokio::time::timeout(STDERR_GRACE, told).await, Ok(Ok(()))),
    };
    if stands { LogIn::Stands } else { LogIn::Ended }
}

fn command(way: &Way<'_>, options: ConnectOptions, line: &str) -> Command {
    let mut ssh = Command::new("ssh");
    // No terminal, agent or X11 for the command, and no master of the user's.
    ssh.args(["-T", "-a", "-x", "-S", "none"]);
    ssh.args(["-o", "BatchMode=yes", "-o", "LogLevel=VERBOSE"]);
    // What the configuration forwards is for people, and a port can be forwarded once only.
    ssh.args(["-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no"]);
    let host_keys = match options.host_keys {
        HostKeys::Strict => "StrictHostKeyChecking=yes",
        HostKeys::AcceptNew => "StrictHostKeyChecking=accept-new",
    };
    ssh.args(["-o", host_keys]);
    ssh.arg("-o").arg(format!("ConnectTimeout={}", options.timeout.as_secs().max(1)));
    ssh.arg("-o").arg(format!("ServerAliveInterval={}", ALIVE_INTERVAL.as_secs()));
    if let Some(port) = way.port {
        ssh.arg("-p").arg(port.to_string());
    }
    if let Some(user) = way.user {
        ssh.arg("-l").arg(user);
    }
    if let Some(key_file) = way.key_file {
        ssh.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(key_file);
    }
    ssh.arg("--").arg(way.destination).arg(line);
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Ctrl-C on the terminal is for us, and whatever we no longer wait for is to end.
    ssh.process_group(0).kill_on_drop(true);
    ssh
}

/// The end of what ssh and the command say on stderr, without what only we wanted to know. Tells
/// when ssh has logged in.
async fn words_of(stderr: impl AsyncRead + Unpin, tell: oneshot::Sender<()>) -> String {
    let mut stderr = BufReader::new(stderr);
    let mut tell = Some(tell);
    let (mut kept, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = (&mut stderr).take(STDERR_KEPT as u64).read_until(b'\n', &mut line).await;
        if read.is_err() || line.is_empty() {
            return String::from_utf8_lossy(&kept).trim().to_owned();
        }
        if line.starts_with(LOGGED_IN) {
            // Nobody waits any more once the time for it is over.
            let _ = tell.take().map(|tell| tell.send(()));
        } else if !CHATTER.iter().any(|begin| line.starts_with(begin)) {
            kept.extend_from_slice(&line);
            let surplus = kept.len().saturating_sub(STDERR_KEPT);
            kept.drain(..surplus);
        }
    }
}

/// `Authenticated to web1 ([10.0.0.1]:22) using "publickey".`
const LOGGED_IN: &[u8] = b"Authenticated to ";
/// What else LogLevel VERBOSE brings, and what --accept-new-hosts was meant to do.
const CHATTER: [&[u8]; 3] =
    [b"Transferred: sent ", b"Bytes per second: sent ", b"Warning: Permanently added "];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn args(way: &Way<'_>, host_keys: HostKeys) -> String {
        let options = ConnectOptions {
            timeout: Duration::from_secs(20),
            patience: Duration::from_secs(60),
            host_keys,
            forks: 1,
        };
        let command = command(way, options, "./.murder/bin/murder-agent hello");
        let args = command.as_std().get_args().map(|arg| arg.to_str().unwrap());
        args.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_the_inventory_leaves_open_is_left_to_the_configuration() {
        let way = Way { destination: "web1", port: None, user: None, key_file: None };
        assert_eq!(
            args(&way, HostKeys::Strict),
            "-T -a -x -S none -o BatchMode=yes -o LogLevel=VERBOSE -o ClearAllForwardings=yes -o \
             PermitLocalCommand=no -o StrictHostKeyChecking=yes -o ConnectTimeout=20 -o \
             ServerAliveInterval=15 -- web1 ./.murder/bin/murder-agent hello"
        );
    }

    #[test]
    fn what_the_inventory_says_comes_before_the_host() {
        let key_file = Some(Path::new("/k"));
        let way = Way { destination: "web1", port: Some(2222), user: Some("ops"), key_file };
        let args = args(&way, HostKeys::AcceptNew);
        assert!(args.contains("StrictHostKeyChecking=accept-new"), "{args}");
        assert!(args.contains(" -p 2222 -l ops -o IdentitiesOnly=yes -i /k -- web1 "), "{args}");
    }

    #[tokio::test]
    async fn the_log_in_is_told_and_only_words_for_people_are_kept() {
        let said = "Authenticated to web1 ([10.0.0.1]:22) using \"publickey\".\r\n\
                    sh: 1: ./x: not found\n\
                    Transferred: sent 3488, received 3332 bytes, in 0.1 seconds\r\n\
                    Bytes per second: sent 64431.8, received 61550.1\r\n";
        let (tell, told) = oneshot::channel();
        assert_eq!(words_of(said.as_bytes(), tell).await, "sh: 1: ./x: not found");
        told.await.unwrap();
    }

    #[tokio::test]
    async fn a_log_in_that_does_not_come_is_not_told() {
        let said = "kex_exchange_identification: read: Connection reset by peer\r\n";
        let (tell, told) = oneshot::channel();
        assert_eq!(words_of(said.as_bytes(), tell).await, said.trim());
        told.await.unwrap_err();
    }

    #[tokio::test]
    async fn a_host_that_never_stops_talking_costs_no_memory() {
        let mut said = "x".repeat(1 << 20);
        said.push_str("\nthe end");
        let (tell, _told) = oneshot::channel();
        let words = words_of(said.as_bytes(), tell).await;
        assert!(words.len() <= STDERR_KEPT && words.ends_with("\nthe end"));
    }
}
