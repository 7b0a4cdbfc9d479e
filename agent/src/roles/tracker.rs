//! The tracker's process.

use std::process::ExitCode;

use murder_protocol::verbs::{Role, RoleStatus, TrackerStart};
use murder_protocol::{Blame, Failure};
use tokio::signal::unix::{SignalKind, signal};

use crate::blamed::{Blamed as _, chain};
use crate::detach::Started;
use crate::home::Home;
use crate::lock::{Acquired, RoleLock};
use crate::log::Log;
use crate::status::{StatusFile, silent};
use crate::tracker::run::Leases;
use crate::tracker::service::Tracker;

/// Plays the tracker until somebody stops it.
pub(super) fn play() -> ExitCode {
    let (started, request) = match Started::receive::<TrackerStart>() {
        Ok(received) => received,
        Err(error) => {
            eprintln!("the tracker got no request: {error}");
            return ExitCode::FAILURE;
        }
    };
    match prepare() {
        Ok(place) => match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime.block_on(serve(place, started, &request)),
            Err(error) => {
                started.failed(host_failure("start the tracker's threads", &error));
                ExitCode::FAILURE
            }
        },
        Err(failure) => {
            started.failed(failure);
            ExitCode::FAILURE
        }
    }
}

/// What a tracker has before it listens.
struct Place {
    home: Home,
    log: Log,
    /// Held until the process ends.
    lock: RoleLock,
}

fn prepare() -> Result<Place, Failure> {
    let home = Home::of_executable().map_err(|error| error.failure())?;
    let lock = match RoleLock::acquire(&home, Role::Tracker, None) {
        Ok(Acquired::Held(lock)) => lock,
        Ok(Acquired::Busy { pid }) => {
            let text = format!("a tracker runs on this host already, as process {pid}");
            return Err(Failure::new(Blame::Operator, text));
        }
        Err(error) => return Err(error.failure()),
    };
    let log = Log::open(&home, Role::Tracker, None)
        .map_err(|error| host_failure("open the tracker's log", &error))?;
    Ok(Place { home, log, lock })
}

async fn serve(place: Place, started: Started, request: &TrackerStart) -> ExitCode {
    let Place { home, log, lock } = place;
    let tracker = match Tracker::start(&home, log.clone(), request, Leases::default()).await {
        Ok(tracker) => tracker,
        Err(error) => {
            started.failed(error.failure());
            return ExitCode::FAILURE;
        }
    };
    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => {
                started.failed(host_failure("listen to signals", &error));
                return ExitCode::FAILURE;
            }
        };
    let status = Status { file: StatusFile::new(&home, Role::Tracker, None), log: log.clone() };
    let addresses = tracker.addresses().to_vec();
    status.write(addresses.first().copied(), Some(std::process::id()));
    if started.ready(&addresses, &log).is_err() {
        log.line("whoever started it did not wait");
    }
    tracker
        .serve(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    status.write(None, None);
    drop(lock);
    ExitCode::SUCCESS
}

struct Status {
    file: StatusFile,
    log: Log,
}

impl Status {
    fn write(&self, address: Option<std::net::SocketAddr>, pid: Option<u32>) {
        let status = RoleStatus { pid, address, ..silent(Role::Tracker, None) };
        if let Err(error) = self.file.write(&status) {
            self.log.line(format_args!("could not write its status: {error}"));
        }
    }
}

fn host_failure(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Blame::Host, format!("could not {what}: {}", chain(error)))
}
