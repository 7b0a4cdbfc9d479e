//! What a workstation has the agents that wait do: take part in a run, do something with their
//! releases, or switch.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::{
    HandOut, HandOutReply, HandedOut, HostOrder, MissingHost, OrderEnd, ReleaseOrder, ReleaseOut,
    ReleaseOutReply, ReleasedOut, SwitchOrder, SwitchOut, SwitchOutReply, Taken,
};
use murder_protocol::{Failure, Frame, HostOutcome, RunId};
use tokio::net::unix::OwnedWriteHalf;

use super::admin::{chance, reply, send, wait_until_kept};
use super::desk::LONGEST_SWITCH;
use super::jobs::{End, Given, Patience, Task, Torrent};
use super::shared::Shared;
use super::verdict;
use crate::channel::Word;

/// Says of each job what became of it, as soon as that is known.
pub(super) async fn hand_out(
    shared: &Shared,
    request: HandOut,
    write: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let torrent = match shared.with(|state, _| state.torrent_of(&request.run)) {
        Ok(torrent) => Torrent::new(torrent),
        Err(failure) => return reply::<HandOutReply>(write, Err(failure)).await,
    };
    let jobs = request.jobs.into_iter().map(|job| {
        let host = job.reach.host.clone();
        (host, Task::Peer { job: Box::new(job), torrent: torrent.clone() })
    });
    let mut given = Given::to(&shared.waiting, jobs, Patience::for_result(JOB));
    while let Some((host, end)) = given.next().await {
        let taken = match end {
            End::Said(Word::Accepted(reply)) => Taken::Accepted(reply),
            End::Said(Word::Refused(failure)) => Taken::Refused(failure),
            End::Said(_) | End::Untold | End::Lost => Taken::Silent,
        };
        let event = HandedOut { host, taken };
        send(write, &Frame::<_, HandOutReply>::Event(event)).await?;
    }
    send(write, &Frame::<HandedOut, _>::Reply(HandOutReply {})).await
}

/// The same for orders about releases.
pub(super) async fn release_out(
    shared: &Shared,
    request: ReleaseOut,
    write: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let orders = request.orders.into_iter();
    let jobs = orders.map(|HostOrder { host, order }| (host, Task::Release(Box::new(order))));
    let patience = Patience::for_result(Duration::from_secs(request.seconds));
    let mut given = Given::to(&shared.waiting, jobs, patience);
    while let Some((host, end)) = given.next().await {
        let end = match end {
            End::Said(Word::Released(done)) => OrderEnd::Done(*done),
            End::Said(Word::Refused(failure)) => OrderEnd::Refused(failure),
            End::Said(_) | End::Untold | End::Lost => OrderEnd::Silent,
        };
        let event = ReleasedOut { host, end };
        send(write, &Frame::<_, ReleaseOutReply>::Event(event)).await?;
    }
    send(write, &Frame::<ReleasedOut, _>::Reply(ReleaseOutReply {})).await
}

/// Tells each agent that waits to switch, once and never again, unless more are missing than may
/// be. What becomes of it is kept as a run, whoever goes. That is written down before anybody is
/// told.
pub(super) async fn switch_out(
    shared: &Arc<Shared>,
    request: SwitchOut,
) -> Result<SwitchOutReply, Failure> {
    let SwitchOut { release, may_miss, orders } = request;
    let missing = shared.waiting.missing(orders.iter().map(|order| &order.host));
    if missing.len() > may_miss {
        let (count, all) = (missing.len(), orders.len());
        shared.log.line(format_args!("{release}: {count} of {all} are missing, so nobody is told"));
        let missing = missing.into_iter().map(|(host, left)| MissingHost {
            host: host.to_owned(),
            failure: verdict::missing(left.as_deref()),
        });
        return Ok(SwitchOutReply::Withheld(missing.collect()));
    }
    let hosts: Vec<_> = orders.iter().map(|order| order.host.clone()).collect();
    let count = hosts.len();
    let chance = chance()?;
    let run = shared.with(|state, now| state.open_switch(now, release, hosts, chance))?;
    wait_until_kept(shared).await;
    let jobs = orders.into_iter().map(|SwitchOrder { host, switch }| {
        (host, Task::Release(Box::new(ReleaseOrder::Switch(switch))))
    });
    let patience = Patience { receipt: LONGEST_SWITCH, result: LONGEST_SWITCH };
    let given = Given::to(&shared.waiting, jobs, patience);
    shared.log.line(format_args!("run {run}: {count} hosts are told to switch"));
    tokio::spawn(hear(Arc::clone(shared), run.clone(), given));
    Ok(SwitchOutReply::Told(run))
}

async fn hear(shared: Arc<Shared>, run: RunId, mut given: Given) {
    while let Some((host, end)) = given.next().await {
        let outcome = match end {
            End::Said(Word::Released(done)) => {
                for warning in &done.warnings {
                    shared.log.line(format_args!("run {run}: host {host:?}: {warning}"));
                }
                Some(HostOutcome::Ok)
            }
            End::Said(Word::Refused(failure)) => Some(HostOutcome::Failed(failure)),
            End::Untold => {
                let missing = shared.waiting.missing([&host].into_iter());
                let left = missing.first().and_then(|(_, left)| left.as_deref());
                Some(HostOutcome::Failed(verdict::untold(left)))
            }
            End::Said(_) | End::Lost => None,
        };
        shared.with(|state, now| state.switched(now, &run, &host, outcome));
    }
}

/// A peer has half a minute to check its job.
const JOB: Duration = Duration::from_secs(40);
