//! The answer to `--dry-run`: every step as it would run on each host, rendered. Connects nowhere.

use std::sync::Arc;

use murder_protocol::verbs::Command;

use super::super::context::Cast;
use super::fleet::Fleet;
use super::own;
use super::start::Call;
use super::task::rendered;
use crate::cli::{On, TaskSpec};
use crate::inventory::{Host, Inventory};
use crate::plan::{Plan, Step};
use crate::recipe::{Act, Action, Body, Mode, RecipeError, Switch, text_of};
use crate::report::Refusal;
use crate::settings::{self, Settings, Task, TaskName};
use crate::{cli, report::units};

/// The steps of a recipe, in order.
pub(crate) fn plan(
    settings: &Settings,
    inventory: &Inventory,
    cast: &Cast,
    call: &mut Call<'_>,
    name: &'static str,
) -> Result<Plan, Refusal> {
    let mut steps = Vec::new();
    for act in &call.script.acts {
        match act {
            Act::Enter(_) | Act::Leave(_) => {}
            Act::Do(action) => {
                call.variables.belong_to(action.stage);
                let planner = Planner { settings, inventory, cast, call };
                let done = planner.step(action).map_err(|error| match error {
                    Wrong::Recipe(error) => Refusal::new(&error, None),
                    Wrong::Refused(refusal) => refusal,
                })?;
                steps.extend(done);
            }
        }
    }
    for step in &mut steps {
        step.what = call.secrets.mask(&step.what).into_owned();
        for path in &mut step.paths {
            path.path = call.secrets.mask(&path.path).into_owned();
        }
    }
    Ok(Plan { task: TaskName::Recipe(name), steps })
}

enum Wrong {
    Recipe(RecipeError),
    Refused(Refusal),
}

impl From<RecipeError> for Wrong {
    fn from(error: RecipeError) -> Self {
        Self::Recipe(error)
    }
}

/// Hosts by what a step comes to there.
type Same<T> = Vec<(T, Vec<Arc<Host>>)>;

struct Planner<'a, 'b> {
    settings: &'a Settings,
    inventory: &'a Inventory,
    cast: &'a Cast,
    call: &'a Call<'b>,
}

impl Planner<'_, '_> {
    fn step(&self, action: &Action) -> Result<Vec<Step>, Wrong> {
        match &action.step.body {
            Body::Task { name, with } => self.task(action, name, with),
            Body::Run(run) => self.run(action, run),
            Body::Switch(switch) => self.switch(action, switch),
            Body::Stage { .. } => Ok(Vec::new()),
        }
    }

    fn task(
        &self,
        action: &Action,
        name: &str,
        with: &[crate::recipe::With],
    ) -> Result<Vec<Step>, Wrong> {
        let Some(spec) = TaskSpec::find(name) else { return Ok(Vec::new()) };
        let hosts = match spec.on {
            On::Tracker | On::Here => vec![self.cast.tracker.clone()],
            On::Seeder => vec![self.cast.seeder.clone()],
            On::All | On::Peers | On::SeederAndPeers => self.cast.peers.clone(),
        };
        let mut steps = Vec::new();
        let same = self.same(action, hosts, |scope, _| rendered(with, scope))?;
        let each = |(keys, hosts): (Vec<_>, Vec<Arc<Host>>)| {
            hosts.into_iter().map(move |host| (host, keys.clone()))
        };
        for (keys, hosts) in own::groups(same.into_iter().flat_map(each).collect()) {
            let variable = |name: &str| {
                own::variable(&hosts, name).or_else(|| settings::variable(self.inventory, name))
            };
            let made: Result<Task, _> = cli::assign(spec, &keys)
                .and_then(|values| settings::task(spec, &values, &variable));
            let task = made.map_err(|error| {
                let message = Refusal::new(&error, None).message;
                Wrong::Refused(Refusal {
                    message: format!("{}: {message}", action.step.at),
                    hint: None,
                })
            })?;
            let settings = Settings { task, ..self.settings.clone() };
            let cast = match spec.on {
                On::All | On::Peers | On::SeederAndPeers => {
                    Cast { peers: hosts, ..self.cast.clone() }
                }
                _ => self.cast.clone(),
            };
            steps.extend(super::super::plan::of(&settings, &cast).steps);
        }
        Ok(steps)
    }

    fn run(&self, action: &Action, run: &crate::recipe::Run) -> Result<Vec<Step>, Wrong> {
        let scope =
            |host: &Host| self.call.script.scope(action.frame, &self.call.variables.of(host));
        let on = run.on.as_ref().map(|on| on.text(&scope(&self.cast.tracker))).transpose()?;
        let mut hosts = match on.as_deref() {
            None | Some("peer") => self.cast.peers.clone(),
            Some("seeder") => vec![self.cast.seeder.clone()],
            Some("tracker") => vec![self.cast.tracker.clone()],
            Some(pattern) => {
                let refused = |error| Wrong::Refused(Refusal::new(&error, None));
                let pattern = crate::limit::Pattern::parse(pattern).map_err(refused)?;
                let chosen = pattern.select(self.inventory).map_err(refused)?;
                let all = self.cast.all().into_iter();
                all.filter(|host| {
                    self.inventory.index_of(&host.name).is_some_and(|id| chosen.contains(&id))
                })
                .collect()
            }
        };
        if run.run_once {
            hosts.truncate(1);
        }
        let later = self.call.script.registered().collect::<Vec<_>>();
        let groups = self.same(action, hosts, |scope, _| {
            let shown = |template: &crate::recipe::Template| {
                // What a step has yet to give can't be known.
                match scope.reads(template).iter().any(|name| later.contains(&name.as_str())) {
                    true => Ok(template.source().to_owned()),
                    false => template.text(scope),
                }
            };
            let mut text = match &action.step.name {
                Some(name) => format!("{}: ", shown(name)?),
                None => String::new(),
            };
            if action.no_log {
                return Ok(text + "run a command that is not shown (no_log)");
            }
            let command = match &run.command {
                crate::recipe::Command::Argv(words) => {
                    Command::Argv(words.iter().map(shown).collect::<Result<_, RecipeError>>()?)
                }
                crate::recipe::Command::Shell(text) => Command::Shell(shown(text)?),
            };
            match command {
                Command::Argv(words) => {
                    let words: Vec<_> = words.iter().map(|word| settings::quote(word)).collect();
                    text.push_str(&format!("run {}", words.join(" ")));
                }
                Command::Shell(script) => text.push_str(&format!("run by sh: {script}")),
            }
            if let Some(folder) = &run.directory {
                text.push_str(&format!(", in {}", shown(folder)?));
            }
            for (name, value) in &run.env {
                text.push_str(&format!(", with {name}={}", settings::quote(&shown(value)?)));
            }
            if let Some(user) = &run.become_user {
                text.push_str(&format!(", as {}", user.text(scope)?));
            }
            Ok(text)
        })?;
        let how = match &run.mode {
            Mode::Parallel => String::new(),
            Mode::Sequence => ", one host after another".to_owned(),
            Mode::Groups(groups) if groups.wait.is_zero() => ", group after group".to_owned(),
            Mode::Groups(groups) => {
                format!(", group after group, {} apart", units::whole_duration(groups.wait))
            }
        };
        Ok(groups.into_iter().map(|(text, hosts)| step(format!("{text}{how}"), &hosts)).collect())
    }

    fn switch(&self, action: &Action, switch: &Switch) -> Result<Vec<Step>, Wrong> {
        let fleet = Fleet::new(self.cast.peers.clone(), None);
        let groups = self.same(action, fleet.left(), |scope, _| {
            let release = scope.value("release")?.as_ref().map(text_of).unwrap_or_default();
            let to = match release.is_empty() {
                true => "the release before".to_owned(),
                false => release,
            };
            Ok(match switch.groups {
                None => format!("switch to {to}, all at once"),
                Some(_) => format!("switch to {to}, group after group"),
            })
        })?;
        Ok(groups.into_iter().map(|(text, hosts)| step(text, &hosts)).collect())
    }

    /// Hosts on which the step is done, by what it comes to there.
    fn same<T: PartialEq>(
        &self,
        action: &Action,
        hosts: Vec<Arc<Host>>,
        render: impl Fn(&crate::recipe::Scope, &Host) -> Result<T, RecipeError>,
    ) -> Result<Same<T>, Wrong> {
        let mut groups: Same<T> = Vec::new();
        for host in hosts {
            let given = self.call.variables.of(&host);
            let mut done = true;
            for guard in &action.guards {
                done &= guard.when.holds(&self.call.script.scope(guard.frame, &given))?;
            }
            if !done {
                continue;
            }
            let value = render(&self.call.script.scope(action.frame, &given), &host)?;
            match groups.iter_mut().find(|(known, _)| *known == value) {
                Some((_, hosts)) => hosts.push(host),
                None => groups.push((value, vec![host])),
            }
        }
        Ok(groups)
    }
}

fn step(what: String, hosts: &[Arc<Host>]) -> Step {
    let hosts = hosts.iter().map(|host| host.name.clone()).collect();
    Step { what, hosts, paths: Vec::new() }
}
