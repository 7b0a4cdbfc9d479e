//! A step that runs a command on hosts: how many at once, what they print, and how each ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::{ExecEnd, ExecEvent, OutputStream};
use murder_protocol::{Blame, Failure};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::super::context::Context;
use super::gather::Gather;
use super::order::Order;
use super::{Halt, Runner, not_reached};
use crate::fleet::{Done, Ended, FanOut, HostResult, Job, Limits, Outcome};
use crate::inventory::Host;
use crate::recipe::{Action, GroupSize, Groups, Mode, Run};
use crate::report::{Event, GoesOn, units};
use crate::settings::TaskName;
use crate::ssh::{Step as Heard, Unanswered};

/// What a host printed.
struct Said {
    host: String,
    event: ExecEvent,
}

impl Runner<'_> {
    pub(super) async fn command(&mut self, action: &Action, run: &Run) -> Result<(), Halt> {
        self.command_on(action, run, |_| true).await
    }

    /// The same on some of the step's hosts.
    pub(super) async fn command_on(
        &mut self,
        action: &Action,
        run: &Run,
        takes_part: impl Fn(&Host) -> bool,
    ) -> Result<(), Halt> {
        let part = self.walk.of_command(action, run)?;
        let orders = part.render(|scope| self.walk.order(action, run, scope))?;
        let mut hosts = part.hosts();
        hosts.retain(|host| takes_part(host));
        let Some(first) = hosts.first() else { return Ok(()) };
        let orders: Orders =
            orders.into_iter().map(|(host, order)| (host.name.clone(), order)).collect();
        let name = title(&first.name, &hosts, &orders);
        self.head(action);
        self.transcript.note(&format!("run {name}"));
        self.context.reporter.emit(Event::Note(format!("run {name}")));
        self.context.task_started(TaskName::Run, &hosts);
        let mut left: BTreeSet<String> = hosts.iter().map(|host| host.name.clone()).collect();
        let end = self.one_after_another(action, run, hosts, &orders, &mut left).await;
        if matches!(end, Err(Halt::Stop(_))) {
            return end;
        }
        for host in left {
            let result = HostResult { host, outcome: not_reached(), elapsed: Duration::ZERO };
            self.context.reporter.emit(Event::HostEnded(result));
        }
        self.context.reporter.emit(Event::TaskEnded);
        end
    }

    /// The groups of hosts, until too many hosts have failed. Who had a turn is `left` no more.
    async fn one_after_another(
        &mut self,
        action: &Action,
        run: &Run,
        hosts: Vec<Arc<Host>>,
        orders: &Orders,
        left: &mut BTreeSet<String>,
    ) -> Result<(), Halt> {
        let (groups, wait) = match &run.mode {
            Mode::Parallel => (vec![hosts], Duration::ZERO),
            Mode::Sequence => (hosts.into_iter().map(|host| vec![host]).collect(), Duration::ZERO),
            Mode::Groups(groups) => (in_groups(hosts, groups.size), groups.wait),
        };
        let forks = match &run.mode {
            Mode::Groups(Groups { limit: Some(limit), .. }) => *limit as usize,
            _ => self.context.settings.forks,
        };
        for (at, group) in groups.into_iter().enumerate() {
            if at > 0 && !wait.is_zero() {
                self.pause(wait).await?;
            }
            let timeout = run.timeout.unwrap_or(self.context.settings.timeout);
            let tries = run.retries.saturating_add(1);
            let limits = Limits { forks, timeout: timeout * tries + CONNECTING };
            let ends = self.together(action, group, orders, run.retries, limits).await?;
            if let (Some(name), Some(end)) = (&run.register, ends.first()) {
                self.keep(action, name, end);
            }
            let results: Vec<_> = ends.into_iter().map(|end| end.result).collect();
            for result in &results {
                left.remove(&result.host);
            }
            self.walk.fleet.took(&results);
            self.take(&results)?;
        }
        Ok(())
    }

    /// Waits, unless somebody presses Ctrl-C.
    pub(super) async fn pause(&self, span: Duration) -> Result<(), Halt> {
        tokio::select! {
            () = sleep(span) => Ok(()),
            () = self.context.interrupt.wait() => {
                Err(Halt::Stop(self.context.interrupted(GoesOn::Nothing)))
            }
        }
    }

    async fn together(
        &mut self,
        action: &Action,
        hosts: Vec<Arc<Host>>,
        orders: &Orders,
        retries: u32,
        limits: Limits,
    ) -> Result<Vec<Ended<Vec<String>>>, Halt> {
        let context = self.context;
        let (said, mut heard) = mpsc::unbounded_channel();
        let mut window = FanOut::new(hosts, limits, |host: Arc<Host>| {
            let (context, order) = (context.clone(), Arc::clone(&orders[&host.name]));
            let said = said.clone();
            async move { persist(&context, &host, &order, retries, &said).await }
        });
        let mut gather = Gather::default();
        let mut show = interval(SHOW);
        show.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ends = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = context.interrupt.wait() => {
                    return Err(Halt::Stop(context.interrupted(GoesOn::Begun)));
                }
                Some(said) = heard.recv() => self.hear(said, &mut gather, action),
                end = window.next() => {
                    let Some(end) = end else { break };
                    while let Ok(said) = heard.try_recv() {
                        self.hear(said, &mut gather, action);
                    }
                    context.reporter.emit(Event::HostEnded(end.result.clone()));
                    ends.push(end);
                }
                _ = show.tick() => self.show(&mut gather),
            }
        }
        self.show(&mut gather);
        Ok(ends)
    }

    fn hear(&self, said: Said, gather: &mut Gather, action: &Action) {
        if action.no_log {
            return;
        }
        let Said { host, event: ExecEvent { stream, lines } } = said;
        self.transcript.printed(&host, stream, &lines);
        gather.push(&host, stream, lines);
    }

    fn show(&self, gather: &mut Gather) {
        for printed in gather.take() {
            let (hosts, stream, lines) = (printed.hosts, printed.stream, printed.lines);
            self.context.reporter.emit(Event::Output { hosts, stream, lines });
        }
    }

    /// What a command printed is a variable from now on; a secret one if nothing of it is shown.
    fn keep(&mut self, action: &Action, name: &str, end: &Ended<Vec<String>>) {
        let Some(lines) = &end.value else { return };
        let value = lines.join("\n").trim_end().to_owned();
        if action.no_log || self.walk.script.no_log.contains_key(name) {
            self.context.reporter.secrets().add(&value);
        }
        self.walk.variables.register(name, &value);
    }
}

/// Hosts in groups, in their order. A part is of all of them, and at least one host.
pub(super) fn in_groups(hosts: Vec<Arc<Host>>, size: GroupSize) -> Vec<Vec<Arc<Host>>> {
    let size = match size {
        GroupSize::Hosts(hosts) => hosts as usize,
        GroupSize::Part(part) => {
            (0..=hosts.len()).rfind(|n| part.covers(*n, hosts.len())).unwrap_or(1)
        }
    };
    hosts.chunks(size.max(1)).map(<[_]>::to_vec).collect()
}

/// Runs a command on one host, again where it fails.
async fn persist(
    context: &Context,
    host: &Arc<Host>,
    order: &Order,
    retries: u32,
    said: &mpsc::UnboundedSender<Said>,
) -> Job<Vec<String>> {
    let mut left = retries;
    loop {
        let job = once(context, host, order, said).await;
        match job {
            Err(Outcome::Failed(failure)) if left > 0 => {
                left -= 1;
                let text = format!("tried again, {left} more times if need be: {failure}");
                context.reporter.emit(Event::Step { host: host.name.clone(), text });
                sleep(BETWEEN_TRIES).await;
            }
            job => return job,
        }
    }
}

async fn once(
    context: &Context,
    host: &Arc<Host>,
    order: &Order,
    said: &mpsc::UnboundedSender<Said>,
) -> Job<Vec<String>> {
    let unsaid = |error: Unanswered| unsaid(order, error.into());
    let mut stream = context.stream(host, &order.exec).await.map_err(unsaid)?;
    let (mut out, mut last) = (Vec::new(), Vec::new());
    let end = loop {
        match stream.next().await.map_err(|error| unsaid(error.into()))? {
            Heard::Event(event) => {
                if event.stream == OutputStream::Out {
                    out.extend(event.lines.iter().cloned());
                }
                last.extend(event.lines.iter().cloned());
                last.drain(..last.len().saturating_sub(LAST_LINES));
                // Whoever listens has gone only when all of it is over.
                let _ = said.send(Said { host: host.name.clone(), event });
            }
            Heard::Reply(reply) => break reply.end,
        }
    };
    match end {
        ExecEnd::Status(0) => Ok(Done { detail: String::new(), value: out }),
        end => {
            let how = match end {
                ExecEnd::Status(status) => format!("ended with exit status {status}"),
                ExecEnd::Signal(signal) => format!("was ended by signal {signal}"),
                ExecEnd::TimedOut => "took too long and was ended".to_owned(),
            };
            let mut text = format!("{} {how}", order.command());
            if !order.no_log && !last.is_empty() {
                text = format!("{text}: {}", last.join(" / "));
            }
            Err(Outcome::Failed(Failure::new(Blame::Host, text)))
        }
    }
}

/// Why a command could not be run, which may be told in its own words.
fn unsaid(order: &Order, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failed(failure) if order.no_log && failure.blame != Blame::Network => {
            let message = format!("{} could not be run", order.command());
            Outcome::Failed(Failure { message, ..failure })
        }
        outcome => outcome,
    }
}

/// What is said of a command before it is run: how the first of the hosts has it.
fn title(first: &str, hosts: &[Arc<Host>], orders: &Orders) -> String {
    let title = orders[first].title();
    let differs = |host: &&Arc<Host>| orders[&host.name].title() != title;
    match hosts.iter().filter(differs).count() {
        0 => title,
        others => format!("{title} on {first}, and likewise on {}", units::hosts(others)),
    }
}

/// Commands by the host's name.
type Orders = BTreeMap<String, Arc<Order>>;

/// What a host's failure is shown with.
const LAST_LINES: usize = 5;
/// Hosts that print the same within this time are shown together.
const SHOW: Duration = Duration::from_millis(300);
/// A service that is just starting is given a moment.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// Reaching the host, and ending what does not want to end, comes on top of a command's own time.
const CONNECTING: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;

    fn sizes(hosts: usize, size: GroupSize) -> Vec<usize> {
        let names: String = (0..hosts).map(|n| format!("web{n}\n")).collect();
        let hosts = Inventory::parse(names.as_bytes(), "hosts", &[]).unwrap().hosts;
        let hosts = hosts.into_iter().map(Arc::new).collect();
        in_groups(hosts, size).iter().map(Vec::len).collect()
    }

    #[test]
    fn hosts_are_split_into_groups_of_a_number_or_a_part() {
        assert_eq!(sizes(5, GroupSize::Hosts(2)), [2, 2, 1]);
        assert_eq!(sizes(8, GroupSize::Part("25%".parse().unwrap())), [2, 2, 2, 2]);
        assert_eq!(sizes(3, GroupSize::Part("1%".parse().unwrap())), [1, 1, 1]);
        assert_eq!(sizes(3, GroupSize::Part("100%".parse().unwrap())), [3]);
    }
}
