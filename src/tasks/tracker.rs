//! `start_tracker` and `stop_tracker`.

use murder_protocol::verbs::{TrackerReply, TrackerStart, TrackerStop};

use super::context::{Context, Stop, stopped};
use crate::fleet::{Done, Ended, Job, Outcome};
use crate::settings::TaskName;

/// Starts the tracker, unless it runs; returns once it answers.
pub(super) async fn start(context: &Context) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = vec![context.cast.tracker.clone()];
    let request = |host: &crate::inventory::Host| TrackerStart {
        port: host.tracker_port(),
        announce_ip: host.announce_ip(),
    };
    context.ask(TaskName::StartTracker, hosts, request, started).await
}

/// Stops the tracker; that there was none is no error.
pub(super) async fn stop(context: &Context) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = vec![context.cast.tracker.clone()];
    context
        .ask(TaskName::StopTracker, hosts, |_| TrackerStop {}, |reply| stopped(reply.stopped))
        .await
}

fn started(reply: TrackerReply) -> Job<()> {
    let at = reply.addresses.first().map(|address| format!(" at {address}")).unwrap_or_default();
    if reply.already_running {
        return Err(Outcome::Skipped(format!("already running, process {}{at}", reply.pid)));
    }
    Ok(Done::with(format!("started, process {}{at}", reply.pid)))
}
