//! Putting the agent on a host that may have nothing of ours yet.
//!
//! Four constant scripts of `/bin/sh`, whose `$1` is the agent's folder: look, upload, try,
//! activate. The agent is written beside its final name, says its own SHA-256 from there, and is
//! renamed; so a running one is never overwritten and a half one is never run. Login shells get
//! the scripts in single quotes, which csh and fish take literally only without a single quote,
//! `!`, backslash or line feed in them; a test holds the scripts to that.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::{Hello, HelloReply, Verb as _};
use murder_protocol::{Blame, Decoded, Failure, decode, encode_request};
use tokio::io::AsyncReadExt as _;

use super::child::{Child, Ended, NOT_EXECUTABLE};
use super::connect::Connection;
use super::error::CallError;
use crate::agents::{Agent, Agents};

/// What [`Connection::install`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The same agent was there, and it runs.
    AlreadyThere,
    /// It was pushed; so many bytes.
    Pushed(u64),
}

impl Connection {
    /// Pushes the agent that fits the host, unless it is there and runs. `pushing` hears of the
    /// bytes that are about to be sent.
    ///
    /// # Errors
    ///
    /// No agent fits, or the host can't take or run it.
    pub async fn install(
        &self,
        agents: &Agents,
        pushing: impl FnOnce(u64),
    ) -> Result<Installed, Failure> {
        let machine = Machine::of(&self.run(Stage::Look, &[], &[]).await?);
        let agent = agents.for_machine(&machine.uname)?;
        let there = self.call(&Hello {}).await;
        if there.is_ok_and(|hello| hello.sha256 == agent.sha256) {
            return Ok(Installed::AlreadyThere);
        }
        let io = |e: std::io::Error| Failure::new(Blame::Bug, e.to_string());
        let (bytes, how) = machine.packed(&agent).map_err(io)?;
        pushing(bytes.len() as u64);
        let said = self.run(Stage::Upload, &[how], &bytes).await?;
        let new = marked(&said, "new").ok_or_else(|| unreadable(&said))?;
        let number = new.parse::<u32>().map_err(|_| unreadable(&said))?.to_string();
        let tried = self.try_new(&number, &agent).await;
        let verdict = if tried.is_ok() { "take" } else { "drop" };
        let activated = self.run(Stage::Activate, &[&number, &agent.sha256, verdict], &[]).await;
        tried?;
        activated?;
        Ok(Installed::Pushed(bytes.len() as u64))
    }

    /// The agent that fits the host.
    ///
    /// # Errors
    ///
    /// None does, or the host can't run `/bin/sh`.
    pub async fn fitting_agent(&self, agents: &Agents) -> Result<Arc<Agent>, Failure> {
        let machine = Machine::of(&self.run(Stage::Look, &[], &[]).await?);
        agents.for_machine(&machine.uname)
    }

    /// Lets the new agent say who it is.
    async fn try_new(&self, number: &str, agent: &Agent) -> Result<(), Failure> {
        let request = encode_request(&Hello {});
        let said = self.run(Stage::Try, &[number, Hello::NAME], request.as_bytes()).await?;
        let hello = said.lines().find_map(|line| match decode::<(), HelloReply>(line) {
            Decoded::Frame(murder_protocol::Frame::Reply(hello)) => Some(hello),
            _ => None,
        });
        match hello {
            Some(hello) if hello.sha256 == agent.sha256 => Ok(()),
            Some(_) => {
                Err(Failure::new(Blame::Network, "the agent arrived damaged").hint("try again"))
            }
            None => Err(unreadable(&said)),
        }
    }

    async fn run(&self, stage: Stage, words: &[&str], stdin: &[u8]) -> Result<String, Failure> {
        let error = |error: CallError| error.failure();
        let child = self.script(stage.script(), words).await.map_err(error)?;
        let (ended, stdout) =
            tokio::time::timeout(STAGE_LIMIT, finish(child, stdin)).await.map_err(|_| {
                Failure::new(Blame::Network, format!("{} took too long", stage.doing()))
            })?;
        match ended.code {
            Some(0) => Ok(stdout),
            _ => Err(stage.failure(self.home(), &ended, &stdout)),
        }
    }
}

async fn finish(mut child: Child, stdin: &[u8]) -> (Ended, String) {
    child.send(stdin).await;
    child.close_stdin();
    let mut stdout = Vec::new();
    // A broken pipe here shows in how the command ended.
    let _ = (&mut child.stdout).take(MOST_OUTPUT).read_to_end(&mut stdout).await;
    (child.end().await, String::from_utf8_lossy(&stdout).into_owned())
}

/// What a host is, as far as pushing an agent goes.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    uname: String,
    xz: bool,
    gzip: bool,
}

impl Machine {
    fn of(said: &str) -> Self {
        Self {
            uname: marked(said, "uname").unwrap_or_default().to_owned(),
            xz: marked(said, "xz").is_some(),
            gzip: marked(said, "gzip").is_some(),
        }
    }

    /// The smallest form of the agent that the host can unpack, and what the upload calls it.
    fn packed<'a>(&self, agent: &'a Agent) -> std::io::Result<(Cow<'a, [u8]>, &'static str)> {
        match agent.xz {
            Some(xz) if self.xz => Ok((xz.into(), "xz")),
            _ if self.gzip => Ok((Cow::Borrowed(&agent.gzip), "gzip")),
            _ => Ok((agent.unpacked()?.into(), "plain")),
        }
    }
}

/// The rest of the line `murder-KEY REST`; login shells print lines of their own.
fn marked<'a>(said: &'a str, key: &str) -> Option<&'a str> {
    said.lines().find_map(|line| {
        let rest = line.strip_prefix("murder-")?.strip_prefix(key)?;
        Some(rest.strip_prefix(' ')?.trim())
    })
}

fn unreadable(said: &str) -> Failure {
    let last = said.trim_end().lines().next_back().unwrap_or("nothing");
    Failure::new(Blame::Host, format!("/bin/sh gave no answer that can be read: {last:?}"))
        .hint("see that `ssh HOST true` works with this user's login shell")
}

/// The steps of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Look,
    Upload,
    Try,
    Activate,
}

impl Stage {
    fn script(self) -> &'static str {
        match self {
            Self::Look => LOOK,
            Self::Upload => UPLOAD,
            Self::Try => TRY,
            Self::Activate => ACTIVATE,
        }
    }

    fn doing(self) -> &'static str {
        match self {
            Self::Look => "looking at the host",
            Self::Upload => "uploading the agent",
            Self::Try => "trying the agent",
            Self::Activate => "putting the agent in place",
        }
    }

    /// What a script that failed means. It ran in the C locale, so the words are known.
    fn failure(self, home: &str, ended: &Ended, stdout: &str) -> Failure {
        let said = if ended.stderr.is_empty() { stdout.trim() } else { &ended.stderr };
        let last = said.lines().next_back().unwrap_or("nothing was said").trim();
        let has = |text: &str| said.contains(text);
        let told = |blame, message: String, hint: &str| Failure::new(blame, message).hint(hint);
        if has("No space left on device") || has("Disk quota exceeded") {
            let message = format!("{home}: no space left for the agent");
            return told(Blame::Host, message, "free some, or give another remote_murder_path");
        }
        if has("Read-only file system") {
            let message = format!("{home}: the file system is read-only");
            return told(Blame::Host, message, "give another remote_murder_path");
        }
        if self == Self::Try && (has("Exec format error") || has("cannot execute binary file")) {
            let message = "the agent is for another architecture than the host's".to_owned();
            return told(Blame::Operator, message, "put one that fits into the folder of agents");
        }
        if self == Self::Try && ended.code == Some(NOT_EXECUTABLE) {
            let message = format!("{home}: nothing can be executed there (a noexec mount?)");
            return told(Blame::Host, message, "give another remote_murder_path");
        }
        if home.starts_with("~/") && has("Could not chdir to home directory") {
            let message = "the user has no home directory".to_owned();
            return told(Blame::Host, message, "make it, or give an absolute remote_murder_path");
        }
        if has("Permission denied") {
            let message = format!("{home}: permission denied: {last}");
            return told(Blame::Host, message, "give a remote_murder_path that the user may write");
        }
        match ended.code {
            None => CallError::of_end(home, ended.clone(), stdout).failure(),
            Some(code) => {
                let message = format!("{} failed with exit code {code}: {last}", self.doing());
                told(Blame::Host, message, "see that /bin/sh and the user's login shell work there")
            }
        }
    }
}

const LOOK: &str = "LC_ALL=C; export LC_ALL; echo murder-uname `uname -sm`; \
    for p in xz gzip; do if command -v $p >/dev/null 2>&1; then echo murder-$p yes; fi; done";

/// `$2` says how the agent on stdin is packed.
const UPLOAD: &str = "LC_ALL=C; export LC_ALL; umask 077; mkdir -p \"$1/bin\" || exit 40; \
    cd \"$1/bin\" || exit 40; n=.new.$$; \
    case $2 in plain) cat >$n ;; *) $2 -dc >$n ;; esac \
    || { rm -f $n; exit 41; }; chmod 700 $n || exit 42; echo murder-new $$";

/// `$2` is the number of the new agent, `$3` the verb.
const TRY: &str = "LC_ALL=C; export LC_ALL; exec \"$1/bin/.new.$2\" \"$3\"";

/// `$2` is the number of the new agent, `$3` its hash, and `$4` whether to take it. Agents that
/// no process of this user runs any more go away, and so do uploads that broke off an hour ago.
const ACTIVATE: &str = "LC_ALL=C; export LC_ALL; cd \"$1/bin\" || exit 40; n=.new.$2; \
    if test \"$4\" = drop; then rm -f $n; exit 0; fi; \
    mv -f $n murder-agent-$3 || exit 43; \
    ln -s murder-agent-$3 .link.$2 && mv -f .link.$2 murder-agent || exit 43; \
    for f in murder-agent-*; do test $f = murder-agent-$3 && continue; \
    for p in /proc/[0-9]*/exe; do test $p -ef $f && continue 2; done; rm -f $f; done; \
    find . -name \".new.*\" -mmin +60 -exec rm -f {} +; exit 0";

/// An upload over a slow line takes this long at the most.
const STAGE_LIMIT: Duration = Duration::from_secs(300);
/// In bytes; a script says three lines, and a login shell may add some.
const MOST_OUTPUT: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stage: Stage, code: i32, stderr: &str) -> String {
        let ended = Ended { code: Some(code), stderr: stderr.to_owned() };
        stage.failure("~/.murder", &ended, "").to_string()
    }

    #[test]
    fn the_scripts_mean_the_same_in_single_quotes_to_every_login_shell() {
        for stage in [Stage::Look, Stage::Upload, Stage::Try, Stage::Activate] {
            let bad = stage.script().find(['\'', '!', '\\', '\n']);
            assert_eq!(bad, None, "{stage:?}");
        }
    }

    #[test]
    fn a_full_disk_is_told() {
        assert_eq!(
            told(Stage::Upload, 41, "gzip: stdout: No space left on device"),
            "~/.murder: no space left for the agent (free some, or give another \
             remote_murder_path)"
        );
    }

    #[test]
    fn a_read_only_file_system_is_told() {
        assert_eq!(
            told(Stage::Upload, 40, "mkdir: cannot create directory 'x': Read-only file system"),
            "~/.murder: the file system is read-only (give another remote_murder_path)"
        );
    }

    #[test]
    fn a_noexec_mount_is_told_apart_from_a_wrong_architecture() {
        assert_eq!(
            told(Stage::Try, 126, "sh: 1: exec: ./.murder/bin/.new.7: Permission denied"),
            "~/.murder: nothing can be executed there (a noexec mount?) (give another \
             remote_murder_path)"
        );
        assert_eq!(
            told(Stage::Try, 126, "sh: 1: exec: ./.murder/bin/.new.7: Exec format error"),
            "the agent is for another architecture than the host's (put one that fits into the \
             folder of agents)"
        );
    }

    #[test]
    fn a_user_without_a_home_directory_is_told() {
        assert_eq!(
            told(
                Stage::Upload,
                40,
                "Could not chdir to home directory /home/x: No such file or directory\nmkdir: \
                 cannot create directory './.murder': Permission denied"
            ),
            "the user has no home directory (make it, or give an absolute remote_murder_path)"
        );
    }

    #[test]
    fn a_folder_that_the_user_may_not_write_is_told() {
        assert_eq!(
            told(Stage::Upload, 40, "mkdir: cannot create directory '/opt/m': Permission denied"),
            "~/.murder: permission denied: mkdir: cannot create directory '/opt/m': Permission \
             denied (give a remote_murder_path that the user may write)"
        );
    }

    #[test]
    fn anything_else_is_quoted() {
        assert_eq!(
            told(Stage::Look, 1, "This account is currently not available."),
            "looking at the host failed with exit code 1: This account is currently not \
             available. (see that /bin/sh and the user's login shell work there)"
        );
    }

    #[test]
    fn a_message_of_the_day_does_not_hide_what_the_host_is() {
        let said = "Welcome!\nmurder-uname Linux x86_64\nmurder-gzip yes\n";
        let machine = Machine { uname: "Linux x86_64".into(), xz: false, gzip: true };
        assert_eq!(Machine::of(said), machine);
    }

    #[test]
    fn a_host_is_sent_the_smallest_form_that_it_can_unpack() {
        let agent = Agents::in_folder(None).for_machine("Linux x86_64").unwrap();
        let sent = |said: &str| {
            let (bytes, how) = Machine::of(said).packed(&agent).unwrap();
            (bytes.len() as u64, how)
        };
        let (xz, how) = sent("murder-xz yes\nmurder-gzip yes\n");
        assert_eq!(how, "xz");
        let (gzip, how) = sent("murder-gzip yes\n");
        assert_eq!(how, "gzip");
        assert!(xz < gzip && gzip < agent.bytes, "{xz} {gzip} {}", agent.bytes);
        assert_eq!(sent(""), (agent.bytes, "plain"));
    }
}
