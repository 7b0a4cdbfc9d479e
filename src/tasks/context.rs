//! What every task works with: who takes part, how hosts are reached, and where events go.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::Verb;
use murder_protocol::{Blame, Failure, Phase};

use super::interrupt::Interrupt;
use crate::agents::Agents;
use crate::fleet::{Done, Ended, FanOut, HostResult, Job, Limits, Outcome};
use crate::inventory::{Host, Inventory};
use crate::limit::Pattern;
use crate::report::{Event, GoesOn, Refusal, Reporter};
use crate::settings::{Settings, Task, TaskName};
use crate::ssh::{ConnectOptions, Connection, Connector, Stream, Unanswered, Unreachable};

/// Who does what in this run.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    /// Where agents meet.
    pub(super) tracker: Arc<Host>,
    /// Who has the files.
    pub(super) seeder: Arc<Host>,
    /// Who gets them, `--limit` applied, in the inventory's order.
    pub(super) peers: Vec<Arc<Host>>,
    /// Every host with a role that `--limit` names; without it all of them.
    pub(super) named: Vec<Arc<Host>>,
}

impl Cast {
    /// Applies `--limit`, which narrows the peers and never moves tracker or seeder. A pattern
    /// that names no peer is refused, unless the task is about whichever hosts it names.
    pub(super) fn of(
        inventory: &Inventory,
        limit: Option<&str>,
        task: &Task,
    ) -> Result<Self, Refusal> {
        let roles = &inventory.roles;
        let with_role: BTreeSet<usize> =
            [roles.tracker, roles.seeder].into_iter().chain(roles.peers.iter().copied()).collect();
        let (peers, named) = match limit {
            None => (roles.peers.clone(), with_role),
            Some(text) => {
                let (pattern, selected) = selected(inventory, text)?;
                let named: BTreeSet<usize> = selected.intersection(&with_role).copied().collect();
                let peers = match task {
                    Task::Status(_) | Task::Logs(_) | Task::Doctor(_) | Task::Uninstall => {
                        roles.peers.iter().copied().filter(|id| named.contains(id)).collect()
                    }
                    _ => pattern.peers(inventory).map_err(|error| Refusal::new(&error, None))?,
                };
                (peers, named)
            }
        };
        let share = |id: usize| Arc::new(inventory.hosts[id].clone());
        Ok(Self {
            tracker: share(roles.tracker),
            seeder: share(roles.seeder),
            peers: peers.into_iter().map(share).collect(),
            named: named.into_iter().map(share).collect(),
        })
    }

    /// Tracker, seeder and the peers of this run, each once.
    pub(super) fn all(&self) -> Vec<Arc<Host>> {
        each_once([&self.tracker, &self.seeder].into_iter().chain(&self.peers))
    }

    /// Every host that `--limit` names, and the tracker, each once.
    pub(super) fn named_and_tracker(&self) -> Vec<Arc<Host>> {
        each_once(self.named.iter().chain([&self.tracker]))
    }

    /// The seeder and the peers of this run, each once.
    pub(super) fn seeder_and_peers(&self) -> Vec<Arc<Host>> {
        each_once([&self.seeder].into_iter().chain(&self.peers))
    }
}

/// A limit, and the hosts that it names whatever their roles.
pub(super) fn selected(
    inventory: &Inventory,
    limit: &str,
) -> Result<(Pattern, BTreeSet<usize>), Refusal> {
    let refused = |error| Refusal::new(&error, None);
    let pattern = Pattern::parse(limit).map_err(refused)?;
    let hosts = pattern.select(inventory).map_err(refused)?;
    Ok((pattern, hosts))
}

fn each_once<'a>(hosts: impl Iterator<Item = &'a Arc<Host>>) -> Vec<Arc<Host>> {
    let mut seen = BTreeSet::new();
    hosts.filter(|host| seen.insert(host.name.clone())).cloned().collect()
}

/// Why a task ended before each of its hosts did.
#[derive(Debug)]
pub(super) enum Stop {
    /// Ctrl-C; the event was emitted.
    Interrupted,
}

/// Where the hosts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Wherever the inventory says.
    Fleet,
    /// In a folder of ours, and nothing of them outlives us.
    ThisMachine,
}

/// Every task's surroundings. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) settings: Arc<Settings>,
    pub(super) cast: Arc<Cast>,
    pub(super) reporter: Reporter,
    pub(super) agents: Arc<Agents>,
    pub(super) interrupt: Interrupt,
    place: Place,
    connector: Arc<Connector>,
}

impl Context {
    pub(super) fn new(
        settings: &Settings,
        cast: Cast,
        reporter: &Reporter,
        interrupt: Interrupt,
        place: Place,
    ) -> std::io::Result<Self> {
        let quick = settings.timeout.min(QUICK_VERB);
        let connector = Connector::new(ConnectOptions {
            timeout: CONNECT_TIMEOUT.min(quick.mul_f64(CONNECTING)),
            patience: quick.mul_f64(PATIENCE),
            forks: settings.forks,
            host_keys: settings.host_keys,
        })?;
        Ok(Self {
            settings: Arc::new(settings.clone()),
            cast: Arc::new(cast),
            reporter: reporter.clone(),
            agents: Arc::new(Agents::of_environment()),
            interrupt,
            place,
            connector: Arc::new(connector),
        })
    }

    /// The same for another task, on these peers.
    pub(super) fn with(&self, task: Task, peers: Vec<Arc<Host>>) -> Self {
        let settings = Settings { task, ..(*self.settings).clone() };
        let cast = Cast { named: peers.clone(), peers, ..(*self.cast).clone() };
        Self { settings: Arc::new(settings), cast: Arc::new(cast), ..self.clone() }
    }

    /// Asks a host for one thing, over a connection for it alone.
    pub(super) async fn call<V: Verb>(
        &self,
        host: &Host,
        request: &V,
    ) -> Result<V::Reply, Unanswered> {
        self.phase(host, Phase::Connecting);
        self.connector.call(host, request, || self.phase(host, Phase::Starting)).await
    }

    /// The same for a verb with events or further input.
    pub(super) async fn stream<V: Verb>(
        &self,
        host: &Host,
        request: &V,
    ) -> Result<Stream<V>, Unanswered> {
        self.phase(host, Phase::Connecting);
        self.connector.stream(host, request, || self.phase(host, Phase::Starting)).await
    }

    /// Reaches a host for several things.
    pub(super) async fn open(&self, host: &Host) -> Result<Connection, Unreachable> {
        self.phase(host, Phase::Connecting);
        let connection = self.connector.open(host).await?;
        self.phase(host, Phase::Starting);
        Ok(connection)
    }

    fn phase(&self, host: &Host, phase: Phase) {
        self.reporter.emit(Event::HostPhase { host: host.name.clone(), phase });
    }

    /// Reaches the tracker on behalf of another host, whose outcome a failure becomes.
    pub(super) async fn open_tracker(&self) -> Result<Connection, Failure> {
        let tracker = &self.cast.tracker;
        self.connector.open(tracker).await.map_err(|error| self.at_tracker(error.failure()))
    }

    /// Asks the tracker on behalf of another host.
    pub(super) async fn ask_tracker<V: Verb>(
        &self,
        connection: &Connection,
        request: &V,
    ) -> Result<V::Reply, Failure> {
        connection.call(request).await.map_err(|error| self.at_tracker(error.failure()))
    }

    /// Says that a failure is the tracker's.
    pub(super) fn at_tracker(&self, failure: Failure) -> Failure {
        let message = format!("tracker {}: {}", self.cast.tracker.name, failure.message);
        Failure { message, ..failure }
    }

    /// The window and the time for work on hosts.
    pub(super) fn limits(&self) -> Limits {
        Limits { forks: self.settings.forks, timeout: self.settings.timeout }
    }

    /// The same for verbs that answer at once.
    pub(super) fn quick(&self) -> Limits {
        Limits { timeout: self.settings.timeout.min(QUICK_VERB), ..self.limits() }
    }

    /// Does one thing on some hosts, as a task of its own: reports its begin, the end of each
    /// host, and its end.
    pub(super) async fn on_hosts<T, F, Fut>(
        &self,
        task: TaskName,
        hosts: Vec<Arc<Host>>,
        limits: Limits,
        job: F,
    ) -> Result<Vec<Ended<T>>, Stop>
    where
        T: Send + 'static,
        F: FnMut(Arc<Host>) -> Fut,
        Fut: Future<Output = Job<T>> + Send + 'static,
    {
        let ends = self.on_hosts_with_more(task, hosts, limits, job).await?;
        self.reporter.emit(Event::TaskEnded);
        Ok(ends)
    }

    /// The same for a task that has something to say before it reports its end.
    async fn on_hosts_with_more<T, F, Fut>(
        &self,
        task: TaskName,
        hosts: Vec<Arc<Host>>,
        limits: Limits,
        job: F,
    ) -> Result<Vec<Ended<T>>, Stop>
    where
        T: Send + 'static,
        F: FnMut(Arc<Host>) -> Fut,
        Fut: Future<Output = Job<T>> + Send + 'static,
    {
        self.task_started(task, &hosts);
        let reporter = self.reporter.clone();
        let each = |end: &Ended<T>| reporter.emit(Event::HostEnded(end.result.clone()));
        self.each_end(hosts, limits, job, each).await
    }

    /// Does one thing on some hosts, as a part of a task that reports for itself.
    pub(super) async fn gather<T, F, Fut>(
        &self,
        hosts: Vec<Arc<Host>>,
        limits: Limits,
        job: F,
    ) -> Result<Vec<Ended<T>>, Stop>
    where
        T: Send + 'static,
        F: FnMut(Arc<Host>) -> Fut,
        Fut: Future<Output = Job<T>> + Send + 'static,
    {
        self.each_end(hosts, limits, job, |_| ()).await
    }

    async fn each_end<T, F, Fut>(
        &self,
        hosts: Vec<Arc<Host>>,
        limits: Limits,
        job: F,
        mut each: impl FnMut(&Ended<T>),
    ) -> Result<Vec<Ended<T>>, Stop>
    where
        T: Send + 'static,
        F: FnMut(Arc<Host>) -> Fut,
        Fut: Future<Output = Job<T>> + Send + 'static,
    {
        let mut fan_out = FanOut::new(hosts, limits, job);
        let mut ends = Vec::new();
        loop {
            let end = tokio::select! {
                end = fan_out.next() => end,
                () = self.interrupt.wait() => return Err(self.interrupted(GoesOn::Begun)),
            };
            let Some(end) = end else { return Ok(ends) };
            each(&end);
            ends.push(end);
        }
    }

    /// Asks each of some hosts for the same thing.
    pub(super) async fn ask<V, T>(
        &self,
        task: TaskName,
        hosts: Vec<Arc<Host>>,
        request: impl Fn(&Host) -> V,
        read: impl Fn(V::Reply) -> Job<T> + Clone + Send + Sync + 'static,
    ) -> Result<Vec<Ended<T>>, Stop>
    where
        V: Verb + 'static,
        T: Send + 'static,
    {
        let ends = self.ask_with_more(task, hosts, request, read).await?;
        self.reporter.emit(Event::TaskEnded);
        Ok(ends)
    }

    /// The same for a task that has something to say before it reports its end.
    pub(super) async fn ask_with_more<V, T>(
        &self,
        task: TaskName,
        hosts: Vec<Arc<Host>>,
        request: impl Fn(&Host) -> V,
        read: impl Fn(V::Reply) -> Job<T> + Clone + Send + Sync + 'static,
    ) -> Result<Vec<Ended<T>>, Stop>
    where
        V: Verb + 'static,
        T: Send + 'static,
    {
        self.on_hosts_with_more(task, hosts, self.quick(), |host| {
            let (context, request, read) = (self.clone(), request(&host), read.clone());
            async move { read(context.call(&host, &request).await?) }
        })
        .await
    }

    pub(super) fn task_started(&self, task: TaskName, hosts: &[Arc<Host>]) {
        let hosts = hosts.iter().map(|host| host.name.clone()).collect();
        self.reporter.emit(Event::TaskStarted { task, hosts });
    }

    pub(super) fn host_ended(&self, host: &str, outcome: Outcome, elapsed: Duration) -> HostResult {
        let result = HostResult { host: host.to_owned(), outcome, elapsed };
        self.reporter.emit(Event::HostEnded(result.clone()));
        result
    }

    pub(super) fn interrupted(&self, goes_on: GoesOn) -> Stop {
        let goes_on = match self.place {
            Place::Fleet => goes_on,
            Place::ThisMachine => GoesOn::Nothing,
        };
        self.reporter.emit(Event::Interrupted(goes_on));
        Stop::Interrupted
    }
}

/// Words for verbs that stop things: what was stopped, or that there was nothing to stop.
pub(super) fn stopped(what: Vec<String>) -> Job<()> {
    match what.is_empty() {
        true => Err(Outcome::Skipped("nothing was running".into())),
        false => Ok(Done::with(format!("stopped {}", what.join(", ")))),
    }
}

/// A request that lacks something for one host.
pub(super) fn missing(what: &str) -> Failure {
    Failure::new(Blame::Operator, format!("no {what} is given for this host"))
        .hint(format!("type {what}=…, or set its default in the inventory"))
}

/// A host that does not answer by then is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// So much of its time a host may take to connect, and so much to let us in at last; then that is
/// what its failure says, and not only that its time was over.
const CONNECTING: f64 = 0.5;
const PATIENCE: f64 = 0.75;
/// The slowest of the verbs that only ask or stop: an agent that does not end is killed after a
/// while.
const QUICK_VERB: Duration = Duration::from_secs(180);
