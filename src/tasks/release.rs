//! Orders about releases through the agents that wait, and the word on which all of them switch.

use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::{
    HostOrder, MissingHost, OrderEnd, Release, ReleaseDone, ReleaseOrder, ReleaseOut,
    ReleaseSwitch, ReleasedOut, SwitchOrder, SwitchOut, SwitchOutReply,
};
use murder_protocol::{Failure, Tag};

use super::context::{Context, Stop};
use super::follow::{More, Outcomes, no_word};
use super::warm::{self, HandedOver, HandingOut};
use super::watch::Watcher;
use crate::fleet::{Done, Ended, FanOut, HostResult, Job, Outcome};
use crate::inventory::{self, Host};
use crate::report::{Event, GoesOn};
use crate::settings::TaskName;
use crate::ssh::CallError;

/// Lets an agent wait on each of these hosts where none does; returns once the tracker has let
/// them in. Gives each host's end, and the hosts on which one waits because of this.
pub(super) async fn ensure_warm(
    context: &Context,
    hosts: Vec<Arc<Host>>,
    span: Duration,
) -> Result<(Vec<Ended<()>>, Vec<Arc<Host>>), Stop> {
    warm::ensure(context, hosts, span).await
}

/// Has each host do something with its releases: through the agent that waits there, and where
/// none does by SSH.
pub(super) async fn orders(
    context: &Context,
    task: TaskName,
    hosts: Vec<Arc<Host>>,
    order: impl Fn(&Host) -> Result<ReleaseOrder, Failure>,
) -> Result<Vec<Ended<ReleaseDone>>, Stop> {
    context.task_started(task, &hosts);
    let seconds = context.quick().timeout;
    let host_order = |host: &Host| Ok(HostOrder { host: host.name.clone(), order: order(host)? });
    let request = |orders| ReleaseOut { orders, seconds: seconds.as_secs() };
    let beginning = async {
        let connection = context.open_tracker().await.ok();
        HandingOut::begin(connection.as_ref(), hosts, host_order, request, released).await
    };
    let mut warm = tokio::select! {
        warm = beginning => warm,
        () = context.interrupt.wait() => return Err(context.interrupted(GoesOn::Begun)),
    };
    let mut cold = FanOut::new([], context.quick(), |host: Arc<Host>| {
        let (context, order) = (context.clone(), order(&host));
        async move { by_ssh(&context, &host, order?).await }
    });
    let deadline = tokio::time::sleep(seconds + LAST_WORD);
    tokio::pin!(deadline);
    let (mut ends, mut going) = (Vec::new(), false);
    while going || warm.goes_on() {
        let end = tokio::select! {
            end = cold.next(), if going => match end {
                Some(end) => end,
                None => { going = false; continue }
            },
            Some(end) = warm.next(), if warm.goes_on() => match end {
                HandedOver::Ended { host, answer, elapsed } => ended(host, answer, elapsed),
                HandedOver::Silent(host) => { cold.add(host); going = true; continue }
            },
            () = &mut deadline, if warm.goes_on() => { warm.give_up(); continue }
            () = context.interrupt.wait() => return Err(context.interrupted(GoesOn::Begun)),
        };
        context.reporter.emit(Event::HostEnded(end.result.clone()));
        ends.push(end);
    }
    context.reporter.emit(Event::TaskEnded);
    Ok(ends)
}

/// What an agent that waits did with its order, unless it was silent.
fn released(
    ReleasedOut { host, end }: ReleasedOut,
) -> (String, Option<Result<ReleaseDone, Failure>>) {
    let answer = match end {
        OrderEnd::Done(done) => Some(Ok(done)),
        OrderEnd::Refused(failure) => Some(Err(failure)),
        OrderEnd::Silent => None,
    };
    (host, answer)
}

async fn by_ssh(context: &Context, host: &Host, order: ReleaseOrder) -> Job<ReleaseDone> {
    let value = context.call(host, &Release { order }).await?;
    Ok(Done { detail: detail(&value), value })
}

fn ended(
    host: String,
    answer: Result<ReleaseDone, Failure>,
    elapsed: Duration,
) -> Ended<ReleaseDone> {
    let (outcome, value) = match answer {
        Ok(done) => (Outcome::Ok(detail(&done)), Some(done)),
        Err(failure) => (Outcome::Failed(failure), None),
    };
    Ended { result: HostResult { host, outcome, elapsed }, value }
}

fn detail(done: &ReleaseDone) -> String {
    done.did.join(", ")
}

/// Gives the word on which every host switches, and follows what becomes of it. Unless each of
/// them can be given its order, none is; and none if there are more than `may_miss` on which no
/// agent waits.
pub(super) async fn switch(
    context: &Context,
    task: TaskName,
    release: &Tag,
    may_miss: usize,
    hosts: Vec<Arc<Host>>,
    order: impl Fn(&Host) -> Result<ReleaseSwitch, Failure>,
) -> Result<Word, Stop> {
    context.task_started(task, &hosts);
    let mut outcomes = Outcomes::of(&context.reporter, hosts.iter().map(|host| host.name.clone()));
    let orders = hosts.iter().map(|host| {
        let name = host.name.clone();
        (name.clone(), order(host).map(|switch| SwitchOrder { host: name, switch }))
    });
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (host, order) in orders {
        match order {
            Ok(order) => good.push(order),
            Err(failure) => bad.push((host, failure)),
        }
    }
    let word = if bad.is_empty() {
        let request = SwitchOut { release: release.clone(), may_miss, orders: good };
        give_the_word(context, &request, &mut outcomes).await?
    } else {
        withhold(bad, &good, &mut outcomes);
        Word::Withheld
    };
    context.reporter.emit(Event::TaskEnded);
    Ok(word(outcomes.results()))
}

/// What became of the word to switch, and of each host.
pub(super) enum Word {
    /// It went out, or may have.
    Given(Vec<HostResult>),
    /// Nobody was told.
    Withheld(Vec<HostResult>),
}

/// Nobody is told, because of some hosts.
fn withhold(because: Vec<(String, Failure)>, orders: &[SwitchOrder], outcomes: &mut Outcomes<'_>) {
    for (host, failure) in because {
        outcomes.end(&host, Outcome::Failed(failure), Duration::ZERO);
    }
    for SwitchOrder { host, .. } in orders {
        let why = "not told to switch, since others could not be".to_owned();
        outcomes.end(host, Outcome::Skipped(why), Duration::ZERO);
    }
}

async fn give_the_word(
    context: &Context,
    request: &SwitchOut,
    outcomes: &mut Outcomes<'_>,
) -> Result<fn(Vec<HostResult>) -> Word, Stop> {
    let connection = tokio::select! {
        connection = context.open_tracker() => connection,
        () = context.interrupt.wait() => return Err(context.interrupted(GoesOn::Nothing)),
    };
    let connection = match connection {
        Ok(connection) => connection,
        Err(failure) => {
            outcomes.end_all(&failure);
            return Ok(Word::Withheld);
        }
    };
    // From here on it can't be taken back.
    let goes_on = || context.interrupted(GoesOn::Switch(request.release.clone()));
    let told = tokio::select! {
        told = connection.call(request) => told,
        () = context.interrupt.wait() => return Err(goes_on()),
    };
    let run = match told {
        Ok(SwitchOutReply::Told(run)) => run,
        Ok(SwitchOutReply::Withheld(missing)) => {
            context.reporter.emit(Event::Warning(nobody_told(&missing, request)));
            let because = missing.into_iter().map(|MissingHost { host, failure }| (host, failure));
            withhold(because.collect(), &request.orders, outcomes);
            return Ok(Word::Withheld);
        }
        Err(error) => {
            let failure = context.at_tracker(error.failure());
            if matches!(error, CallError::Refused(_) | CallError::NoAgent(_)) {
                outcomes.end_all(&failure);
                return Ok(Word::Withheld);
            }
            let message =
                format!("it is not known whether the hosts were told: {}", failure.message);
            let failure = Failure::new(failure.blame, message);
            outcomes.end_all(&failure.hint("murder releases tells who has switched"));
            return Ok(Word::Given);
        }
    };
    let mut watcher = Watcher::start(context.clone(), connection, run);
    let deadline = tokio::time::sleep(LONGEST_SWITCH);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            news = watcher.next() => match news {
                Some(news) => if outcomes.take(news) == More::No { return Ok(Word::Given) },
                None => break,
            },
            () = &mut deadline => break,
            () = context.interrupt.wait() => return Err(goes_on()),
        }
    }
    outcomes.end_all(&no_word());
    Ok(Word::Given)
}

/// Why the tracker has told nobody.
fn nobody_told(missing: &[MissingHost], request: &SwitchOut) -> String {
    let names = missing.iter().map(|missing| missing.host.as_str());
    let (all, may_miss) = (request.orders.len(), request.may_miss);
    format!(
        "nobody of these {all} was told to switch: no agent waits on {}, and {} may be missing",
        inventory::fold(names, MOST_NAMES),
        if may_miss == 0 { "none".to_owned() } else { format!("only {may_miss}") },
    )
}

/// Hosts that are named before the rest is only counted.
const MOST_NAMES: usize = 8;
/// The tracker gives up an agent that is silent; this long after that we stop waiting for it.
const LAST_WORD: Duration = Duration::from_secs(20);
/// The tracker ends each host within a minute. One that was killed may be started again by hand.
const LONGEST_SWITCH: Duration = Duration::from_secs(240);
