//! A recipe on its way: who is left and what is known by now, and with that for whom a step is and
//! what it comes to there. Whoever does the steps and whoever only shows them ask here.

use std::collections::BTreeSet;
use std::sync::Arc;

use murder_protocol::Tag;

use super::super::context::Cast;
use super::fleet::Fleet;
use super::own;
use super::select::Selection;
use super::variables::Variables;
use crate::cli::{self, TaskSpec};
use crate::inventory::{Host, Inventory};
use crate::recipe::{
    Action, Body, Definition, Given, Problem, RecipeError, Run, Scope, Script, Template, With,
    text_of,
};
use crate::report::Refusal;
use crate::settings::{self, Settings, Task};

/// A recipe, its hosts, and what is known so far. Pure.
#[derive(Clone)]
pub(super) struct Walk<'a> {
    pub(super) script: &'a Script,
    pub(super) settings: &'a Settings,
    pub(super) inventory: &'a Inventory,
    pub(super) cast: &'a Cast,
    pub(super) variables: Variables,
    pub(super) fleet: Fleet,
    /// The variables whose values can't be known before the steps are done. Of a recipe that is
    /// carried out there are none.
    pub(super) unknown: BTreeSet<String>,
}

/// For whom a step is, and what its templates see there.
pub(super) struct Part {
    /// Its hosts in their order, each with the place of its scope.
    hosts: Vec<(Arc<Host>, usize)>,
    scopes: Vec<Scope>,
    /// What has to hold besides, and can't be known yet.
    pub(super) condition: Option<String>,
}

/// Hosts in their order, each with what something comes to there. Many share it.
pub(super) type Each<T> = Vec<(Arc<Host>, Arc<T>)>;

/// A task that some hosts are to do.
pub(super) struct Wanted {
    pub(super) task: Task,
    pub(super) hosts: Vec<Arc<Host>>,
}

impl Walk<'_> {
    /// From now on nothing is done, so nobody knows what steps would have found or given.
    pub(super) fn only_looks(&mut self) {
        self.unknown.insert("started".to_owned());
    }

    /// A step was not done.
    pub(super) fn pass_by(&mut self, action: &Action) {
        if let Body::Run(run) = &action.step.body {
            self.unknown.extend(run.register.clone());
        }
    }

    /// The hosts of a built-in task.
    pub(super) fn of_task(&self, action: &Action, spec: &TaskSpec) -> Result<Part, RecipeError> {
        self.part(action, self.selection().of_task(spec.on))
    }

    /// The hosts of a command.
    pub(super) fn of_command(&self, action: &Action, run: &Run) -> Result<Part, RecipeError> {
        let scope = self.scope(action, &self.variables.of(&self.cast.tracker));
        if let Some(on) = run.on.as_ref().filter(|on| self.is_unknown(on, &scope)) {
            let mut part = self.part(action, self.fleet.left())?;
            let named = format!("{} names it", on.source());
            part.condition = all_of(part.condition.into_iter().chain([named]).collect());
            return Ok(part);
        }
        let on = run.on.as_ref().map(|on| Ok((on.at(), on.text(&scope)?))).transpose()?;
        let chosen = self.selection().of_command(on.as_ref().map(|(_, text)| text.as_str()));
        let hosts = chosen.map_err(|error| {
            // It is read as a limit is, and says so.
            let message = Refusal::new(&error, None).message.replacen("--limit", "on", 1);
            RecipeError::at(on.map_or(&action.step.at, |(at, _)| at), Problem::Unfit(message))
        })?;
        let mut part = self.part(action, hosts)?;
        if run.run_once {
            part.hosts.truncate(1);
        }
        Ok(part)
    }

    /// The hosts of a switch.
    pub(super) fn of_switch(&self, action: &Action) -> Result<Part, RecipeError> {
        self.part(action, self.fleet.left())
    }

    /// What a template comes to; as it is written where nobody can know that yet.
    pub(super) fn text(&self, template: &Template, scope: &Scope) -> Result<String, RecipeError> {
        match self.is_unknown(template, scope) {
            true => Ok(template.source().to_owned()),
            false => template.text(scope),
        }
    }

    /// A step that is a built-in task: hosts that are asked for the same are one task.
    pub(super) fn tasks(
        &self,
        action: &Action,
        spec: &'static TaskSpec,
        with: &[With],
        part: &Part,
    ) -> Result<Vec<Wanted>, RecipeError> {
        let keys = part.render(|scope| self.keys(with, scope))?;
        let keys = keys.into_iter().map(|(host, keys)| (host, own::Keys::clone(&keys)));
        let made = own::groups(keys.collect()).into_iter().map(|(keys, hosts)| {
            let variable = |name: &str| {
                own::variable(&hosts, name).or_else(|| settings::variable(self.inventory, name))
            };
            let task = cli::assign(spec, &keys)
                .and_then(|values| settings::task(spec, &values, &variable))
                .map_err(|error| match action.no_log {
                    true => unfit(
                        action,
                        format!(
                            "a key of {} can't be used as it is; its value is not shown (no_log)",
                            spec.name
                        ),
                    ),
                    false => unfit(action, Refusal::new(&error, None).message),
                })?;
            Ok(Wanted { task, hosts })
        });
        made.collect()
    }

    /// What the keys of a task come to, or are written as where nobody can know that yet.
    pub(super) fn keys(&self, with: &[With], scope: &Scope) -> Result<own::Keys, RecipeError> {
        let text = |value: &Definition| match self.waits(value, scope) {
            true => Ok(value.to_string()),
            false => value.value(scope).map(|value| text_of(&value)),
        };
        with.iter().map(|with| Ok((with.key.clone(), text(&with.value)?))).collect()
    }

    /// Whether something of a value can't be known yet.
    pub(super) fn waits(&self, value: &Definition, scope: &Scope) -> bool {
        value.templates().into_iter().any(|template| self.is_unknown(template, scope))
    }

    /// Whether a variable's value can be known by now.
    pub(super) fn knows(&self, name: &str) -> bool {
        let behind = self.script.behind(std::iter::once(name));
        behind.into_iter().all(|name| !self.unknown.contains(name))
    }

    /// The release that a switch leads to, unless hosts have to find it.
    pub(super) fn release(
        &self,
        action: &Action,
        scope: &Scope,
    ) -> Result<Option<Tag>, RecipeError> {
        let Some(text) = text_in(scope, "release")? else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|error| unfit(action, format!("{text:?} is no name of a release: {error}")))
    }

    /// Where a host has what it switches.
    pub(super) fn deploy_to(&self, action: &Action, scope: &Scope) -> Result<String, RecipeError> {
        text_in(scope, "deploy_to")?.ok_or_else(|| needs(action, "deploy_to"))
    }

    fn selection(&self) -> Selection<'_> {
        Selection { cast: self.cast, inventory: self.inventory, fleet: &self.fleet }
    }

    /// The hosts on which a step's conditions hold, or may hold.
    fn part(&self, action: &Action, hosts: Vec<Arc<Host>>) -> Result<Part, RecipeError> {
        let share = self.variables.share(hosts, &self.script.needs(action));
        let mut open = BTreeSet::new();
        let mut done = Vec::with_capacity(share.given.len());
        for given in &share.given {
            done.push(self.holds(action, given, &mut open)?);
        }
        let mut hosts = share.hosts;
        hosts.retain(|(_, place)| done[*place]);
        let scopes = share.given.iter().map(|given| self.scope(action, given)).collect();
        Ok(Part { hosts, scopes, condition: all_of(open) })
    }

    /// Whether nothing says that a step is left out. Conditions that nobody can know yet go into
    /// `open`.
    fn holds(
        &self,
        action: &Action,
        given: &Given,
        open: &mut BTreeSet<String>,
    ) -> Result<bool, RecipeError> {
        let mut conditions = Vec::new();
        for guard in &action.guards {
            let scope = self.script.scope(guard.frame, given);
            if self.is_unknown(&guard.when, &scope) {
                conditions.push(guard.when.expression().to_owned());
            } else if !guard.when.holds(&scope)? {
                return Ok(false);
            }
        }
        open.extend(conditions);
        Ok(true)
    }

    fn scope(&self, action: &Action, given: &Given) -> Scope {
        self.script.scope(action.frame, given)
    }

    fn is_unknown(&self, template: &Template, scope: &Scope) -> bool {
        !self.unknown.is_empty()
            && template.literal().is_none()
            && scope.reads(template).iter().any(|name| self.unknown.contains(name))
    }
}

impl Part {
    /// Each host, in their order.
    pub(super) fn hosts(&self) -> Vec<Arc<Host>> {
        self.hosts.iter().map(|(host, _)| Arc::clone(host)).collect()
    }

    /// What the templates of the first host see.
    pub(super) fn first(&self) -> Option<&Scope> {
        self.hosts.first().map(|(_, place)| &self.scopes[*place])
    }

    /// Each host with what something comes to there. It is made once for all that share a scope.
    pub(super) fn render<T>(
        &self,
        make: impl Fn(&Scope) -> Result<T, RecipeError>,
    ) -> Result<Each<T>, RecipeError> {
        let mut made: Vec<Option<Arc<T>>> = vec![None; self.scopes.len()];
        let mut rendered = Vec::with_capacity(self.hosts.len());
        for (host, place) in &self.hosts {
            let value = match &made[*place] {
                Some(value) => Arc::clone(value),
                None => {
                    let value = Arc::new(make(&self.scopes[*place])?);
                    made[*place].insert(value).clone()
                }
            };
            rendered.push((Arc::clone(host), value));
        }
        Ok(rendered)
    }
}

/// Several conditions as one.
fn all_of(conditions: BTreeSet<String>) -> Option<String> {
    match conditions.len() {
        0 | 1 => conditions.into_iter().next(),
        _ => {
            let each: Vec<_> = conditions.iter().map(|one| format!("({one})")).collect();
            Some(each.join(" and "))
        }
    }
}

/// A switch lacks a variable.
pub(super) fn needs(action: &Action, name: &str) -> RecipeError {
    let text =
        format!("switch needs the variable {name}: type {name}=…, or set it in the inventory");
    unfit(action, text)
}

fn unfit(action: &Action, message: String) -> RecipeError {
    RecipeError::at(&action.step.at, Problem::Unfit(message))
}

fn text_in(scope: &Scope, name: &str) -> Result<Option<String>, RecipeError> {
    let value = scope.value(name)?;
    Ok(value.as_ref().map(text_of).filter(|text| !text.is_empty()))
}
