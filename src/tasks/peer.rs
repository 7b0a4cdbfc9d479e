//! `peer`: hands each peer its part of a run, lets go of it, and follows the tracker until every
//! host has an outcome. `attach` does the second half again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::{
    Destination, HandOut, HandedOut, PeerReply, PeerStart, RunEntry, RunList, RunOpen, RunReply,
    Taken, WatchInput,
};
use murder_protocol::{Blame, Bytes, Failure, HostOutcome, Tag};
use tokio::time::Instant;

use super::context::{Context, Stop, missing};
use super::follow::{More, Outcomes, no_word};
use super::seeding::reach;
use super::torrent::temp_path;
use super::warm::{self, HandedOver, HandingOut};
use super::watch::{News, Watcher};
use crate::fleet::{Done, Ended, FanOut, HostResult, Job, Outcome};
use crate::inventory::Host;
use crate::report::{Event, GoesOn};
use crate::settings::{Attach, Peer, TaskName};
use crate::ssh::{CallError, Connection, Unanswered};

/// Brings a tag to these peers.
pub(super) async fn run(
    context: &Context,
    peer: &Peer,
    hosts: Vec<Arc<Host>>,
) -> Result<Vec<HostResult>, Stop> {
    context.task_started(TaskName::Peer, &hosts);
    let names = hosts.iter().map(|host| host.name.clone());
    let mut outcomes = Outcomes::of(&context.reporter, names);
    let opened = tokio::select! {
        opened = open_run(context, peer, &hosts) => opened,
        () = context.interrupt.wait() => return Err(context.interrupted(GoesOn::Nothing)),
    };
    match opened {
        Ok((connection, reply)) => {
            hand_over_and_follow(context, peer, hosts, connection, reply, &mut outcomes).await?;
        }
        Err(failure) => outcomes.end_all(&failure),
    }
    context.reporter.emit(Event::TaskEnded);
    Ok(outcomes.results())
}

/// Follows the latest run again, or the latest of a tag.
pub(super) async fn attach(context: &Context, attach: &Attach) -> Result<Vec<HostResult>, Stop> {
    let found = tokio::select! {
        found = latest_run(context, attach.tag.as_ref()) => found,
        () = context.interrupt.wait() => return Err(context.interrupted(GoesOn::Nothing)),
    };
    let (connection, entry) = match found {
        Ok(Ok(found)) => found,
        Ok(Err(outcome)) | Err(outcome) => {
            let tracker = [context.cast.tracker.clone()];
            context.task_started(TaskName::Attach, &tracker);
            let result = context.host_ended(&tracker[0].name, outcome, Duration::ZERO);
            context.reporter.emit(Event::TaskEnded);
            return Ok(vec![result]);
        }
    };
    let mut watcher = Watcher::start(context.clone(), connection, entry.run.clone());
    let mut outcomes: Option<Outcomes<'_>> = None;
    loop {
        let news = tokio::select! {
            news = watcher.next() => news,
            () = context.interrupt.wait() => {
                return Err(context.interrupted(GoesOn::Peers(entry.tag)));
            }
        };
        let Some(news) = news else { break };
        let known = outcomes.get_or_insert_with(|| begin(context, &entry, &news));
        if known.take(news) == More::No {
            hear_the_end(&mut watcher, known).await;
            break;
        }
    }
    context.reporter.emit(Event::TaskEnded);
    Ok(outcomes.map(Outcomes::results).unwrap_or_default())
}

/// The first news of a run has every host of it.
fn begin<'a>(context: &'a Context, entry: &RunEntry, news: &News) -> Outcomes<'a> {
    let reports = match news {
        News::Event(event) => event.reports.as_slice(),
        News::Over(reply) => reply.reports.as_slice(),
        News::Lost(_) | News::GaveUp(_) => &[],
    };
    let hosts: Vec<_> = reports.iter().map(|report| report.host.clone()).collect();
    let started = Event::TaskStarted { task: TaskName::Attach, hosts: hosts.clone() };
    context.reporter.emit(started);
    let bytes = reports.iter().map(|report| report.total).max().unwrap_or_default();
    context.reporter.emit(Event::Archive { bytes, run: Some(entry.run.clone()) });
    Outcomes::of(&context.reporter, hosts)
}

async fn latest_run(
    context: &Context,
    tag: Option<&Tag>,
) -> Result<Result<(Connection, RunEntry), Outcome>, Outcome> {
    let connection = context.open(&context.cast.tracker).await?;
    let mut runs = connection.call(&RunList {}).await?.runs;
    runs.retain(|run| tag.is_none_or(|tag| run.tag == *tag));
    let latest = runs.into_iter().next_back();
    Ok(latest.map(|entry| (connection, entry)).ok_or_else(|| {
        Outcome::Skipped(match tag {
            Some(tag) => format!("the tracker knows no run of {tag}"),
            None => "the tracker knows no run".into(),
        })
    }))
}

async fn open_run(
    context: &Context,
    peer: &Peer,
    hosts: &[Arc<Host>],
) -> Result<(Connection, RunReply), Failure> {
    let connection = context.open_tracker().await?;
    let request = RunOpen {
        tag: peer.tag.clone(),
        hosts: hosts.iter().map(|host| host.name.clone()).collect(),
        timeout_seconds: context.settings.timeout.as_secs(),
    };
    let reply = context.ask_tracker(&connection, &request).await?;
    let bytes = reply.summary.archive_bytes;
    context.reporter.emit(Event::Archive { bytes, run: Some(reply.run.clone()) });
    if !reply.seeder_present {
        let text = format!(
            "no seeder of {} is connected to the tracker, so peers get only what other peers \
             have; see murder start_seeding",
            peer.tag
        );
        context.reporter.emit(Event::Warning(text));
    }
    Ok((connection, reply))
}

async fn hand_over_and_follow(
    context: &Context,
    peer: &Peer,
    hosts: Vec<Arc<Host>>,
    connection: Connection,
    reply: RunReply,
    outcomes: &mut Outcomes<'_>,
) -> Result<(), Stop> {
    let part = Arc::new((peer.clone(), reply));
    let run = part.1.run.clone();
    let waits: BTreeSet<_> = part.1.warm.iter().collect();
    let (warm, cold) = hosts.into_iter().partition(|host| waits.contains(&host.name));
    let job = |host: &Host| job(context, &part, host);
    let request = |jobs| HandOut { run: run.clone(), jobs };
    let mut warm = HandingOut::begin(Some(&connection), warm, job, request, taken).await;
    let mut watcher = Watcher::start(context.clone(), connection, run);
    let mut window =
        FanOut::new(cold, context.quick(), |host| hand_over(context.clone(), part.clone(), host));
    let deadline = tokio::time::sleep(context.settings.timeout + LAST_WORD);
    tokio::pin!(deadline);
    let mut handing = true;
    loop {
        tokio::select! {
            end = window.next(), if handing => match end {
                Some(end) if is_cut_short(context, &end) => {}
                Some(end) => handed(end, &watcher, outcomes),
                None => handing = false,
            },
            end = warm.next(), if warm.goes_on() => match end {
                Some(HandedOver::Ended { host, answer, elapsed }) => {
                    let result = HostResult { host, outcome: warm::outcome(answer), elapsed };
                    handed(Ended { result, value: Some(Handed::Over) }, &watcher, outcomes);
                }
                Some(HandedOver::Silent(host)) => {
                    window.add(host);
                    handing = true;
                }
                None => {}
            },
            news = watcher.next() => match news {
                Some(news) => if outcomes.take(news) == More::No { break },
                None => break,
            },
            () = outcomes.doubt() => {
                for (host, failure) in outcomes.end_doubtful(Instant::now()) {
                    watcher.tell(WatchInput::Gone { host, outcome: HostOutcome::Failed(failure) });
                }
            }
            () = context.interrupt.wait() => {
                drop(window);
                for host in outcomes.unreached() {
                    let outcome = HostOutcome::Skipped("interrupted before its turn".into());
                    watcher.tell(WatchInput::Gone { host: host.to_owned(), outcome });
                }
                let stop = context.interrupted(GoesOn::Peers(peer.tag.clone()));
                watcher.finish().await;
                return Err(stop);
            }
            () = &mut deadline => break,
        }
    }
    outcomes.end_all(&no_word());
    hear_the_end(&mut watcher, outcomes).await;
    watcher.finish().await;
    Ok(())
}

/// The last hosts' outcomes are there before the seeder has said what it sent for them.
async fn hear_the_end(watcher: &mut Watcher, outcomes: &mut Outcomes<'_>) {
    let until = Instant::now() + LAST_COUNT;
    while let Ok(Some(news)) = tokio::time::timeout_at(until, watcher.next()).await {
        match news {
            News::Event(_) => _ = outcomes.take(news),
            News::Over(_) => {
                outcomes.take(news);
                return;
            }
            News::Lost(_) | News::GaveUp(_) => return,
        }
    }
}

/// What an agent that waits did with its job, unless it was silent.
fn taken(HandedOut { host, taken }: HandedOut) -> (String, Option<Result<PeerReply, Failure>>) {
    let answer = match taken {
        Taken::Accepted(reply) => Some(Ok(reply)),
        Taken::Refused(failure) => Some(Err(failure)),
        Taken::Silent => None,
    };
    (host, answer)
}

/// What became of the way to a host.
enum Handed {
    /// Its agent has the job.
    Over,
    /// The connection broke in this way when the agent had the request, and before it answered.
    Perhaps(Failure),
}

/// The terminal interrupts each ssh that still connects with us. That is no word of its host.
fn is_cut_short(context: &Context, end: &Ended<Handed>) -> bool {
    context.interrupt.is_pressed() && matches!(end.result.outcome, Outcome::Unreachable(_))
}

/// The tracker is to know of hosts that will not come, so that nobody waits for them.
fn handed(end: Ended<Handed>, watcher: &Watcher, outcomes: &mut Outcomes<'_>) {
    let host = end.result.host;
    if let Some(Handed::Perhaps(failure)) = end.value {
        return outcomes.unsure(Instant::now(), &host, failure);
    }
    let gone = match end.result.outcome {
        Outcome::Ok(_) => {
            outcomes.accepted(&host);
            watcher.tell(WatchInput::Accepted(host));
            return;
        }
        Outcome::Skipped(ref reason) => HostOutcome::Skipped(reason.clone()),
        Outcome::Failed(ref failure) | Outcome::Unreachable(ref failure) => {
            HostOutcome::Failed(failure.clone())
        }
    };
    watcher.tell(WatchInput::Gone { host: host.clone(), outcome: gone });
    outcomes.end(&host, end.result.outcome, end.result.elapsed);
}

/// What a host is asked to do.
fn job(context: &Context, part: &(Peer, RunReply), host: &Host) -> Result<PeerStart, Failure> {
    let (peer, run) = part;
    let timeout_seconds = context.settings.timeout.as_secs();
    Ok(PeerStart {
        run: run.run.clone(),
        key: run.key.clone(),
        tag: peer.tag.clone(),
        torrent: Bytes::default(),
        reach: reach(host, run.trackers.clone()),
        destination: destination(peer, host, run)?,
        temp_path: temp_path(host, peer.temp_path.as_deref()),
        seed_seconds: timeout_seconds,
        lease_seconds: LEASE.as_secs(),
        timeout_seconds,
    })
}

async fn hand_over(context: Context, part: Arc<(Peer, RunReply)>, host: Arc<Host>) -> Job<Handed> {
    let request = PeerStart { torrent: part.1.torrent.clone(), ..job(&context, &part, &host)? };
    match context.call(&host, &request).await {
        Ok(reply) => match warm::outcome(Ok(reply)) {
            Outcome::Ok(detail) => Ok(Done { detail, value: Handed::Over }),
            other => Err(other),
        },
        Err(Unanswered::Call(lost @ CallError::Lost(_))) => {
            Ok(Done { detail: String::new(), value: Handed::Perhaps(lost.failure()) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Where the tree goes on a host; the path of a file is the one that was asked for.
fn destination(peer: &Peer, host: &Host, run: &RunReply) -> Result<Destination, Failure> {
    let base = peer.destination_path.as_deref().or_else(|| host.default_destination_path());
    let base = base.ok_or_else(|| missing("destination_path"))?;
    let path = match (peer.path_is_file, run.summary.path_is_file) {
        (false, true) => {
            return Err(Failure::new(Blame::Operator, format!("{} is one file", peer.tag))
                .hint("say path_is_file=1, and the file goes to destination_path"));
        }
        (true, false) => {
            return Err(Failure::new(Blame::Operator, format!("{} is a tree", peer.tag))
                .hint("leave out path_is_file"));
        }
        (true, true) => base.to_owned(),
        (false, false) if peer.no_tag_directory => base.to_owned(),
        (false, false) => format!("{}/{}", base.trim_end_matches('/'), peer.tag),
    };
    Ok(Destination {
        path,
        unsafe_please_delete: peer.unsafe_please_delete,
        keep_owner: peer.keep_owner,
        as_release: peer.as_release,
    })
}

/// A tracker that was killed has so long to come back before its agents give up.
const LEASE: Duration = Duration::from_secs(300);
/// The tracker waits a little for the seeder's count before it says that a run is over.
const LAST_COUNT: Duration = Duration::from_secs(2);
/// The tracker ends a host that is out of its time; this long after that we stop waiting for it.
const LAST_WORD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;
    use murder_protocol::verbs::TorrentSummary;
    use murder_protocol::{RunId, Secret};

    fn peer(path_is_file: bool, no_tag_directory: bool, path: Option<&str>) -> Peer {
        Peer {
            tag: "v1".parse().unwrap(),
            destination_path: path.map(str::to_owned),
            no_tag_directory,
            path_is_file,
            unsafe_please_delete: false,
            keep_owner: false,
            as_release: false,
            temp_path: None,
        }
    }

    fn run_of(path_is_file: bool) -> RunReply {
        RunReply {
            run: RunId("r".into()),
            key: Secret("s".into()),
            torrent: Bytes::default(),
            summary: TorrentSummary {
                format: murder_protocol::Format::Tgz,
                info_hash: String::new(),
                archive_bytes: 1,
                tree_bytes: 1,
                entries: 1,
                pieces: 1,
                piece_length: 1,
                path_is_file,
            },
            trackers: Vec::new(),
            seeder_present: true,
            warm: Vec::new(),
        }
    }

    fn place(peer: &Peer, file: bool) -> Result<String, String> {
        let host = Inventory::parse(b"web1\n", "hosts", &[]).unwrap().hosts.remove(0);
        destination(peer, &host, &run_of(file))
            .map(|destination| destination.path)
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_tree_goes_below_its_tag_unless_the_tag_is_no_directory() {
        assert_eq!(place(&peer(false, false, Some("/srv/")), false).unwrap(), "/srv/v1");
        assert_eq!(place(&peer(false, true, Some("/srv")), false).unwrap(), "/srv");
    }

    #[test]
    fn a_file_goes_to_the_path_itself() {
        assert_eq!(place(&peer(true, false, Some("/srv/x")), true).unwrap(), "/srv/x");
    }

    #[test]
    fn a_tree_for_a_file_and_a_file_for_a_tree_are_refused() {
        assert_eq!(
            place(&peer(false, false, Some("/srv")), true).unwrap_err(),
            "v1 is one file (say path_is_file=1, and the file goes to destination_path)"
        );
        assert_eq!(
            place(&peer(true, false, Some("/srv")), false).unwrap_err(),
            "v1 is a tree (leave out path_is_file)"
        );
    }

    #[test]
    fn a_host_without_a_destination_is_told_where_to_set_one() {
        assert_eq!(
            place(&peer(false, false, None), false).unwrap_err(),
            "no destination_path is given for this host (type destination_path=…, or set its \
             default in the inventory)"
        );
    }
}
