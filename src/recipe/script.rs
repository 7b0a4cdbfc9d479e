//! A recipe in the order in which it is done: recipes that it calls stand where they are called,
//! and every hook where its turn is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{Problem, RecipeError};
use super::scope::{BUILT_IN, Definition, Given, RESERVED, Scope, Settings};
use super::secrets::{MASK, Secrets};
use super::{Anchor, Body, Command, Moment, Run, Stage, Step, Template};
use crate::suggest::nearest;
use crate::yaml::Place;

/// What is to be done, one act after another.
#[derive(Clone, Debug)]
pub struct Script {
    /// The task.
    pub name: String,
    /// What it does, in one line.
    pub description: String,
    /// Everything, in order.
    pub acts: Vec<Act>,
    /// What is done once something failed: the hooks of `failed`.
    pub failed: Vec<Act>,
    /// The variables that nobody may see, and where each is named.
    pub no_log: BTreeMap<String, Place>,
    /// The recipe itself first, then each one that is called, as often as it is.
    pub(super) frames: Vec<Frame>,
}

/// One act.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A stage begins.
    Enter(Stage),
    /// A stage is over.
    Leave(Stage),
    /// A step.
    Do(Box<Action>),
}

/// A step in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The step. It is no stage, and if it is a task, then a built-in one. Its `when` is among
    /// `guards`.
    pub step: Step,
    /// Whose variables its templates see.
    pub frame: FrameId,
    /// What has to hold for it to be done: its own `when` and those of what it stands in.
    pub guards: Vec<Guard>,
    /// The stage that it belongs to; for a hook that which it is tied to.
    pub stage: Option<Stage>,
    /// The hook that it belongs to.
    pub hook: Option<(Moment, Anchor)>,
    /// Nothing of it is shown: its own `no_log` or that of a call around it.
    pub no_log: bool,
    /// The recipe that it belongs to.
    pub recipe: String,
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// What has to come to something true.
    pub when: Template,
    /// Whose variables it sees.
    pub frame: FrameId,
}

/// One call of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameId(pub(super) usize);

impl FrameId {
    /// The recipe that the user called.
    pub const ROOT: Self = Self(0);
}

#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) caller: Option<FrameId>,
    pub(super) with: Arc<Settings>,
    pub(super) vars: Arc<Settings>,
}

impl Script {
    /// The scope of a frame, given what no recipe sets.
    pub fn scope(&self, frame: FrameId, given: &Given) -> Scope {
        let Frame { caller, with, vars } = &self.frames[frame.0];
        match caller {
            None => Scope::new(given.clone(), Arc::clone(vars)),
            Some(caller) => self.scope(*caller, given).call(Arc::clone(with), Arc::clone(vars)),
        }
    }

    /// The variables of the recipe that the user called: beside murder's own, the keys that it
    /// takes.
    pub fn vars(&self) -> &Settings {
        &self.frames[FrameId::ROOT.0].vars
    }

    /// The variables that its templates read, and that it may not set itself: `repository`. murder's
    /// own are left out.
    pub fn read(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for action in self.actions() {
            let guards = action.guards.iter().map(|guard| &guard.when);
            let templates = action.step.templates().into_iter().chain(guards);
            names.extend(templates.flat_map(Template::names).map(String::as_str));
        }
        let vars = self.vars().values().flat_map(|setting| setting.value.templates());
        names.extend(vars.flat_map(Template::names).map(String::as_str));
        names.retain(|name| !RESERVED.contains(name));
        names
    }

    /// What was typed for one of [`Self::vars`], as the type that its default has: a number, a truth
    /// value, a list with commas, or text.
    ///
    /// # Errors
    ///
    /// It is none of that type.
    pub fn typed(&self, key: &str, text: &str) -> Result<serde_json::Value, RecipeError> {
        let Some(setting) = self.vars().get(key) else { return Ok(text.into()) };
        let wrong = |expected| RecipeError::Typed {
            key: key.to_owned(),
            value: if self.no_log.contains_key(key) { MASK } else { text }.to_owned(),
            expected,
            at: setting.at.clone(),
        };
        match &setting.value {
            Definition::Value(serde_json::Value::Bool(_)) => match text {
                "true" | "yes" | "1" => Ok(true.into()),
                "false" | "no" | "0" => Ok(false.into()),
                _ => Err(wrong("true or false")),
            },
            Definition::Value(serde_json::Value::Number(_)) => {
                let number = serde_json::from_str(text).map(serde_json::Value::Number);
                number.map_err(|_| wrong("a number"))
            }
            Definition::List(_) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Ok(items.collect())
            }
            Definition::Map(_) => Err(wrong("a mapping, which only a recipe can set")),
            _ => Ok(text.into()),
        }
    }

    /// Adds the values that nobody may see to `secrets`, by what is given for each host. All that
    /// can be found are added, whatever fails.
    ///
    /// # Errors
    ///
    /// A template of one of them fails, or nobody has a variable that `no_log` names.
    pub fn hide<'g>(
        &self,
        given: impl IntoIterator<Item = &'g Given>,
        secrets: &Secrets,
    ) -> Result<(), RecipeError> {
        let mut missing: Vec<&String> = self.no_log.keys().collect();
        let mut known = BTreeSet::new();
        let mut failed = None;
        for given in given {
            for frame in (0..self.frames.len()).map(FrameId) {
                let scope = self.scope(frame, given);
                missing.retain(|name| !scope.has(name));
                for name in self.no_log.keys() {
                    match scope.value(name) {
                        Ok(value) => value.iter().for_each(|value| secrets.add_json(value)),
                        Err(error) => failed = failed.or(Some(error)),
                    }
                }
                if !missing.is_empty() {
                    known.extend(scope.known());
                }
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let Some(name) = missing.first() else { return Ok(()) };
        let nearest = nearest(name.as_str(), known.iter()).cloned();
        let problem = Problem::NoSecret { name: (*name).clone(), nearest };
        Err(RecipeError::at(&self.no_log[*name], problem))
    }

    /// Every variable that a step can depend on, whatever host it is for: those that its templates
    /// read, and those behind them in the variables of any recipe. Hosts that differ in none of
    /// them have the same step to do.
    pub fn needs<'s>(&'s self, action: &'s Action) -> BTreeSet<&'s str> {
        let guards = action.guards.iter().map(|guard| &guard.when);
        let templates = action.step.templates().into_iter().chain(guards);
        let read = templates.flat_map(Template::names).map(String::as_str);
        self.behind(read.chain(action.step.body.variables().iter().copied()))
    }

    /// These variables and all that they may be made of.
    pub fn behind<'s>(&'s self, names: impl Iterator<Item = &'s str>) -> BTreeSet<&'s str> {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<&str> = names.collect();
        while let Some(name) = todo.pop() {
            if !seen.insert(name) {
                continue;
            }
            let frames = self.frames.iter().flat_map(|frame| [&frame.with, &frame.vars]);
            let settings = frames.filter_map(|settings| settings.get(name));
            let templates = settings.chain(BUILT_IN.get(name)).flat_map(|it| it.value.templates());
            todo.extend(templates.flat_map(Template::names).map(String::as_str));
        }
        seen
    }

    /// Every step, those for a failure last.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.acts.iter().chain(&self.failed).filter_map(|act| match act {
            Act::Do(action) => Some(&**action),
            Act::Enter(_) | Act::Leave(_) => None,
        })
    }
}

impl Action {
    /// What has to succeed on the hosts of a group that has switched, as steps in this one's place.
    pub fn health(&self) -> Vec<Self> {
        let Body::Switch(switch) = &self.step.body else { return Vec::new() };
        let step = |step: &Step| {
            let mut action = Self { step: step.clone(), ..self.clone() };
            action.no_log |= step.no_log;
            let own = step.when.clone().map(|when| Guard { when, frame: self.frame });
            action.guards.extend(own);
            action
        };
        switch.health.iter().map(step).collect()
    }
}

impl Body {
    /// The variables that it reads by itself.
    fn variables(&self) -> &'static [&'static str] {
        match self {
            Self::Switch(_) => &["release", "deploy_to"],
            Self::Task { .. } | Self::Run(_) | Self::Stage { .. } => &[],
        }
    }
}

impl Step {
    /// The templates of what it does and of its name; not `when`, on which they depend.
    pub fn templates(&self) -> Vec<&Template> {
        let mut templates: Vec<&Template> = self.name.iter().collect();
        match &self.body {
            Body::Task { with, .. } => {
                templates.extend(with.iter().flat_map(|with| with.value.templates()));
            }
            Body::Run(run) => templates.extend(run.templates()),
            Body::Switch(switch) => {
                for step in &switch.health {
                    templates.extend(&step.when);
                    templates.extend(step.templates());
                }
            }
            Body::Stage { steps, .. } => {
                templates.extend(steps.iter().flat_map(Self::templates));
            }
        }
        templates
    }
}

impl Run {
    fn templates(&self) -> impl Iterator<Item = &Template> {
        let words: &[Template] = match &self.command {
            Command::Argv(words) => words,
            Command::Shell(text) => std::slice::from_ref(text),
        };
        let env = self.env.iter().map(|(_, value)| value);
        words.iter().chain(env).chain(&self.on).chain(&self.directory).chain(&self.become_user)
    }
}
