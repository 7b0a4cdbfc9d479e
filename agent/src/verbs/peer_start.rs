//! `peer-start`: hands a host its part of a run.

use std::time::{Duration, Instant};

use murder_protocol::verbs::{PeerReply, PeerStart, Role};
use murder_protocol::{Blame, Failure, Tag};

use super::Replies;
use crate::blamed::Blamed as _;
use crate::detach;
use crate::home::Home;
use crate::lock;
use crate::release::{Arrival, Found};
use crate::roles::{JobFile, PeerJob, parse_torrent};
use crate::status::StatusFile;

pub(super) fn run(
    request: PeerStart,
    home: &Home,
    _replies: &mut Replies<PeerStart>,
) -> Result<PeerReply, Failure> {
    start(&request, home)
}

/// Returns once a detached peer has taken the job, or says why it can't be done.
///
/// A release that is there whole needs none. One that has its outcome and only serves others yet,
/// or is about to leave, makes way for the new one.
pub(crate) fn start(request: &PeerStart, home: &Home) -> Result<PeerReply, Failure> {
    let tag = &request.tag;
    let metainfo = parse_torrent(&request.torrent.0, "what the tracker keeps", tag)
        .map_err(|error| error.failure())?;
    let arrival = Arrival::at(&request.destination, metainfo.content())?;
    if arrival.map_or(Ok(Found::Nothing), |arrival| arrival.look())? == Found::Whole {
        return Ok(PeerReply { already_running: false, pid: None });
    }
    let job =
        PeerJob { info_hash: metainfo.info_hash().to_string(), destination: &request.destination };
    if let Some(pid) = lock::holder(home, Role::Peer, Some(tag)) {
        let status = StatusFile::new(home, Role::Peer, Some(tag)).read();
        // One that leaves has taken its pid off already.
        let ended = status.is_some_and(|status| {
            status.outcome.is_some() && status.pid.is_none_or(|its| its == pid)
        });
        if !ended && JobFile::new(home, Role::Peer, tag).is(&job) {
            return Ok(PeerReply { already_running: true, pid: Some(pid) });
        }
        if !ended {
            let message = format!(
                "a peer of {tag} with another torrent or destination runs as process {pid}"
            );
            return Err(Failure::new(Blame::Operator, message)
                .hint(format!("wait for it, or run stop_peering tag={tag}")));
        }
        lock::stop(home, Role::Peer, Some(tag), lock::GRACE).map_err(|error| error.failure())?;
    }
    match detach::spawn::<()>(Role::Peer, request, PATIENCE) {
        Ok(ready) => Ok(PeerReply { already_running: false, pid: Some(ready.pid) }),
        Err(failure) => quicker(home, tag, &job).ok_or(failure),
    }
}

/// The same job may have come in two ways at once, and the other one was quicker.
fn quicker(home: &Home, tag: &Tag, job: &PeerJob<'_>) -> Option<PeerReply> {
    let until = Instant::now() + PATIENCE;
    while let Some(pid) = lock::holder(home, Role::Peer, Some(tag))
        && Instant::now() < until
    {
        // It notes what it does once it has checked that it can be done.
        if JobFile::new(home, Role::Peer, tag).is(job) {
            return Some(PeerReply { already_running: true, pid: Some(pid) });
        }
        std::thread::sleep(GLANCE);
    }
    None
}

/// How long a peer may take to check a request. It reads a few pieces of an archive that is
/// there, and reserves room for one that is not, which is slow only where no file system should be.
const PATIENCE: Duration = Duration::from_secs(30);

const GLANCE: Duration = Duration::from_millis(20);
