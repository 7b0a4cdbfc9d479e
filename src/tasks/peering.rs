//! `stop_peering`, `stop_all_peering` and `clean_temp_files`.

use murder_protocol::verbs::{Clean, PeerStop, Which};

use super::context::{Context, Stop, stopped};
use super::torrent::temp_path;
use crate::fleet::{Done, Ended, Outcome};
use crate::inventory::Host;
use crate::report::units;
use crate::settings::{Clean as CleanTask, TaskName};

/// Stops one tag's peers, or those of all.
pub(super) async fn stop(
    context: &Context,
    task: TaskName,
    which: Which,
) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = context.cast.peers.clone();
    let request = |_: &Host| PeerStop { which: which.clone() };
    context.ask(task, hosts, request, |reply| stopped(reply.stopped)).await
}

/// Removes archive, torrent and partial data of a tag.
pub(super) async fn clean(context: &Context, task: &CleanTask) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = context.cast.seeder_and_peers();
    let request = |host: &Host| Clean {
        which: Which::Tag(task.tagged.tag.clone()),
        earlier: task.earlier,
        temp_path: temp_path(host, task.tagged.temp_path.as_deref()),
    };
    context
        .ask(TaskName::CleanTempFiles, hosts, request, |reply| match reply.removed.len() {
            0 => Err(Outcome::Skipped("nothing was there".into())),
            1 => Ok(Done::with(format!("removed 1 file, {}", units::bytes(reply.bytes)))),
            n => Ok(Done::with(format!("removed {n} files, {}", units::bytes(reply.bytes)))),
        })
        .await
}
