//! `tracker-start`: a detached tracker on this host, unless one runs.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use murder_protocol::verbs::{Role, TrackerReply, TrackerStart};
use murder_protocol::{Blame, Failure};

use crate::home::Home;
use crate::tracker::admin::AdminRequest;
use crate::tracker::ask::ask;
use crate::verbs::Replies;
use crate::{detach, lock};

pub(super) fn run(
    request: TrackerStart,
    home: &Home,
    _: &mut Replies<TrackerStart>,
) -> Result<TrackerReply, Failure> {
    if let Some(reply) = running(home, &request)? {
        return Ok(reply);
    }
    match detach::spawn::<Vec<SocketAddr>>(Role::Tracker, &request, STARTING) {
        Ok(ready) => {
            let (pid, addresses) = (ready.pid, ready.value);
            check_port(&addresses)?;
            Ok(TrackerReply { already_running: false, pid, addresses })
        }
        // Another start may have been quicker.
        Err(failure) => running(home, &request)?.ok_or(failure),
    }
}

/// The tracker that runs here, if one does.
fn running(home: &Home, request: &TrackerStart) -> Result<Option<TrackerReply>, Failure> {
    let Some(pid) = lock::holder(home, Role::Tracker, None) else { return Ok(None) };
    let until = Instant::now() + ANSWERING;
    let reply: TrackerReply = loop {
        match ask(home, &AdminRequest::Where) {
            Ok(reply) => break reply,
            Err(_) if lock::holder(home, Role::Tracker, None).is_none() => return Ok(None),
            // It may be about to open its socket.
            Err(_) if Instant::now() < until => std::thread::sleep(AGAIN),
            Err(failure) => {
                let text = format!("the tracker's process {pid} does not answer: {failure}");
                return Err(Failure::new(Blame::Host, text).hint("run murder stop_tracker first"));
            }
        }
    };
    match reply.addresses.first() {
        Some(address) if request.port != 0 && address.port() != request.port => {
            let (here, wanted) = (address.port(), request.port);
            let text =
                format!("a tracker runs on this host already, on port {here} instead of {wanted}");
            Err(Failure::new(Blame::Operator, text).hint("run murder stop_tracker first"))
        }
        _ => Ok(Some(reply)),
    }
}

/// The tracker answers on its port: its last address is one of this host itself.
fn check_port(addresses: &[SocketAddr]) -> Result<(), Failure> {
    let Some(address) = addresses.last() else { return Ok(()) };
    match TcpStream::connect_timeout(address, ANSWERING) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = format!("the tracker runs but does not answer at {address}: {error}");
            Err(Failure::new(Blame::Host, text)
                .hint("see whether the host's firewall closes its own ports"))
        }
    }
}

/// It reads a file and opens two sockets.
const STARTING: Duration = Duration::from_secs(20);
const ANSWERING: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(100);
