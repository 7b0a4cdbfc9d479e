//! Reaching a host, once per task.

use std::num::NonZeroUsize;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use murder_protocol::verbs::Verb;
use openssh::{ControlPersist, KnownHosts, SessionBuilder};

use super::call::Stream;
use super::cause::Unreachable;
use super::child::{Child, words};
use super::error::{CallError, Unanswered};
use super::login::log_in;
use super::pace::{End, Gate, Place};
use super::quote::{QuoteError, quote_path};
use crate::inventory::{Address, Host};
use crate::settings::HostKeys;

/// How hosts are reached.
#[derive(Clone, Copy, Debug)]
pub struct ConnectOptions {
    /// How long a connection may take until sshd says its first word; ssh has whole seconds.
    pub timeout: Duration,
    /// How long a host may take to let us in, all tries together.
    pub patience: Duration,
    /// How many connections there may be at once, whatever it is that bounds them.
    pub forks: usize,
    /// What becomes of hosts whose key is not known.
    pub host_keys: HostKeys,
}

/// Opens connections. Its folder of control sockets goes away with it.
///
/// One verb costs one ssh process, which ends with it. Where a task has several for a host, they
/// go through one connection ([`Self::open`]), since setting it up costs more than all the rest.
#[derive(Debug)]
pub struct Connector {
    options: ConnectOptions,
    control: ControlDir,
    gate: Gate,
}

impl Connector {
    /// Makes the private folder of the control sockets.
    ///
    /// # Errors
    ///
    /// Neither `$XDG_RUNTIME_DIR` nor `/tmp` can be written.
    pub fn new(options: ConnectOptions) -> std::io::Result<Self> {
        Ok(Self { options, control: ControlDir::new()?, gate: Gate::new(options.forks) })
    }

    /// Asks a host's agent for one thing, over a connection for it alone. `reached` is called once
    /// that stands.
    ///
    /// # Errors
    ///
    /// The host was not reached, has no agent, or its agent refuses or ends without a reply.
    pub async fn call<V: Verb>(
        &self,
        host: &Host,
        request: &V,
        reached: impl FnOnce(),
    ) -> Result<V::Reply, Unanswered> {
        let mut stream = self.stream(host, request, reached).await?;
        let reply = stream.reply().await;
        stream.let_go().await;
        Ok(reply?)
    }

    /// The same for a verb with events or further input.
    ///
    /// # Errors
    ///
    /// The host was not reached, or the command could not be started at all.
    pub async fn stream<V: Verb>(
        &self,
        host: &Host,
        request: &V,
        reached: impl FnOnce(),
    ) -> Result<Stream<V>, Unanswered> {
        let home = host.remote_murder_path().to_owned();
        let Some(way) = Way::of(&host.address) else {
            reached();
            return Ok(Connection { route: Route::Local, home }.stream(request).await?);
        };
        let path = agent(&home);
        let line = verb_line::<V>(&path)?;
        let limit = self.limit();
        let child = self.patiently(|| log_in(&way, self.options, &line, limit)).await?;
        reached();
        Ok(Stream::of(child, path, request).await)
    }

    /// Reaches a host for several verbs, or for other commands.
    ///
    /// # Errors
    ///
    /// It was not reached.
    pub async fn open(&self, host: &Host) -> Result<Connection, Unreachable> {
        let home = host.remote_murder_path().to_owned();
        let Some(way) = Way::of(&host.address) else {
            return Ok(Connection { route: Route::Local, home });
        };
        let builder = self.builder(&way);
        let session = self.patiently(|| self.master(&builder, &way)).await?;
        Ok(Connection { route: Route::Ssh(Arc::new(session)), home })
    }

    /// Tries until the host answers, be it with a refusal, or until it has hung up for too long.
    async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, Unreachable>
    where
        F: Future<Output = Result<T, Unreachable>>,
    {
        let began = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let place = self.gate.enter().await;
            let result = self.try_once(place, backoff.tries, attempt()).await;
            let pause = backoff.next();
            match result {
                Err(error)
                    if error.is_worth_another_try(backoff.tries)
                        && began.elapsed() + pause < self.options.patience => {}
                result => return result.map_err(|error| error.after(backoff.tries)),
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once<T>(
        &self,
        mut place: Place<'_>,
        tries: u32,
        attempt: impl Future<Output = Result<T, Unreachable>>,
    ) -> Result<T, Unreachable> {
        let mut attempt = pin!(attempt);
        let result = tokio::select! {
            result = &mut attempt => result,
            () = tokio::time::sleep(USUAL_LOGIN) => {
                place.give_back();
                attempt.await
            }
        };
        place.ended(match &result {
            Err(error) if error.is_worth_another_try(tries) => match tries {
                0 => End::HungUp,
                _ => End::HungUpAgain,
            },
            _ => End::Answered,
        });
        result
    }

    /// What one attempt may take in all.
    fn limit(&self) -> Duration {
        (self.options.timeout + LOGIN).min(self.options.patience)
    }

    fn builder(&self, way: &Way<'_>) -> SessionBuilder {
        let mut builder = SessionBuilder::default();
        builder
            .control_directory(&self.control.0)
            .control_persist(ControlPersist::IdleFor(IDLE_SECONDS))
            .connect_timeout(self.options.timeout.max(Duration::from_secs(1)))
            .server_alive_interval(ALIVE_INTERVAL)
            .known_hosts_check(match self.options.host_keys {
                HostKeys::Strict => KnownHosts::Strict,
                HostKeys::AcceptNew => KnownHosts::Add,
            });
        if let Some(port) = way.port {
            builder.port(port);
        }
        if let Some(user) = way.user {
            builder.user(user.to_owned());
        }
        if let Some(key_file) = way.key_file {
            builder.keyfile(key_file);
        }
        builder
    }

    async fn master(
        &self,
        builder: &SessionBuilder,
        way: &Way<'_>,
    ) -> Result<openssh::Session, Unreachable> {
        let limit = self.limit();
        let connect = tokio::time::timeout(limit, builder.connect_mux(way.destination));
        let error = match connect.await {
            Ok(Ok(session)) => return Ok(session),
            Ok(Err(error)) => unreachable(&error),
            Err(_) => Unreachable::too_slow(limit),
        };
        if !error.is_the_proxys_word() {
            return Err(error);
        }
        // The crate throws away what the proxy says to stderr, so ssh is asked again, and heard.
        match log_in(way, self.options, "true", limit).await {
            Err(why) => Err(why),
            Ok(_) => Err(error),
        }
    }
}

/// The way to a host that is not this machine.
#[derive(Debug)]
pub(super) struct Way<'a> {
    pub(super) destination: &'a str,
    pub(super) port: Option<u16>,
    pub(super) user: Option<&'a str>,
    pub(super) key_file: Option<&'a Path>,
}

impl<'a> Way<'a> {
    fn of(address: &'a Address) -> Option<Self> {
        match address {
            Address::Local => None,
            Address::Ssh { destination, port, user, key_file } => Some(Self {
                destination,
                port: *port,
                user: user.as_deref(),
                key_file: key_file.as_deref(),
            }),
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
        let path = agent(&self.home);
        let child = match &self.route {
            Route::Ssh(session) => Child::remote(session.clone(), &verb_line::<V>(&path)?).await?,
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

fn agent(home: &str) -> String {
    format!("{home}/bin/murder-agent")
}

fn verb_line<V: Verb>(agent: &str) -> Result<String, QuoteError> {
    Ok(format!("{} {}", quote_path(agent)?, V::NAME))
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

/// The pauses between tries: each about twice as long as the one before it.
#[derive(Debug, Default)]
struct Backoff {
    tries: u32,
}

impl Backoff {
    fn next(&mut self) -> Duration {
        let delay = FIRST_PAUSE * 2_u32.pow(self.tries.min(DOUBLINGS));
        self.tries += 1;
        jittered(delay, chance())
    }
}

/// Between half of it and all of it, so that hosts behind one sshd don't come back together.
fn jittered(delay: Duration, chance: u64) -> Duration {
    delay.mul_f64(0.5 + (chance % 1000) as f64 / 2000.0)
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
pub(super) const ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// A loaded host may take so long for the key exchange and the login, beside the connection.
/// ssh's ConnectTimeout does not cover them.
const LOGIN: Duration = Duration::from_secs(30);
/// A log-in across an ocean takes half of it: five round trips of 0.3 s. Whoever takes longer no
/// longer keeps others from setting out.
const USUAL_LOGIN: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// So the longest pause is 8 s.
const DOUBLINGS: u32 = 4;

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
        for chance in 0..2000 {
            let delay = jittered(Duration::from_secs(2), chance);
            assert!((1000..2000).contains(&delay.as_millis()), "{delay:?}");
        }
    }

    #[test]
    fn pauses_double_up_to_eight_seconds() {
        let mut backoff = Backoff::default();
        let mut longest = 500;
        for _ in 0..10 {
            let pause = backoff.next().as_millis();
            assert!((longest / 2..=longest).contains(&pause), "{pause} of {longest} ms");
            longest = (longest * 2).min(8000);
        }
    }
}
