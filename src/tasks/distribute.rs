//! `distribute`: the whole job in a row. What is already so is left out; what it starts, it stops.

use std::collections::BTreeMap;
use std::time::Instant;

use murder_protocol::verbs::{Role, Status, Which};
use murder_protocol::{Blame, Failure};

use super::context::{Context, Stop};
use super::{distribute_files, peer, seeding, torrent, tracker};
use crate::fleet::{HostResult, Outcome};
use crate::report::Event;
use crate::settings::{Distribute, Tagged, TaskName};

/// Runs it.
pub(super) async fn run(
    context: &Context,
    distribute: &Distribute,
) -> Result<Vec<HostResult>, Stop> {
    let began = Instant::now();
    let all = context.cast.all();
    context.task_started(TaskName::Distribute, &all);
    let mut job = Job {
        context,
        distribute,
        results: BTreeMap::new(),
        started_tracker: Started::No,
        started_seeder: Started::No,
    };
    let blocked = match job.steps().await {
        Ok(()) => None,
        Err(Trouble::Stop(stop)) => {
            job.say_what_goes_on();
            return Err(stop);
        }
        Err(Trouble::Blocked(failure)) => Some(failure),
    };
    job.tidy_up().await.inspect_err(|_| job.say_what_goes_on())?;
    let mut results = job.results;
    let ends = all
        .iter()
        .map(|host| {
            let outcome = results.remove(&host.name).unwrap_or_else(|| match &blocked {
                Some(failure) => Outcome::Failed(failure.clone()),
                None => Outcome::Ok(String::new()),
            });
            context.host_ended(&host.name, outcome, began.elapsed())
        })
        .collect();
    context.reporter.emit(Event::TaskEnded);
    Ok(ends)
}

struct Job<'a> {
    context: &'a Context,
    distribute: &'a Distribute,
    /// How hosts ended whose part is over.
    results: BTreeMap<String, Outcome>,
    started_tracker: Started,
    started_seeder: Started,
}

/// Whether a role runs because of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Started {
    ByUs,
    No,
}

/// Why a step is the last one.
enum Trouble {
    Stop(Stop),
    /// Tracker or seeder failed, so no peer can get anything.
    Blocked(Failure),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl Job<'_> {
    async fn steps(&mut self) -> Result<(), Trouble> {
        let context = self.context;
        let tagged = self.tagged();
        for end in distribute_files::run(context).await? {
            if end.result.outcome.failure().is_some() {
                self.results.insert(end.result.host, end.result.outcome);
            }
        }
        for host in [&context.cast.tracker, &context.cast.seeder] {
            let failure = self.results.get(&host.name).and_then(Outcome::failure);
            if let Some(failure) = failure {
                return Err(Trouble::Blocked(not_begun(&host.name, failure)));
            }
        }
        let ends = tracker::start(context).await?;
        self.started_tracker = self.check(ends.into_iter().map(|end| end.result))?;
        if self.is_being_seeded().await {
            let text = format!("{} is being seeded already, so it is not packed again", tagged.tag);
            context.reporter.emit(Event::Note(text));
        } else {
            let ends = torrent::create(context, &self.distribute.create).await?;
            self.check(ends.into_iter().map(|end| end.result))?;
        }
        let ends = seeding::start(context, &tagged).await?;
        self.started_seeder = self.check(ends.into_iter().map(|end| end.result))?;
        let peers = context.cast.peers.iter();
        let ready = peers.filter(|host| !self.results.contains_key(&host.name)).cloned();
        let ready = ready.collect();
        for result in peer::run(context, &self.distribute.peer, ready).await? {
            self.results.insert(result.host, result.outcome);
        }
        Ok(())
    }

    /// Stops what was started here. The trees are in place by then, so a failure to stop is told
    /// and changes no host's outcome.
    async fn tidy_up(&self) -> Result<(), Stop> {
        let mut ends = Vec::new();
        if self.started_seeder == Started::ByUs {
            let which = Which::Tag(self.distribute.peer.tag.clone());
            ends.extend(seeding::stop(self.context, TaskName::StopSeeding, which).await?);
        }
        if self.started_tracker == Started::ByUs {
            ends.extend(tracker::stop(self.context).await?);
        }
        for end in ends {
            if let Some(failure) = end.result.outcome.failure() {
                let text = format!("{}: not stopped: {failure}", end.result.host);
                self.context.reporter.emit(Event::Warning(text));
            }
        }
        Ok(())
    }

    /// The peers need them, and whoever interrupts doesn't want to wait.
    fn say_what_goes_on(&self) {
        let tag = format!("tag={}", self.distribute.peer.tag);
        let running = [
            (self.started_seeder, "seeder", &["stop_seeding", &tag][..]),
            (self.started_tracker, "tracker", &["stop_tracker"]),
        ];
        for (_, role, stop) in running.iter().filter(|(started, ..)| *started == Started::ByUs) {
            let stop = self.context.settings.invocation.other(stop);
            let text = format!("the {role} that this started goes on; stop it with {stop}");
            self.context.reporter.emit(Event::Warning(text));
        }
    }

    /// A step of one host: its failure blocks all; otherwise whether it started something.
    fn check(&mut self, results: impl IntoIterator<Item = HostResult>) -> Result<Started, Trouble> {
        let mut started = Started::No;
        for result in results {
            if let Some(failure) = result.outcome.failure() {
                let blocked = not_begun(&result.host, failure);
                self.results.insert(result.host, result.outcome);
                return Err(Trouble::Blocked(blocked));
            }
            if matches!(result.outcome, Outcome::Ok(_)) {
                started = Started::ByUs;
            }
        }
        Ok(started)
    }

    async fn is_being_seeded(&self) -> bool {
        let tag = self.distribute.create.tag.clone();
        let request = Status { tag: Some(tag.clone()) };
        self.context.call(&self.context.cast.seeder, &request).await.is_ok_and(|reply| {
            let seeds = |role: &murder_protocol::verbs::RoleStatus| {
                role.role == Role::Seeder && role.pid.is_some() && role.tag.as_ref() == Some(&tag)
            };
            reply.roles.iter().any(seeds)
        })
    }

    fn tagged(&self) -> Tagged {
        let create = &self.distribute.create;
        Tagged { tag: create.tag.clone(), temp_path: create.temp_path.clone() }
    }
}

fn not_begun(host: &str, failure: &Failure) -> Failure {
    let message = format!("not begun, because of {host}: {}", failure.message);
    let failure = Failure { message, ..failure.clone() };
    match failure.blame {
        Blame::Bug => failure,
        _ => Failure { blame: Blame::Host, ..failure },
    }
}
