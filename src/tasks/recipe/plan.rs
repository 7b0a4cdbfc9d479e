//! The answer to `--dry-run`: every step as it would be done on each host. Whoever carries a recipe
//! out has one made first, so that what is wrong in a step is said before anything is done.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::context::Cast;
use super::super::plan::of as plan_of;
use super::order::in_words;
use super::task::proves;
use super::walk::{Part, Walk, Wanted, needs};
use crate::cli::{On, TaskSpec};
use crate::inventory::Host;
use crate::plan::{Plan, Step};
use crate::recipe::{Act, Action, Body, RecipeError, Run, Scope, Switch, With};
use crate::settings::{Settings, TaskName};

/// The steps of a recipe, in order, and those for a failure last.
pub(super) fn of(mut walk: Walk<'_>, task: TaskName) -> Result<Plan, RecipeError> {
    let script = walk.script;
    let mut steps = Vec::new();
    walk.only_looks();
    add(&mut walk, &script.acts, &mut steps)?;
    walk.fleet.everybody();
    add(&mut walk, &script.failed, &mut steps)?;
    Ok(Plan { task, steps })
}

fn add(walk: &mut Walk<'_>, acts: &[Act], to: &mut Vec<Step>) -> Result<(), RecipeError> {
    for act in acts {
        let Act::Do(action) = act else { continue };
        walk.variables.belong_to(action.stage);
        to.extend(steps(walk, action)?);
        walk.pass_by(action);
    }
    Ok(())
}

/// What a step comes to: several where hosts differ, none where nobody is to do it.
pub(super) fn steps(walk: &Walk<'_>, action: &Action) -> Result<Vec<Step>, RecipeError> {
    let mut steps = Vec::new();
    let planner = Planner { walk };
    let condition = match &action.step.body {
        Body::Task { name, with } => planner.task(action, name, with, &mut steps)?,
        Body::Run(run) => planner.run(action, run, "", &mut steps)?,
        Body::Switch(switch) => planner.switch(action, switch, &mut steps)?,
        // A script has none.
        Body::Stage { .. } => None,
    };
    let placed = |step| Step { stage: action.stage, condition: condition.clone(), ..step };
    Ok(steps.into_iter().map(placed).collect())
}

/// Each kind of step adds what it comes to, and gives what has to hold for it.
struct Planner<'a> {
    walk: &'a Walk<'a>,
}

impl Planner<'_> {
    fn task(
        &self,
        action: &Action,
        name: &str,
        with: &[With],
        to: &mut Vec<Step>,
    ) -> Result<Option<String>, RecipeError> {
        let Some(spec) = TaskSpec::find(name) else { return Ok(None) };
        let part = self.walk.of_task(action, spec)?;
        let waits = |with: &With, scope: &Scope| self.walk.waits(&with.value, scope);
        let tasks = match self.walk.tasks(action, spec, with, &part) {
            // What is not known yet may be no value that the task takes.
            Err(_)
                if part.first().is_some_and(|scope| with.iter().any(|key| waits(key, scope))) =>
            {
                None
            }
            tasks => Some(tasks?),
        };
        if action.no_log {
            let what = format!("{name}, with keys that are not shown (no_log)");
            to.push(Step::new(what, names(&part.hosts()), Vec::new()));
            return Ok(part.condition);
        }
        match tasks {
            Some(tasks) => self.made(spec, tasks, to),
            None => same(&part, to, |scope| {
                let keys = self.walk.keys(with, scope)?;
                let words = keys.iter().map(|(key, text)| format!(" {key}={text}"));
                Ok(words.fold(name.to_owned(), |all, word| all + &word))
            })?,
        }
        Ok(part.condition)
    }

    /// Tasks, as their own dry runs have them.
    fn made(&self, spec: &TaskSpec, tasks: Vec<Wanted>, to: &mut Vec<Step>) {
        for Wanted { task, hosts } in tasks {
            let settings = Settings { task, ..self.walk.settings.clone() };
            let peers = match spec.on {
                On::All | On::Peers | On::SeederAndPeers => hosts,
                On::Tracker | On::Seeder | On::Here => self.walk.cast.peers.clone(),
            };
            let cast = Cast { peers, ..self.walk.cast.clone() };
            to.extend(plan_of(&settings, &cast).steps);
        }
    }

    /// A command. `lead` stands before what is said of it.
    fn run(
        &self,
        action: &Action,
        run: &Run,
        lead: &str,
        to: &mut Vec<Step>,
    ) -> Result<Option<String>, RecipeError> {
        let part = self.walk.of_command(action, run)?;
        same(&part, to, |scope| {
            Ok(format!("{lead}{}", self.walk.order(action, run, scope)?.sentence(run)))
        })?;
        Ok(part.condition)
    }

    fn switch(
        &self,
        action: &Action,
        switch: &Switch,
        to: &mut Vec<Step>,
    ) -> Result<Option<String>, RecipeError> {
        let part = self.walk.of_switch(action)?;
        let found = self.walk.script.actions().any(proves);
        let how = match &switch.groups {
            None => "all at once".to_owned(),
            Some(groups) => in_words(groups),
        };
        let back = match switch.rollback_on_failure {
            true => "; back again if that fails",
            false => "",
        };
        same(&part, to, |scope| {
            if self.walk.knows("deploy_to") {
                self.walk.deploy_to(action, scope)?;
            }
            let release = match self.walk.knows("release") {
                true => self.walk.release(action, scope)?.map(|release| release.to_string()),
                false => Some("what {{ release }} is by then".to_owned()),
            };
            let before = || found.then(|| "the release before".to_owned());
            let release = release.or_else(before).ok_or_else(|| needs(action, "release"))?;
            Ok(format!("switch to {release}, {how}{back}"))
        })?;
        for health in action.health() {
            let Body::Run(run) = &health.step.body else { continue };
            self.run(&health, run, "on hosts that have switched, ", to)?;
        }
        Ok(part.condition)
    }
}

/// One step for all hosts on which it comes to the same.
fn same(
    part: &Part,
    to: &mut Vec<Step>,
    make: impl Fn(&Scope) -> Result<String, RecipeError>,
) -> Result<(), RecipeError> {
    let mut groups: Vec<(Arc<String>, Vec<Arc<Host>>)> = Vec::new();
    let mut places: HashMap<Arc<String>, usize> = HashMap::new();
    for (host, text) in part.render(make)? {
        let place = *places.entry(Arc::clone(&text)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, hosts)) => hosts.push(host),
            None => groups.push((text, vec![host])),
        }
    }
    for (at, (text, hosts)) in groups.into_iter().enumerate() {
        let step = Step::new(text.to_string(), names(&hosts), Vec::new());
        to.push(Step { varies: at > 0, ..step });
    }
    Ok(())
}

fn names(hosts: &[Arc<Host>]) -> Vec<String> {
    hosts.iter().map(|host| host.name.clone()).collect()
}
