//! A running tracker: its port, its socket, its file and its clock, around one state.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::Blame;
use murder_protocol::verbs::TrackerStart;
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::address::Known;
use super::guests::Guests;
use super::run::Leases;
use super::server::{self, Doors};
use super::shared::{Clock, Shared};
use super::state::{Change, State};
use super::{admin, holder, keep, keys};
use crate::blamed::Blamed;
use crate::home::Home;
use crate::log::Log;

/// A tracker that listens. [`Tracker::serve`] makes it answer.
#[derive(Debug)]
pub struct Tracker {
    shared: Arc<Shared>,
    port: TcpListener,
    socket: UnixListener,
    file: PathBuf,
    addresses: Vec<SocketAddr>,
    sockets_path: PathBuf,
}

/// Why there is no tracker.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program listens there.
    #[error("port {port} is in use{}", by(.holder.as_ref()))]
    PortTaken {
        /// The port.
        port: u16,
        /// Which program, if that can be seen.
        holder: Option<String>,
    },
    /// The port can't be listened on.
    #[error("could not listen on port {port}")]
    Port {
        /// The port.
        port: u16,
        /// Why not.
        source: io::Error,
    },
    /// The administrative socket can't be made.
    #[error("could not make {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no randomness.
    #[error("the kernel gives no random numbers")]
    Random(#[source] getrandom::Error),
}

impl Tracker {
    /// Listens, and reads what an earlier tracker left. The caller holds the tracker's lock.
    pub async fn start(
        home: &Home,
        log: Log,
        asked: &TrackerStart,
        leases: Leases,
    ) -> Result<Self, StartError> {
        let port = listen(asked.announce_ip, asked.port)?;
        let listening =
            port.local_addr().map_err(|source| StartError::Port { port: asked.port, source })?;
        let addresses = Known::here(asked.announce_ip).addresses(listening);
        let sockets_path = home.socket();
        let socket = admin::listen(home)
            .map_err(|source| StartError::Socket { path: sockets_path.clone(), source })?;
        let file = keep::path(home);
        let (kept, unusable) = keep::load(&file);
        if let Some(why) = unusable {
            log.line(why);
        }
        let seed = keys::number().map_err(StartError::Random)?;
        let clock = Clock::new();
        let state = State::new(clock.now(), addresses.clone(), leases, kept, seed);
        log.line(format_args!("listens on {listening}"));
        let shared = Arc::new(Shared::new(state, clock, log));
        Ok(Self { shared, port, socket, file, addresses, sockets_path })
    }

    /// Where the fleet may find it, best first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers until `stop` is ready. Agents are told nothing: they have their leases.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let shared = self.shared;
        let guests = Guests::of_this_process();
        let doors = Doors::open(&shared, self.port, &guests);
        let mut tasks = JoinSet::new();
        tasks.spawn(admin::serve(Arc::clone(&shared), self.socket));
        tasks.spawn(keep::run(Arc::clone(&shared), self.file.clone()));
        tasks.spawn(tick(Arc::clone(&shared)));
        stop.await;
        drop(doors);
        tasks.shutdown().await;
        if shared.with(|state, _| state.change()) != Change::Nothing
            && let Err(error) = keep::write(&shared, &self.file).await
        {
            shared.log.line(format_args!("could not write {}: {error}", self.file.display()));
        }
        let _ = std::fs::remove_file(self.sockets_path);
        shared.log.line("was stopped");
    }
}

fn listen(announce_ip: Option<IpAddr>, port: u16) -> Result<TcpListener, StartError> {
    server::listen(announce_ip, port).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortTaken { port, holder: holder::of_port(port) },
        _ => StartError::Port { port, source },
    })
}

async fn tick(shared: Arc<Shared>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        shared.with(State::tick);
    }
}

fn by(holder: Option<&String>) -> String {
    holder.map_or_else(String::new, |holder| format!(" by {holder}"))
}

impl Blamed for StartError {
    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::PortTaken { .. } => {
                Some("stop that program, or set tracker_port to another port".to_owned())
            }
            Self::Port { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("set tracker_port to a port above 1023".to_owned())
            }
            Self::Port { .. } | Self::Socket { .. } | Self::Random(_) => None,
        }
    }
}

/// Leases are tens of seconds; half a second more matters to nobody.
const TICK: Duration = Duration::from_millis(500);
