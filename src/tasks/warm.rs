//! `warm` and `cool`: agents that wait on the peers, connected to the tracker; and how `peer`
//! hands them their jobs through it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use murder_protocol::verbs::{
    HandOut, HandedOut, PeerReply, PeerStart, Taken, WarmExpect, WarmExpected, WarmForget,
    WarmReply, WarmStart, WarmStop,
};
use murder_protocol::{Failure, RunId};

use super::context::{Context, Stop, stopped};
use crate::fleet::{Done, Ended, Job, Outcome};
use crate::inventory::Host;
use crate::report::{Event, GoesOn, units};
use crate::settings::{TaskName, Warm};
use crate::ssh::{Connection, Step, Stream};

/// Lets an agent wait on each peer; returns once the tracker has let them in.
pub(super) async fn run(context: &Context, warm: Warm) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = context.cast.peers.clone();
    let expected = tokio::select! {
        expected = expect(context, warm, &hosts) => Arc::new(expected),
        () = context.interrupt.wait() => return Err(context.interrupted(GoesOn::Nothing)),
    };
    let place: BTreeMap<_, _> =
        hosts.iter().enumerate().map(|(place, host)| (host.name.clone(), place)).collect();
    context
        .on_hosts(TaskName::Warm, hosts, context.quick(), |host| {
            let (context, expected, place) = (context.clone(), expected.clone(), place[&host.name]);
            async move { start(&context, warm, &host, place, &expected).await }
        })
        .await
}

/// Ends the agents that wait.
pub(super) async fn cool(context: &Context) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = context.cast.peers.clone();
    tokio::select! {
        () = forget(context, &hosts) => {}
        () = context.interrupt.wait() => return Err(context.interrupted(GoesOn::Nothing)),
    }
    context.ask(TaskName::Cool, hosts, |_| WarmStop {}, |reply| stopped(reply.stopped)).await
}

async fn expect(
    context: &Context,
    warm: Warm,
    hosts: &[Arc<Host>],
) -> Result<WarmExpected, Failure> {
    let connection = context.open_tracker().await?;
    let request = WarmExpect { hosts: names(hosts), seconds: warm.span.as_secs() };
    context.ask_tracker(&connection, &request).await
}

async fn start(
    context: &Context,
    warm: Warm,
    host: &Host,
    place: usize,
    expected: &Result<WarmExpected, Failure>,
) -> Job<()> {
    let WarmExpected { trackers, keys } = expected.as_ref().map_err(Failure::clone)?;
    let request = WarmStart {
        host: host.name.clone(),
        trackers: trackers.clone(),
        announce_ip: host.announce_ip(),
        key: keys[place].clone(),
        seconds: warm.span.as_secs(),
        lease_seconds: LEASE.as_secs(),
    };
    let WarmReply { renewed, pid } = context.call(host, &request).await?;
    let how = if renewed { "waits anew" } else { "waits" };
    Ok(Done::with(format!("{how} for {}, process {pid}", units::whole_duration(warm.span))))
}

/// A tracker that does not run has forgotten them soon enough.
async fn forget(context: &Context, hosts: &[Arc<Host>]) {
    let told = async {
        let connection = context.open_tracker().await?;
        context.ask_tracker(&connection, &WarmForget { hosts: names(hosts) }).await
    };
    if let Err(failure) = told.await {
        context.reporter.emit(Event::Note(format!("not told of it: {failure}")));
    }
}

fn names(hosts: &[Arc<Host>]) -> Vec<String> {
    hosts.iter().map(|host| host.name.clone()).collect()
}

/// Jobs that agents which wait are given through the tracker.
pub(super) struct HandingOut {
    stream: Option<Stream<HandOut>>,
    /// Hosts of which nothing is known yet.
    open: BTreeMap<String, Arc<Host>>,
    /// What is known at once.
    known: VecDeque<HandedOver>,
    began: Instant,
}

/// What became of one job.
pub(super) enum HandedOver {
    /// The agent took it, or refused.
    Ended {
        /// The inventory's name for the host.
        host: String,
        /// The agent's answer.
        answer: Result<PeerReply, Failure>,
        /// Since the jobs were handed out.
        elapsed: Duration,
    },
    /// Nobody took it; the host is to be reached by SSH.
    Silent(Arc<Host>),
}

impl HandingOut {
    /// Hands out the jobs of these hosts over a connection to the tracker.
    pub(super) async fn begin(
        connection: &Connection,
        run: RunId,
        hosts: Vec<Arc<Host>>,
        job: impl Fn(&Host) -> Result<PeerStart, Failure>,
    ) -> Self {
        let began = Instant::now();
        let (mut open, mut known, mut jobs) = (BTreeMap::new(), VecDeque::new(), Vec::new());
        for host in hosts {
            match job(&host) {
                Ok(job) => {
                    jobs.push(job);
                    open.insert(host.name.clone(), host);
                }
                Err(failure) => known.push_back(HandedOver::Ended {
                    host: host.name.clone(),
                    answer: Err(failure),
                    elapsed: began.elapsed(),
                }),
            }
        }
        let stream = match jobs.is_empty() {
            true => None,
            // Without it every host is reached by SSH.
            false => connection.stream(&HandOut { run, jobs }).await.ok(),
        };
        Self { stream, open, known, began }
    }

    /// Whether there is more to come.
    pub(super) fn goes_on(&self) -> bool {
        !self.open.is_empty() || !self.known.is_empty()
    }

    /// What became of the next job; `None` after the last. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Option<HandedOver> {
        if let Some(known) = self.known.pop_front() {
            return Some(known);
        }
        while let Some(stream) = &mut self.stream {
            match stream.next().await {
                Ok(Step::Event(HandedOut { host, taken })) => {
                    let Some(known) = self.open.remove(&host) else { continue };
                    let answer = match taken {
                        Taken::Accepted(reply) => Ok(reply),
                        Taken::Refused(failure) => Err(failure),
                        Taken::Silent => return Some(HandedOver::Silent(known)),
                    };
                    let elapsed = self.began.elapsed();
                    return Some(HandedOver::Ended { host, answer, elapsed });
                }
                Ok(Step::Reply(_)) | Err(_) => self.stream = None,
            }
        }
        self.open.pop_first().map(|(_, host)| HandedOver::Silent(host))
    }
}

/// A host's own outcome in the words of a job.
pub(super) fn outcome(answer: Result<PeerReply, Failure>) -> Outcome {
    match answer {
        Ok(PeerReply { already_running: true, pid }) => {
            Outcome::Ok(format!("goes on, process {pid}"))
        }
        Ok(PeerReply { already_running: false, pid }) => {
            Outcome::Ok(format!("started, process {pid}"))
        }
        Err(failure) => Outcome::Failed(failure),
    }
}

/// As for peers: a tracker that was killed has so long to come back.
const LEASE: Duration = Duration::from_secs(300);
