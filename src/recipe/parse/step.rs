//! Steps: which kind one is, and the keys that go with it.

use std::time::Duration;

use super::reader::{Reader, all_of};
use crate::recipe::error::{Problem, RecipeError};
use crate::recipe::{
    Body, Command, GroupSize, Groups, Mode, Run, Stage, Step, Switch, Template, With,
};
use crate::suggest::nearest;
use crate::yaml::{self, Entry, Node, quoted};

/// Where steps stand, which says what they may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// `steps:` of a recipe.
    Recipe,
    /// `steps:` of a stage.
    Stage,
    /// A hook.
    Hook,
    /// `health:` of a switch.
    Health,
}

impl Within {
    const fn refuses(self, kind: Kind) -> bool {
        match self {
            Self::Recipe => false,
            Self::Stage => matches!(kind, Kind::Stage),
            Self::Hook => matches!(kind, Kind::Stage | Kind::Switch),
            Self::Health => !matches!(kind, Kind::Run),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Recipe => "a recipe",
            Self::Stage => "a stage",
            Self::Hook => "a hook",
            Self::Health => "health, which has run steps alone",
        }
    }
}

/// What a step is, by the key that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Task,
    Run,
    Switch,
    Stage,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Task, Self::Run, Self::Switch, Self::Stage];

    const fn key(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Run => "run",
            Self::Switch => "switch",
            Self::Stage => "stage",
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Task => "a task: step",
            Self::Run => "a run: step",
            Self::Switch => "a switch: step",
            Self::Stage => "a stage: step",
        }
    }

    /// The keys that go with it.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Task => &["name", "task", "with", "when", "no_log"],
            Self::Run => &[
                "name",
                "run",
                "on",
                "in",
                "env",
                "directory",
                "become",
                "timeout",
                "retries",
                "when",
                "run_once",
                "register",
                "no_log",
            ],
            Self::Switch => &["name", "switch", "when"],
            Self::Stage => &["name", "stage", "steps", "when"],
        }
    }
}

/// Every key that any step has, each once.
fn keys() -> Vec<&'static str> {
    let mut keys: Vec<&str> = Vec::new();
    for key in Kind::ALL.into_iter().flat_map(Kind::keys) {
        if !keys.contains(key) {
            keys.push(key);
        }
    }
    keys
}

impl Reader<'_> {
    pub(super) fn steps(&self, node: &Node, within: Within) -> Result<Vec<Step>, RecipeError> {
        let items = self.list(node, "a list of steps")?;
        items.iter().map(|item| self.step(item, within)).collect()
    }

    fn step(&self, node: &Node, within: Within) -> Result<Step, RecipeError> {
        let what = "a step, such as run: [true]";
        let entries = match node.body {
            yaml::Body::Map(ref entries) => entries,
            _ => return Err(self.expected(node, what)),
        };
        let kind = self.kind(node, entries)?;
        if within.refuses(kind) {
            let problem = Problem::Misplaced { what: kind.what(), within: within.words() };
            return Err(self.wrong(node.at, problem));
        }
        let get =
            |key: &str| entries.iter().find(|entry| entry.key == key).map(|found| &found.value);
        let body = match kind {
            Kind::Task => self.task(entries)?,
            Kind::Run => Body::Run(Box::new(self.run(entries)?)),
            Kind::Switch => Body::Switch(Box::new(self.switch(entries)?)),
            Kind::Stage => self.stage(node, entries)?,
        };
        Ok(Step {
            at: self.place(node.at),
            name: get("name").map(|node| self.filled(node, "a text")).transpose()?,
            body,
            when: get("when").map(|node| self.when(node)).transpose()?,
            no_log: get("no_log").map_or(Ok(false), |node| self.yes_or_no(node))?,
        })
    }

    /// The kind of a step, once every key of it is known to belong to that.
    fn kind(&self, node: &Node, entries: &[Entry]) -> Result<Kind, RecipeError> {
        let keys = keys();
        let known = |entry: &Entry| keys.iter().copied().find(|key| *key == entry.key);
        let has = |kind: &Kind| entries.iter().any(|entry| entry.key == kind.key());
        let mut kinds = Kind::ALL.into_iter().filter(has);
        let (first, second) = (kinds.next(), kinds.next());
        if let Some(stranger) = entries.iter().find(|entry| known(entry).is_none()) {
            return Err(match first {
                Some(kind) => self.unknown(stranger, kind.what(), kind.keys()),
                None => self.unknown(stranger, "a step", &keys),
            });
        }
        let kind = match (first, second) {
            (Some(kind), None) => kind,
            (Some(first), Some(second)) => {
                let problem = Problem::TwoKinds { first: first.key(), second: second.key() };
                return Err(self.wrong(node.at, problem));
            }
            (None, _) => return Err(self.wrong(node.at, Problem::NoKind)),
        };
        let misfit = entries.iter().find_map(|entry| {
            known(entry).filter(|key| !kind.keys().contains(key)).map(|key| (entry, key))
        });
        match misfit {
            None => Ok(kind),
            Some((entry, key)) => {
                let others: Vec<_> =
                    kind.keys().iter().copied().filter(|key| *key != kind.key()).collect();
                let problem = Problem::Misfit { key, kind: kind.what(), takes: all_of(&others) };
                Err(self.wrong(entry.at, problem))
            }
        }
    }

    fn when(&self, node: &Node) -> Result<Template, RecipeError> {
        let template = self.template(node, "true, false or a template")?;
        match template.literal().map(str::trim) {
            None | Some("true" | "false") => Ok(template),
            Some(text) => Err(self.wrong(node.at, Problem::When(quoted(text)))),
        }
    }

    fn task(&self, entries: &[Entry]) -> Result<Body, RecipeError> {
        let mut name = String::new();
        let mut with = Vec::new();
        for Entry { key, value, .. } in entries {
            match key.as_str() {
                "task" => {
                    let text = self.scalar(value, "the name of a task")?;
                    if !is_task(text) {
                        return Err(self.expected(value, "the name of a task"));
                    }
                    text.clone_into(&mut name);
                }
                "with" => {
                    for Entry { key, at, value } in
                        self.map(value, "a mapping of the task's keys")?
                    {
                        let value = self.definition(value)?;
                        with.push(With { key: key.clone(), at: self.place(*at), value });
                    }
                }
                _ => {}
            }
        }
        Ok(Body::Task { name, with })
    }

    fn run(&self, entries: &[Entry]) -> Result<Run, RecipeError> {
        let mut run = Run {
            command: Command::Argv(Vec::new()),
            on: None,
            mode: Mode::Parallel,
            env: Vec::new(),
            directory: None,
            become_user: None,
            timeout: None,
            retries: 0,
            run_once: false,
            register: None,
        };
        for Entry { key, value, .. } in entries {
            match key.as_str() {
                "run" => run.command = self.command(value)?,
                "on" => run.on = Some(self.filled(value, "a role, a group or a pattern of hosts")?),
                "in" => run.mode = self.mode(value)?,
                "env" => run.env = self.env(value)?,
                "directory" => run.directory = Some(self.filled(value, "a path")?),
                "become" => run.become_user = Some(self.filled(value, "the name of a user")?),
                "timeout" => run.timeout = Some(self.timeout(value)?),
                "retries" => run.retries = self.count(value, 0, "a whole number from 0")?,
                "run_once" => run.run_once = self.yes_or_no(value)?,
                "register" => run.register = Some(self.register(value)?),
                _ => {}
            }
        }
        match entries.iter().find(|entry| entry.key == "register") {
            Some(entry) if !run.run_once => Err(self.wrong(entry.at, Problem::Register)),
            _ => Ok(run),
        }
    }

    fn register(&self, node: &Node) -> Result<String, RecipeError> {
        let name = self.scalar(node, "the name of a variable")?;
        self.variable(name, node.at).map(|()| name.to_owned())
    }

    fn command(&self, node: &Node) -> Result<Command, RecipeError> {
        let what = "a list of a program and its arguments, or one text for sh -c";
        match &node.body {
            yaml::Body::List(words) if words.is_empty() => Err(self.wrong(
                node.at,
                Problem::Expected { what: what.into(), got: "an empty list".into() },
            )),
            yaml::Body::List(words) => {
                let word = |(number, word): (usize, &Node)| match number {
                    0 => self.filled(word, "a program"),
                    _ => self.template(word, "a text"),
                };
                words.iter().enumerate().map(word).collect::<Result<_, _>>().map(Command::Argv)
            }
            _ => self.filled(node, what).map(Command::Shell),
        }
    }

    fn env(&self, node: &Node) -> Result<Vec<(String, Template)>, RecipeError> {
        let variable = |entry: &Entry| {
            if !super::is_variable(&entry.key) {
                return Err(self.wrong(entry.at, Problem::VariableName(quoted(&entry.key))));
            }
            Ok((entry.key.clone(), self.template(&entry.value, "a text")?))
        };
        self.map(node, "a mapping of environment variables")?.iter().map(variable).collect()
    }

    fn timeout(&self, node: &Node) -> Result<Duration, RecipeError> {
        let time = self.duration(node)?;
        match time.is_zero() {
            true => Err(self.expected(node, "a duration that is not 0")),
            false => Ok(time),
        }
    }

    fn mode(&self, node: &Node) -> Result<Mode, RecipeError> {
        let words = "parallel, sequence or a mapping such as { groups: 25%, wait: 10s }";
        match &node.body {
            yaml::Body::Map(entries) => {
                for entry in entries {
                    if !GROUP_KEYS.contains(&entry.key.as_str()) {
                        return Err(self.unknown(entry, "in", &GROUP_KEYS));
                    }
                }
                let groups = self.groups(entries)?;
                let missing = Problem::Missing {
                    whose: "in",
                    key: "groups",
                    what: "how many hosts at once, or 25%",
                };
                groups.map(Mode::Groups).ok_or_else(|| self.wrong(node.at, missing))
            }
            yaml::Body::Scalar { text, .. } if text == "parallel" => Ok(Mode::Parallel),
            yaml::Body::Scalar { text, .. } if text == "sequence" => Ok(Mode::Sequence),
            _ => Err(self.expected(node, words)),
        }
    }

    /// `groups`, `wait` and `limit`; `None` if there is no `groups`.
    fn groups(&self, entries: &[Entry]) -> Result<Option<Groups>, RecipeError> {
        let mut size = None;
        let mut wait = Duration::ZERO;
        let mut limit = None;
        for Entry { key, value, .. } in entries {
            match key.as_str() {
                "groups" => size = Some(self.group_size(value)?),
                "wait" => wait = self.duration(value)?,
                "limit" => limit = Some(self.count(value, 1, "a whole number from 1")?),
                _ => {}
            }
        }
        Ok(size.map(|size| Groups { size, wait, limit }))
    }

    fn group_size(&self, node: &Node) -> Result<GroupSize, RecipeError> {
        let what = "a number of hosts from 1, or a part of them such as 25%";
        let text = self.scalar(node, what)?;
        if !text.ends_with('%') {
            return self.count(node, 1, what).map(GroupSize::Hosts);
        }
        match text.parse() {
            Ok(percent) if percent > "0".parse().expect("0 is a percentage") => {
                Ok(GroupSize::Part(percent))
            }
            _ => Err(self.expected(node, what)),
        }
    }

    fn switch(&self, entries: &[Entry]) -> Result<Switch, RecipeError> {
        let Some(node) =
            entries.iter().find(|entry| entry.key == "switch").map(|entry| &entry.value)
        else {
            unreachable!("a switch step has a switch")
        };
        let keys = self.map(node, "a mapping; all switch at once with switch: {}")?;
        for entry in keys {
            if !SWITCH_KEYS.contains(&entry.key.as_str()) {
                return Err(self.unknown(entry, "switch", &SWITCH_KEYS));
            }
        }
        let mut switch =
            Switch { groups: self.groups(keys)?, health: Vec::new(), rollback_on_failure: false };
        for Entry { key, at, value } in keys {
            match key.as_str() {
                "health" => switch.health = self.steps(value, Within::Health)?,
                "rollback_on_failure" => switch.rollback_on_failure = self.yes_or_no(value)?,
                "wait" | "limit" if switch.groups.is_none() => {
                    let what = "how many hosts at once, or 25%";
                    let missing = Problem::Missing { whose: "switch", key: "groups", what };
                    return Err(self.wrong(*at, missing));
                }
                _ => {}
            }
        }
        Ok(switch)
    }

    fn stage(&self, node: &Node, entries: &[Entry]) -> Result<Body, RecipeError> {
        let mut stage = None;
        let mut steps = Vec::new();
        for Entry { key, value, .. } in entries {
            match key.as_str() {
                "stage" => {
                    let name = self.scalar(value, "the name of a stage")?;
                    let names = Stage::ALL.map(Stage::as_str);
                    stage = Some(Stage::find(name).ok_or_else(|| {
                        let nearest = nearest(name, names).map(str::to_owned);
                        let problem =
                            Problem::NoStage { got: quoted(name), known: all_of(&names), nearest };
                        self.wrong(value.at, problem)
                    })?);
                }
                "steps" => steps = self.steps(value, Within::Stage)?,
                _ => {}
            }
        }
        match stage {
            Some(Stage::Failed) => {
                let problem = Problem::Misplaced {
                    what: "the stage failed",
                    within: "steps: hooks are tied to it, under after:",
                };
                Err(self.wrong(node.at, problem))
            }
            Some(stage) => Ok(Body::Stage { stage, steps }),
            None => unreachable!("a stage step has a stage"),
        }
    }
}

/// The keys of `in:`.
const GROUP_KEYS: [&str; 3] = ["groups", "wait", "limit"];

/// The keys of `switch:`.
const SWITCH_KEYS: [&str; 5] = ["groups", "wait", "limit", "health", "rollback_on_failure"];

/// `name` or `namespace:name`.
pub(in crate::recipe) fn is_task(text: &str) -> bool {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c))
    };
    text.len() <= 100 && text.split(':').all(word)
}
