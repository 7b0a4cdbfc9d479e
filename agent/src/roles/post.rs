//! What every member of a swarm has on its host: lock, log, status file, runtime and signals.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use murder_protocol::verbs::{Role, RoleStatus};
use murder_protocol::{Blame, Failure, Format, HostOutcome, Phase, Tag};
use murder_swarm::metainfo::{Metainfo, MetainfoError};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::blamed::Blamed;
use crate::home::{Home, role_word};
use crate::lock::{Acquired, RoleLock};
use crate::log::Log;
use crate::status::{StatusFile, unix_now};

/// The place that a role holds on its host, until it is dropped.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) home: Home,
    pub(super) log: Log,
    role: Role,
    tag: Tag,
    status: StatusFile,
    _lock: RoleLock,
}

/// What changes in a role's status.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) phase: Option<Phase>,
    pub(super) bytes: u64,
    pub(super) total: u64,
    pub(super) uploaded: u64,
    pub(super) outcome: Option<HostOutcome>,
    pub(super) address: Option<SocketAddr>,
}

impl Post {
    /// Takes the role of this tag.
    pub(super) fn take(role: Role, tag: &Tag) -> Result<Self, Failure> {
        let home = Home::of_executable().map_err(|error| error.failure())?;
        let lock = match RoleLock::acquire(&home, role, Some(tag)) {
            Ok(Acquired::Held(lock)) => lock,
            Ok(Acquired::Busy { pid }) => return Err(busy(role, tag, pid)),
            Err(error) => return Err(error.failure()),
        };
        let log = Log::open(&home, role, Some(tag)).map_err(|error| {
            let path = home.role_log(role, Some(tag));
            Failure::new(Blame::Host, format!("could not open {}: {error}", path.display()))
        })?;
        let status = StatusFile::new(&home, role, Some(tag));
        Ok(Self { home, log, role, tag: tag.clone(), status, _lock: lock })
    }

    /// Writes the status file. One that can't be written is a line in the log.
    pub(super) fn show(&self, standing: &Standing) {
        let ended = standing.outcome.is_some();
        self.write(standing, (!ended).then(std::process::id));
    }

    /// Writes the status of a process that still runs, whatever its outcome.
    pub(super) fn show_running(&self, standing: &Standing) {
        self.write(standing, Some(std::process::id()));
    }

    fn write(&self, standing: &Standing, pid: Option<u32>) {
        let Standing { phase, bytes, total, uploaded, outcome, address } = standing.clone();
        let status = RoleStatus {
            role: self.role,
            tag: Some(self.tag.clone()),
            pid,
            phase,
            bytes,
            total,
            uploaded,
            outcome,
            address,
            updated_unix: unix_now(),
        };
        if let Err(error) = self.status.write(&status) {
            self.log.line(format_args!("could not write the status file: {error}"));
        }
    }

    /// Sees to it that a panic, wherever it happens, ends the process with an outcome on disk.
    pub(super) fn outlast_panics(&self) {
        let (status, log) = (self.status.clone(), self.log.clone());
        let (role, tag) = (self.role, self.tag.clone());
        std::panic::set_hook(Box::new(move |panic| {
            let message = format!("the {} panicked: {panic}", role_word(role)).replace('\n', " ");
            log.line(&message);
            let hint = "report it, with the host's log from the task logs";
            let failure = Failure::new(Blame::Bug, message).hint(hint);
            let last = status.read();
            let _ = status.write(&RoleStatus {
                role,
                tag: Some(tag.clone()),
                pid: None,
                phase: Some(Phase::Failed),
                bytes: last.as_ref().map_or(0, |last| last.bytes),
                total: last.as_ref().map_or(0, |last| last.total),
                uploaded: last.as_ref().map_or(0, |last| last.uploaded),
                outcome: Some(HostOutcome::Failed(failure)),
                address: None,
                updated_unix: unix_now(),
            });
            std::process::exit(PANICKED);
        }));
    }
}

/// The threads that move the bytes.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads((cores / 2).clamp(1, MOST_WORKERS))
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Blame::Host, format!("could not start threads: {error}")))
}

/// The signals that mean "end": SIGTERM from `stop_*`, SIGINT from somebody at a terminal.
#[derive(Debug)]
pub(super) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// From now on the signals do not kill the process.
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them.
    pub(super) async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Why a torrent can't be used here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TorrentError {
    /// It can't be read.
    #[error("could not read the torrent {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is none.
    #[error("{what} is no torrent of ours")]
    Parse {
        /// The file, or where else it came from.
        what: String,
        /// Why not.
        source: MetainfoError,
    },
    /// It was made for another tag.
    #[error("the torrent is of {name}, and the tag is {tag}")]
    OtherTag {
        /// What it calls its archive.
        name: String,
        /// The tag that was asked for.
        tag: Tag,
    },
}

impl Blamed for TorrentError {
    fn blame(&self) -> Blame {
        match self {
            Self::Read { source, .. } if source.kind() != io::ErrorKind::NotFound => Blame::Host,
            _ => Blame::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() != io::ErrorKind::NotFound => None,
            Self::Read { .. } => Some("run create_torrent first".to_owned()),
            Self::Parse { .. } | Self::OtherTag { .. } => {
                Some("run create_torrent again".to_owned())
            }
        }
    }
}

/// Reads the torrent of a tag from its file.
pub(crate) fn load_torrent(path: &Path, tag: &Tag) -> Result<Metainfo, TorrentError> {
    let bytes = std::fs::read(path)
        .map_err(|source| TorrentError::Read { path: path.to_owned(), source })?;
    parse_torrent(&bytes, &path.display().to_string(), tag)
}

/// Reads the torrent of a tag from bytes that came from `what`.
pub(crate) fn parse_torrent(bytes: &[u8], what: &str, tag: &Tag) -> Result<Metainfo, TorrentError> {
    let metainfo = Metainfo::parse(bytes)
        .map_err(|source| TorrentError::Parse { what: what.to_owned(), source })?;
    // One of another program may be called what it likes.
    if metainfo.about().is_some() && metainfo.name() != Format::of(metainfo.name()).name(tag) {
        return Err(TorrentError::OtherTag { name: metainfo.name().to_owned(), tag: tag.clone() });
    }
    Ok(metainfo)
}

/// A number from the operating system's chance.
pub(super) fn chance<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Blame::Host, format!("the system gives no random numbers: {error}"))
    })?;
    Ok(bytes)
}

fn busy(role: Role, tag: &Tag, pid: u32) -> Failure {
    let role = role_word(role);
    Failure::new(Blame::Operator, format!("a {role} of {tag} runs already as process {pid}"))
}

/// One moves what two cores can hash and write. Each further one is woken by the others again and
/// again, which on small hosts costs more than it brings; more than four would only fight over the
/// core's queue.
const MOST_WORKERS: usize = 4;

/// As Rust's own exit status after a panic.
const PANICKED: i32 = 101;
