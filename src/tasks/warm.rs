//! `warm` and `cool`: agents that wait on the peers, connected to the tracker; and how others hand
//! them jobs and orders through it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use murder_protocol::Failure;
use murder_protocol::verbs::{
    PeerReply, Verb, WarmExpect, WarmExpected, WarmForget, WarmReply, WarmStart, WarmStop,
};

use super::context::{Context, Stop, stopped};
use crate::fleet::{Done, Ended, Job, Outcome};
use crate::inventory::Host;
use crate::report::{Event, GoesOn, units};
use crate::settings::{TaskName, Warm};
use crate::ssh::{Connection, Step, Stream};

/// Lets an agent wait on each peer; returns once the tracker has let them in.
pub(super) async fn run(context: &Context, warm: Warm) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = context.cast.peers.clone();
    let ends = start_all(context, hosts, warm.span, Which::All).await?;
    Ok(ends.into_iter().map(without_value).collect())
}

/// Lets an agent wait on each of these hosts where none does. Gives each host's end, and the hosts
/// on which one waits because of this.
pub(super) async fn ensure(
    context: &Context,
    hosts: Vec<Arc<Host>>,
    span: Duration,
) -> Result<(Vec<Ended<()>>, Vec<Arc<Host>>), Stop> {
    let ends = start_all(context, hosts.clone(), span, Which::Missing).await?;
    let new = |end: &&Ended<Begun>| end.value == Some(Begun::Now);
    let new: BTreeSet<_> = ends.iter().filter(new).map(|end| end.result.host.clone()).collect();
    let warmed = hosts.into_iter().filter(|host| new.contains(&host.name)).collect();
    Ok((ends.into_iter().map(without_value).collect(), warmed))
}

/// On which hosts an agent is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// On all; one that waits already makes way.
    All,
    /// Where none waits.
    Missing,
}

/// Since when an agent waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    Before,
    Now,
}

fn without_value<T>(Ended { result, value }: Ended<T>) -> Ended<()> {
    Ended { result, value: value.map(drop) }
}

async fn start_all(
    context: &Context,
    hosts: Vec<Arc<Host>>,
    span: Duration,
    which: Which,
) -> Result<Vec<Ended<Begun>>, Stop> {
    let expected = tokio::select! {
        expected = expect(context, span, &hosts) => Arc::new(expected),
        () = context.interrupt.wait() => return Err(context.interrupted(GoesOn::Nothing)),
    };
    let waiting: BTreeSet<_> = match (which, expected.as_ref()) {
        (Which::Missing, Ok(expected)) => expected.waiting.iter().cloned().collect(),
        (Which::All, _) | (_, Err(_)) => BTreeSet::new(),
    };
    let place: BTreeMap<_, _> =
        hosts.iter().enumerate().map(|(place, host)| (host.name.clone(), place)).collect();
    context
        .on_hosts(TaskName::Warm, hosts, context.quick(), |host| {
            let (context, expected, place) = (context.clone(), expected.clone(), place[&host.name]);
            let waits = waiting.contains(&host.name);
            async move {
                if waits {
                    let detail = "an agent waits already".to_owned();
                    return Ok(Done { detail, value: Begun::Before });
                }
                start(&context, span, &host, place, &expected).await
            }
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
    span: Duration,
    hosts: &[Arc<Host>],
) -> Result<WarmExpected, Failure> {
    let connection = context.open_tracker().await?;
    let request = WarmExpect { hosts: names(hosts), seconds: span.as_secs() };
    context.ask_tracker(&connection, &request).await
}

async fn start(
    context: &Context,
    span: Duration,
    host: &Host,
    place: usize,
    expected: &Result<WarmExpected, Failure>,
) -> Job<Begun> {
    let WarmExpected { trackers, keys, .. } = expected.as_ref().map_err(Failure::clone)?;
    let request = WarmStart {
        host: host.name.clone(),
        trackers: trackers.clone(),
        announce_ip: host.announce_ip(),
        key: keys[place].clone(),
        seconds: span.as_secs(),
        lease_seconds: LEASE.as_secs(),
    };
    let WarmReply { renewed, pid } = context.call(host, &request).await?;
    let how = if renewed { "waits anew" } else { "waits" };
    let detail = format!("{how} for {}, process {pid}", units::whole_duration(span));
    Ok(Done { detail, value: Begun::Now })
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

/// Jobs or orders that agents which wait are given through the tracker, by a verb `V` that says of
/// each what became of it.
pub(super) struct HandingOut<V: Verb, T> {
    stream: Option<Stream<V>>,
    /// Whose event it is, and what its agent answered, if it did.
    read: Read<V, T>,
    /// Hosts of which nothing is known yet.
    open: BTreeMap<String, Arc<Host>>,
    /// What is known at once.
    known: VecDeque<HandedOver<T>>,
    began: Instant,
}

type Read<V, T> = fn(<V as Verb>::Event) -> (String, Option<Result<T, Failure>>);

/// What became of one job.
pub(super) enum HandedOver<T> {
    /// The agent took it, or refused.
    Ended {
        /// The inventory's name for the host.
        host: String,
        /// The agent's answer.
        answer: Result<T, Failure>,
        /// Since the jobs were handed out.
        elapsed: Duration,
    },
    /// Nobody took it; the host is to be reached by SSH.
    Silent(Arc<Host>),
}

impl<V: Verb, T> HandingOut<V, T> {
    /// Hands out the jobs of these hosts over a connection to the tracker. Without one, nobody
    /// takes any.
    pub(super) async fn begin<J>(
        connection: Option<&Connection>,
        hosts: Vec<Arc<Host>>,
        job: impl Fn(&Host) -> Result<J, Failure>,
        request: impl FnOnce(Vec<J>) -> V,
        read: Read<V, T>,
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
        let stream = match connection {
            // Without it every host is reached by SSH.
            Some(connection) if !jobs.is_empty() => connection.stream(&request(jobs)).await.ok(),
            _ => None,
        };
        Self { stream, read, open, known, began }
    }

    /// Whether there is more to come.
    pub(super) fn goes_on(&self) -> bool {
        !self.open.is_empty() || !self.known.is_empty()
    }

    /// Waits for no agent any longer.
    pub(super) fn give_up(&mut self) {
        self.stream = None;
    }

    /// What became of the next job; `None` after the last. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Option<HandedOver<T>> {
        if let Some(known) = self.known.pop_front() {
            return Some(known);
        }
        while let Some(stream) = &mut self.stream {
            match stream.next().await {
                Ok(Step::Event(event)) => {
                    let (host, answer) = (self.read)(event);
                    let Some(known) = self.open.remove(&host) else { continue };
                    let Some(answer) = answer else { return Some(HandedOver::Silent(known)) };
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
        Ok(PeerReply { already_running, pid: Some(pid) }) => {
            let how = if already_running { "goes on" } else { "started" };
            Outcome::Ok(format!("{how}, process {pid}"))
        }
        Ok(PeerReply { pid: None, .. }) => Outcome::Skipped(HAS_IT.into()),
        Err(failure) => Outcome::Failed(failure),
    }
}

/// What a host without a peer has instead.
const HAS_IT: &str = "the release is there already, with the same content";

/// As for peers: a tracker that was killed has so long to come back.
const LEASE: Duration = Duration::from_secs(300);
