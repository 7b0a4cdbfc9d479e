//! Recipes: goes through a script, act after act. What a step does on hosts is a task like any
//! other, or a command; who takes part shrinks as hosts fail.

mod command;
mod fleet;
mod gather;
mod look;
mod order;
mod own;
mod plan;
mod select;
mod standing;
mod start;
mod switch;
mod task;
mod transcript;
mod variables;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::SwitchKind;
use murder_protocol::{Blame, Failure, Tag};

use super::context::{Context, Stop};
use crate::exit::Exit;
use crate::fleet::{HostResult, Outcome};
use crate::inventory::Host;
use crate::recipe::{Act, Action, Body, RecipeError, Stage};
use crate::report::{Event, Refusal};
use crate::settings::{Mode, TaskName};
use fleet::Verdict;
use standing::{Standing, Switched};
use transcript::Transcript;
use walk::Walk;

pub(super) use start::{Call, holder_by_hand};

/// Why no further step is taken.
enum Halt {
    /// Ctrl-C.
    Stop(Stop),
    /// Hosts failed, more than may.
    Hosts,
    /// Something failed that is no peer's matter: the tracker, the seeder, the recipe.
    Blocked(Failure),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<RecipeError> for Halt {
    fn from(error: RecipeError) -> Self {
        Self::Blocked(Failure::new(Blame::Operator, Refusal::new(&error, None).message))
    }
}

/// A recipe that is being carried out.
struct Runner<'a> {
    context: &'a Context,
    walk: Walk<'a>,
    transcript: Transcript,
    /// The release that the run was given; empty if hosts have to find it.
    release: String,
    begun: Begun,
    switched: Switched,
    /// The release that hosts have proved to have, to go back to.
    proved: Option<Tag>,
    /// What is left of a failure is told and stops nothing.
    lenient: bool,
    /// The stage below whose heading steps are shown.
    heading: Option<Stage>,
}

/// What this run has started, or holds.
#[derive(Default)]
struct Begun {
    tracker: bool,
    /// What the seeder has that this run has started.
    seeder: Option<Tag>,
    /// Hosts on which an agent waits because of this run.
    agents: Vec<Arc<Host>>,
    /// How long those wait.
    agents_for: Duration,
    /// Hosts on which this run has put the release in its place.
    placed: BTreeSet<String>,
    /// Peers have got their part of a release, and nobody was told to switch to it.
    brought: bool,
    /// The word of chance of the lock, once it is held.
    lock: Option<String>,
}

impl Begun {
    fn words(&self) -> Vec<&'static str> {
        let all = [
            (self.tracker, "tracker"),
            (self.seeder.is_some(), "seeder"),
            (!self.agents.is_empty(), "agents"),
        ];
        all.into_iter().filter(|(begun, _)| *begun).map(|(_, word)| word).collect()
    }
}

/// Carries a recipe out. Each peer gets one result.
pub(super) async fn run(
    context: &Context,
    call: Call<'_>,
    name: &'static str,
) -> Result<Exit, Stop> {
    let task = TaskName::Recipe(name);
    let peers = context.cast.peers.clone();
    context.task_started(task, &peers);
    let Call { walk, release, began, secrets, plan: _ } = call;
    let named_after = if release.is_empty() { &began } else { &release };
    let transcript = Transcript::new(&walk.script.name, named_after, secrets);
    let script = walk.script;
    let mut runner = Runner {
        context,
        walk,
        transcript,
        release,
        begun: Begun::default(),
        switched: Switched::default(),
        proved: None,
        lenient: false,
        heading: None,
    };
    if context.settings.mode == Mode::Check {
        runner.walk.only_looks();
    }
    let end = runner.acts(&script.acts).await;
    let end = match end {
        Err(Halt::Stop(stop)) => {
            runner.say_where_it_stands();
            return Err(stop);
        }
        Ok(()) => Ok(()),
        Err(halt) => {
            runner.after_failure().await?;
            runner.say_what_a_retry_finds();
            runner.say_who_has_switched();
            Err(halt)
        }
    };
    runner.transcript.end(&context.reporter);
    let blocked = match end {
        Err(Halt::Blocked(failure)) => Some(failure),
        Ok(()) | Err(_) => None,
    };
    let stopped = blocked.is_some() || !runner.walk.fleet.may_go_on();
    let results = runner.walk.fleet.results(blocked.as_ref());
    for result in &results {
        context.reporter.emit(Event::HostEnded(result.clone()));
    }
    context.reporter.emit(Event::TaskEnded);
    Ok(exit(&results, stopped, context))
}

fn exit(results: &[HostResult], stopped: bool, context: &Context) -> Exit {
    let bad = results.iter().filter(|result| result.outcome.failure().is_some()).count();
    match (bad, stopped) {
        (0, true) => Exit::HostsFailed,
        (bad, _) => Exit::of(bad, results.len(), context.settings.max_fail),
    }
}

impl Runner<'_> {
    async fn acts(&mut self, acts: &[Act]) -> Result<(), Halt> {
        for act in acts {
            match act {
                Act::Enter(stage) => self.enter(*stage),
                Act::Leave(_) => {}
                Act::Do(action) => {
                    // A hook before a stage belongs to it and runs before it begins.
                    self.walk.variables.belong_to(action.stage);
                    self.step(action).await?;
                }
            }
        }
        Ok(())
    }

    async fn step(&mut self, action: &Action) -> Result<(), Halt> {
        if let Body::Task { name, with } = &action.step.body {
            self.hide_keys(action, name, with)?;
        }
        if self.context.settings.mode == Mode::Check {
            return self.look(action).await;
        }
        match &action.step.body {
            Body::Task { name, with } => self.task(action, name, with).await,
            Body::Run(run) => self.command(action, run).await,
            Body::Switch(switch) => self.switch(action, switch).await,
            // A script has none.
            Body::Stage { .. } => Ok(()),
        }
    }

    fn enter(&mut self, stage: Stage) {
        // The fleet has switched: what is left to do undoes nothing if it fails.
        self.lenient = matches!(stage, Stage::Finishing | Stage::Finished);
    }

    /// The stage of a step that somebody has to do, above the first of them.
    fn head(&mut self, action: &Action) {
        if self.heading == action.stage {
            return;
        }
        self.heading = action.stage;
        if let Some(stage) = action.stage {
            self.transcript.note(&format!("stage {stage}"));
            self.context.reporter.emit(Event::Note(format!("-- {stage}")));
        }
    }

    /// The hooks of `failed`. What fails among them is told. A run that never got the lock has
    /// begun nothing, and what it would clean up is somebody else's.
    async fn after_failure(&mut self) -> Result<(), Stop> {
        let script = self.walk.script;
        let never_began = self.begun.lock.is_none() && script.actions().any(task::locks);
        if never_began || script.failed.is_empty() {
            return Ok(());
        }
        self.lenient = true;
        self.walk.fleet.everybody();
        match self.acts(&script.failed).await {
            Err(Halt::Stop(stop)) => {
                self.say_where_it_stands();
                Err(stop)
            }
            Err(Halt::Blocked(failure)) => {
                self.context.reporter.emit(Event::Warning(failure.to_string()));
                Ok(())
            }
            Ok(()) | Err(Halt::Hosts) => Ok(()),
        }
    }

    /// Takes the results of one step in. With too many failures no further step is taken.
    fn take(&mut self, results: &[HostResult]) -> Result<(), Halt> {
        for result in results {
            let Some(failure) = result.outcome.failure() else { continue };
            self.transcript.note(&format!("{}: {failure}", result.host));
            if self.lenient {
                let text = format!("{}: {failure}", result.host);
                self.context.reporter.emit(Event::Warning(text));
            } else if !self.walk.fleet.lose(result) {
                // Tracker or seeder: nobody can go on without it.
                let message = format!("stopped, because of {}: {}", result.host, failure.message);
                return Err(Halt::Blocked(Failure { message, ..failure.clone() }));
            }
        }
        match self.walk.fleet.verdict() {
            Verdict::GoOn => Ok(()),
            Verdict::Halt if self.lenient => Ok(()),
            Verdict::Halt => Err(Halt::Hosts),
        }
    }

    /// Whether the switch is one back.
    fn kind(&self) -> SwitchKind {
        if self.proved.is_some() { SwitchKind::Rollback } else { SwitchKind::Deploy }
    }

    /// Hosts keep what they have fetched under the name of the release. Once somebody was told to
    /// switch, the name is used up.
    fn say_what_a_retry_finds(&self) {
        if self.begun.brought
            && let Ok(release) = self.release.parse()
        {
            self.context.reporter.emit(Event::Begun(release));
        }
    }

    /// After a failure, whose clean-up is over.
    fn say_who_has_switched(&self) {
        if self.walk.script.actions().any(switches) && self.context.settings.mode != Mode::Check {
            let text = self.standing().switch();
            self.context.reporter.emit(Event::Warning(text));
        }
    }

    /// After Ctrl-C, when nothing is cleaned up.
    fn say_where_it_stands(&self) {
        self.say_who_has_switched();
        let standing = self.standing();
        for text in [standing.goes_on(), standing.next()].into_iter().flatten() {
            self.context.reporter.emit(Event::Warning(text));
        }
        self.transcript.end(&self.context.reporter);
    }

    fn standing(&self) -> Standing<'_> {
        Standing {
            recipe: &self.walk.script.name,
            hosts: self.context.cast.peers.len(),
            release: self.proved.as_ref().map_or(&self.release, Tag::as_str),
            begun: &self.begun,
            switched: &self.switched,
            invocation: &self.context.settings.invocation,
        }
    }
}

fn switches(action: &Action) -> bool {
    matches!(action.step.body, Body::Switch(_))
}

/// A host's part that was not done, since others stopped the run.
fn not_reached() -> Outcome {
    Outcome::Skipped("stopped, since other hosts failed".into())
}
