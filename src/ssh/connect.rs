//! Reaching a host, once per task.

use std::num::NonZeroUsize;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::Verb;
use openssh::{ControlPersist, KnownHosts, SessionBuilder};

use super::behind;
use super::call::Stream;
use super::cause::Unreachable;
use super::child::{Child, words};
use super::error::CallError;
use super::quote::quote_path;
use crate::inventory::{Address, Host};
use crate::settings::HostKeys;

/// How hosts are reached.
#[derive(Clone, Copy, Debug)]
pub struct ConnectOptions {
    /// How long a connection may take to stand.
    pub timeout: Duration,
    /// What becomes of hosts whose key is not known.
    pub host_keys: HostKeys,
}

/// Opens connections. Its folder of control sockets goes away with it.
#[derive(Debug)]
pub struct Connector {
    options: ConnectOptions,
    control: ControlDir,
}

impl Connector {
    /// Makes the private folder of the control sockets.
    ///
    /// # Errors
    ///
    /// Neither `$XDG_RUNTIME_DIR` nor `/tmp` can be written.
    pub fn new(options: ConnectOptions) -> std::io::Result<Self> {
        Ok(Self { options, control: ControlDir::new()? })
    }

    /// Reaches a host; tries again if it hangs up at once, as a busy sshd does.
    ///
    /// # Errors
    ///
    /// It was not reached.
    pub async fn open(&self, host: &Host) -> Result<Connection, Unreachable> {
        let home = host.remote_murder_path().to_owned();
        let Address::Ssh { destination, port, user, key_file } = &host.address else {
            return Ok(Connection { route: Route::Local, home });
        };
        let mut builder = SessionBuilder::default();
        builder
            .control_directory(&self.control.0)
            .control_persist(ControlPersist::IdleFor(IDLE_SECONDS))
            .connect_timeout(self.options.timeout)
            .server_alive_interval(ALIVE_INTERVAL)
            .known_hosts_check(match self.options.host_keys {
                HostKeys::Strict => KnownHosts::Strict,
                HostKeys::AcceptNew => KnownHosts::Add,
            });
        if let Some(port) = port {
            builder.port(*port);
        }
        if let Some(user) = user {
            builder.user(user.clone());
        }
        if let Some(key_file) = key_file {
            builder.keyfile(key_file);
        }
        let mut tries = 1;
        let mut asked = false;
        loop {
            let mut result = self.connect(&builder, destination).await;
            if result.as_ref().is_err_and(Unreachable::is_the_proxys_word) && !asked {
                asked = true;
                let ConnectOptions { timeout, host_keys } = self.options;
                let why = behind::ask(host, host_keys, timeout).await;
                result = result.map_err(|error| why.unwrap_or(error));
            }
            match result {
                Err(error) if error.is_worth_another_try() && tries < TRIES => {
                    tokio::time::sleep(jittered(RETRY_AFTER * tries)).await;
                    tries += 1;
                }
                result => {
                    let route = Route::Ssh(Arc::new(result?));
                    return Ok(Connection { route, home });
                }
            }
        }
    }

    async fn connect(
        &self,
        builder: &SessionBuilder,
        destination: &str,
    ) -> Result<openssh::Session, Unreachable> {
        // ssh's own limit does not cover the key exchange.
        let limit = self.options.timeout + KEY_EXCHANGE;
        match tokio::time::timeout(limit, builder.connect_mux(destination)).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(unreachable(&error)),
            Err(_) => Err(Unreachable::timed_out()),
        }
    }
}

/// A host that was reached.
#[derive(Debug)]
pub struct Connection {
    route: Route,
    home: String,
}

#[derive(Debug)]
enum Route {
    Ssh(Arc<openssh::Session>),
    Local,
}

impl Connection {
    /// Asks the host's agent for one thing.
    ///
    /// # Errors
    ///
    /// There is no agent, it refuses, or it ends without a reply.
    pub async fn call<V: Verb>(&self, request: &V) -> Result<V::Reply, CallError> {
        self.stream(request).await?.reply().await
    }

    /// The same for a verb with events or further input.
    ///
    /// # Errors
    ///
    /// The command could not be started at all.
    pub async fn stream<V: Verb>(&self, request: &V) -> Result<Stream<V>, CallError> {
        let path = format!("{}/bin/murder-agent", self.home);
        let child = match &self.route {
            Route::Ssh(session) => {
                let line = format!("{} {}", quote_path(&path)?, V::NAME);
                Child::remote(session.clone(), &line).await?
            }
            Route::Local => {
                let program = local_path(&path);
                Child::local(&program, &[V::NAME]).map_err(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => CallError::NoAgent(path.clone()),
                    std::io::ErrorKind::PermissionDenied => {
                        CallError::NotExecutable { path: path.clone(), said: error.to_string() }
                    }
                    _ => CallError::Spawn(path.clone(), error.to_string()),
                })?
            }
        };
        Ok(Stream::of(child, path, request).await)
    }

    /// Starts a constant script of `/bin/sh` whose `$1` is the agent's folder, and whose further
    /// arguments are plain words of ours.
    pub(super) async fn script(&self, script: &str, words: &[&str]) -> Result<Child, CallError> {
        match &self.route {
            Route::Ssh(session) => {
                let home = quote_path(&self.home)?;
                let line = format!("/bin/sh -c '{script}' sh {home} {}", words.join(" "));
                Child::remote(session.clone(), line.trim_end()).await
            }
            Route::Local => {
                let home = local_path(&self.home);
                let args = [&["-c", script, "sh", &home], words].concat();
                Child::local("/bin/sh", &args)
                    .map_err(|error| CallError::Spawn("/bin/sh".into(), error.to_string()))
            }
        }
    }

    /// The agent's folder, as the inventory has it.
    pub fn home(&self) -> &str {
        &self.home
    }
}

/// `~/x` on this machine.
fn local_path(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => {
            let home = std::env::home_dir().unwrap_or_else(|| "/".into());
            home.join(rest).to_string_lossy().into_owned()
        }
        None => path.to_owned(),
    }
}

fn unreachable(error: &openssh::Error) -> Unreachable {
    use std::error::Error as _;
    match error {
        openssh::Error::Connect(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            Unreachable::no_ssh()
        }
        // The crate keeps ssh's log as the text of the cause.
        openssh::Error::Connect(_) => {
            let log = error.source().map(ToString::to_string).unwrap_or_default();
            Unreachable::from_log(&log)
        }
        _ => Unreachable::other(words(error)),
    }
}

/// A folder of mode 0700, removed at the end.
#[derive(Debug)]
struct ControlDir(PathBuf);

impl ControlDir {
    fn new() -> std::io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let mut first = None;
        for parent in runtime.iter().map(PathBuf::as_path).chain([Path::new("/tmp")]) {
            let random = chance() & 0xffff_ffff;
            let path = parent.join(format!("murder-{random:08x}"));
            if !path.is_absolute() || path.as_os_str().len() > LONGEST_CONTROL_DIR {
                continue;
            }
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| std::io::Error::other("no folder for control sockets")))
    }
}

impl Drop for ControlDir {
    fn drop(&mut self) {
        // What is left of it is an empty folder in /tmp at the worst.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Between half of it and all of it, so that hosts behind one sshd don't come back together.
fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(0.5 + (chance() % 1000) as f64 / 2000.0)
}

/// Random enough for a name or a delay; std seeds it from the operating system.
fn chance() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish()
}

/// A socket's path has at most 108 bytes, of which the crate and ssh's own suffix take the rest.
const LONGEST_CONTROL_DIR: usize = 67;
/// A master whose `murder` was killed ends by itself.
const IDLE_SECONDS: NonZeroUsize = NonZeroUsize::new(60).expect("60 is not 0");
/// Three unanswered ones end a connection (ssh's ServerAliveCountMax).
const ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// A loaded host may take so long for the key exchange and the login, beside the connection.
const KEY_EXCHANGE: Duration = Duration::from_secs(30);
/// With MaxStartups at its default 10:30:100, so many tries get 64 connections in.
const TRIES: u32 = 6;
const RETRY_AFTER: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_folder_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt as _;
        let control = ControlDir::new().unwrap();
        let path = control.0.clone();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(path.as_os_str().len() <= LONGEST_CONTROL_DIR);
        drop(control);
        assert!(!path.exists());
    }

    #[test]
    fn a_retry_waits_between_half_of_its_delay_and_all_of_it() {
        for _ in 0..100 {
            let delay = jittered(Duration::from_secs(2));
            assert!((1000..2000).contains(&delay.as_millis()), "{delay:?}");
        }
    }
}
