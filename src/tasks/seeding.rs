//! `start_seeding`, `stop_seeding` and `stop_all_seeding`.

use std::sync::Arc;

use murder_protocol::verbs::{
    Reach, SeedReply, SeedStart, SeedStop, TorrentRead, TorrentRegister, Which,
};
use murder_protocol::{Phase, Tag};
use std::net::SocketAddr;

use super::context::{Context, Stop, stopped};
use super::torrent::temp_path;
use crate::fleet::{Done, Ended, Job, Outcome};
use crate::inventory::Host;
use crate::report::Event;
use crate::settings::{Tagged, TaskName};

/// Starts the seeder of a tag, unless it runs; returns once the tracker knows it.
pub(super) async fn start(context: &Context, tagged: &Tagged) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = vec![context.cast.seeder.clone()];
    context
        .on_hosts(TaskName::StartSeeding, hosts, context.limits(), |host| {
            seed(context.clone(), tagged.clone(), host)
        })
        .await
}

/// Stops one tag's seeder, or those of all.
pub(super) async fn stop(
    context: &Context,
    task: TaskName,
    which: Which,
) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = vec![context.cast.seeder.clone()];
    let request = |_: &Host| SeedStop { which: which.clone() };
    context.ask(task, hosts, request, |reply| stopped(reply.stopped)).await
}

/// What a host says of itself in a swarm.
pub(super) fn reach(host: &Host, trackers: Vec<SocketAddr>) -> Reach {
    let ports = host.peer_ports();
    Reach {
        host: host.name.clone(),
        trackers,
        announce_ip: host.announce_ip(),
        peer_ports: (ports.first, ports.last),
    }
}

async fn seed(context: Context, tagged: Tagged, host: Arc<Host>) -> Job<()> {
    let connection = context.open(&host).await?;
    let tag: Tag = tagged.tag;
    let temp_path = temp_path(&host, tagged.temp_path.as_deref());
    let read = TorrentRead { tag: tag.clone(), temp_path: temp_path.clone() };
    let torrent = connection.call(&read).await?.torrent;
    // The torrent was read from the seeder itself, so tracker and seeder agree on it.
    let tracker = context.open_tracker().await?;
    let register = TorrentRegister { tag: tag.clone(), torrent };
    let registered = context.ask_tracker(&tracker, &register).await?;
    context.reporter.emit(Event::HostPhase { host: host.name.clone(), phase: Phase::Verifying });
    let start =
        SeedStart { tag, temp_path, reach: reach(&host, registered.trackers), key: registered.key };
    let SeedReply { already_running, pid } = connection.call(&start).await?;
    if already_running {
        return Err(Outcome::Skipped(format!("already seeding, process {pid}")));
    }
    Ok(Done::with(format!("seeding, process {pid}")))
}
