//! A step that is a built-in task. It is carried out as if it had been typed.

use std::sync::Arc;

use murder_protocol::verbs::LockHolder;
use murder_protocol::{Blame, Failure};

use super::super::{carry_out, release, releases, warm};
use super::walk::Wanted;
use super::{Halt, Runner};
use crate::cli::TaskSpec;
use crate::fleet::{Ended, HostResult, Outcome};
use crate::inventory::Host;
use crate::recipe::{Action, RecipeError, With};
use crate::report::Event;
use crate::settings::{ReleaseTask, ReleaseWhat, Task, TaskName};

impl Runner<'_> {
    pub(super) async fn task(
        &mut self,
        action: &Action,
        name: &str,
        with: &[With],
    ) -> Result<(), Halt> {
        let Some(spec) = TaskSpec::find(name) else { return Ok(()) };
        let part = self.walk.of_task(action, spec)?;
        for Wanted { task, hosts } in self.walk.tasks(action, spec, with, &part)? {
            self.head(action);
            self.transcript.note(&format!("task {name}"));
            let results = self.carry_out(task, hosts).await?;
            self.walk.fleet.took(&results);
            self.take(&results)?;
        }
        Ok(())
    }

    /// Hides the keys of a task that has no_log. The task itself knows of no secrets, and names its
    /// keys in what it says.
    pub(super) fn hide_keys(
        &self,
        action: &Action,
        name: &str,
        with: &[With],
    ) -> Result<(), RecipeError> {
        let Some(spec) = TaskSpec::find(name).filter(|_| action.no_log) else { return Ok(()) };
        let part = self.walk.of_task(action, spec)?;
        for (_, keys) in part.render(|scope| self.walk.keys(with, scope))? {
            keys.iter().for_each(|(_, value)| self.context.reporter.secrets().add(value));
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        task: Task,
        hosts: Vec<Arc<Host>>,
    ) -> Result<Vec<HostResult>, Halt> {
        let context = self.context.with(task.clone(), hosts.clone());
        let results = match task {
            Task::Warm(wanted) => {
                let (ends, agents) = release::ensure_warm(&context, hosts, wanted.span).await?;
                self.begun.agents.extend(agents);
                self.begun.agents_for = wanted.span;
                results(ends)
            }
            Task::Cool => {
                let context = self.context.with(Task::Cool, self.begun.agents.clone());
                let ends = warm::cool(&context).await?;
                self.begun.agents.clear();
                results(ends)
            }
            Task::Release(task) if task.what == ReleaseWhat::Lock => {
                let holder = self.holder();
                let chance = holder.chance.clone();
                let ends = releases::lock(&context, &task, holder).await?;
                if ends.iter().all(|end| end.value.is_some()) {
                    self.begun.lock = Some(chance);
                }
                results(ends)
            }
            // What somebody else holds is not this run's to give back.
            Task::Release(task) if task.what == ReleaseWhat::Unlock => {
                let own = self.walk.script.actions().any(locks);
                let chance = self.begun.lock.clone();
                if own && chance.is_none() {
                    return Ok(Vec::new());
                }
                let results = results(releases::unlock(&context, &task, chance).await?);
                self.begun.lock = None;
                if !own {
                    self.tell(&results);
                }
                results
            }
            // A release that was there before is no evidence of this run.
            Task::Release(task)
                if task.what == ReleaseWhat::SetAside && self.walk.script.actions().any(places) =>
            {
                let mut hosts = hosts;
                hosts.retain(|host| self.begun.placed.contains(&host.name));
                if hosts.is_empty() {
                    return Ok(Vec::new());
                }
                carry_out(&self.context.with(Task::Release(task), hosts)).await?
            }
            Task::Release(task) if task.what == ReleaseWhat::Prove => {
                self.prove(&context, &task).await?
            }
            _ => carry_out(&context).await?,
        };
        let done = |result: &HostResult| matches!(result.outcome, Outcome::Ok(_));
        match &context.settings.task {
            Task::Peer(_) => {
                let done = results.iter().filter(|result| done(result));
                self.begun.brought = true;
                self.begun.placed.extend(done.map(|result| result.host.clone()));
            }
            Task::StartTracker => self.begun.tracker |= results.iter().any(done),
            Task::StopTracker => self.begun.tracker = false,
            Task::StartSeeding(tagged) if results.iter().any(done) => {
                self.begun.seeder = Some(tagged.tag.clone());
            }
            Task::StopSeeding(_) => self.begun.seeder = None,
            _ => {}
        }
        self.walk.variables.started(&self.begun.words());
        Ok(results)
    }

    /// What came of a step that is all that somebody asked for.
    fn tell(&self, results: &[HostResult]) {
        for result in results {
            if let Outcome::Ok(text) | Outcome::Skipped(text) = &result.outcome {
                self.context.reporter.emit(Event::Note(text.clone()));
            }
        }
    }

    /// Each host proves that it has the release; without a name they have to agree on which one
    /// was current before.
    async fn prove(
        &mut self,
        context: &super::Context,
        task: &ReleaseTask,
    ) -> Result<Vec<HostResult>, Halt> {
        let ends = releases::run(context, task).await?;
        let mut found = task.release.clone();
        for end in &ends {
            let Some(done) = &end.value else { continue };
            let Some(previous) = &done.releases.previous else { continue };
            let known = found.get_or_insert_with(|| previous.clone());
            if task.release.is_none() && known != previous {
                let text = format!(
                    "hosts differ in the release before: {known}, and {previous} on {}",
                    end.result.host
                );
                let failure = Failure::new(Blame::Operator, text)
                    .hint("murder releases shows them; name one with release=");
                return Err(Halt::Blocked(failure));
            }
        }
        if let Some(release) = found {
            let text = format!("the release to go back to is {release}");
            self.context.reporter.emit(Event::Note(text));
            self.proved = Some(release);
        }
        Ok(results(ends))
    }

    fn holder(&self) -> LockHolder {
        let seconds = self.context.settings.timeout.as_secs();
        super::start::holder(&self.walk.script.name, &self.release, seconds)
    }
}

pub(super) fn locks(action: &Action) -> bool {
    is(action, TaskName::LockDeploys)
}

fn places(action: &Action) -> bool {
    is(action, TaskName::Peer)
}

/// Whether hosts find the release by which they go back.
pub(super) fn proves(action: &Action) -> bool {
    is(action, TaskName::ProveRelease)
}

fn is(action: &Action, task: TaskName) -> bool {
    matches!(&action.step.body, crate::recipe::Body::Task { name, .. } if name == task.as_str())
}

pub(super) fn results<T>(ends: Vec<Ended<T>>) -> Vec<HostResult> {
    ends.into_iter().map(|end| end.result).collect()
}
