//! The variables that a template sees, and what they come to.
//!
//! In this order: what the calling recipe says in `with:`, the values that are given (murder's own,
//! the command line's, the host's), the calling recipe's variables, the recipe's own `vars:`. Those
//! of recipes may be templates of each other and are rendered when they are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use minijinja::value::{Object, Serde};
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;

use super::error::{Problem, RecipeError};
use super::template::Template;
use crate::yaml::Place;

/// What a variable of a recipe is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum Definition {
    /// A number, truth value or nothing.
    Value(Json),
    /// A text.
    Template(Template),
    /// A list.
    List(Vec<Self>),
    /// A mapping.
    Map(Vec<(String, Self)>),
}

/// As it was written, in one line.
impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Template(template) => f.write_str(template.source()),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::to_string).collect();
                f.write_str(&items.join(","))
            }
            Self::Map(_) => f.write_str("a mapping"),
        }
    }
}

/// A variable of a recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Where its name stands.
    pub at: Place,
    /// What it is set to.
    pub value: Definition,
}

/// Variables by name.
pub type Settings = BTreeMap<String, Setting>;

/// Values by name.
pub type Values = BTreeMap<String, Json>;

/// Reads a variable of the workstation's environment.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Values by name, wherever they are kept.
pub trait Layer: Send + Sync {
    /// The value of a name.
    fn value(&self, name: &str) -> Option<&Json>;
    /// Every name that has one.
    fn names(&self) -> Vec<&str>;
}

impl Layer for Values {
    fn value(&self, name: &str) -> Option<&Json> {
        self.get(name)
    }

    fn names(&self) -> Vec<&str> {
        self.keys().map(String::as_str).collect()
    }
}

/// Values that no recipe sets: murder's own, the command line's and the host's.
#[derive(Clone)]
pub struct Given {
    /// The first that has a name counts.
    pub layers: Vec<Arc<dyn Layer>>,
    /// What `env("NAME")` reads.
    pub environment: Environment,
}

impl Given {
    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.layers.iter().find_map(|layer| layer.value(name))
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").finish_non_exhaustive()
    }
}

/// What a template sees.
#[derive(Clone, Debug)]
pub struct Scope(Arc<Frame>);

#[derive(Debug)]
struct Frame {
    given: Given,
    /// The recipe that calls this one, in which `with` is rendered.
    caller: Option<Scope>,
    with: Arc<Settings>,
    vars: Arc<Settings>,
}

impl Scope {
    /// What the templates of a recipe see that the user calls.
    pub fn new(given: Given, vars: Arc<Settings>) -> Self {
        Self(Arc::new(Frame { given, caller: None, with: Arc::default(), vars }))
    }

    /// What the templates of a recipe see that this one calls.
    pub fn call(&self, with: Arc<Settings>, vars: Arc<Settings>) -> Self {
        let given = self.0.given.clone();
        Self(Arc::new(Frame { given, caller: Some(self.clone()), with, vars }))
    }

    /// What a variable comes to; `None` if nobody sets it.
    ///
    /// # Errors
    ///
    /// A template that it needs fails.
    pub fn value(&self, name: &str) -> Result<Option<Json>, RecipeError> {
        match self.find(name) {
            None => Ok(None),
            Some(Found::Value(value)) => Ok(Some(value.clone())),
            Some(Found::Setting(setting, scope)) => {
                setting.value.value(scope.unwrap_or(self)).map(Some)
            }
        }
    }

    /// Whether somebody sets a variable.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Every variable that a template reads, those behind its variables too.
    pub fn reads(&self, template: &Template) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<(&Self, &String)> = template.names().iter().map(|n| (self, n)).collect();
        let mut done: BTreeSet<(*const Frame, &str)> = BTreeSet::new();
        while let Some((scope, name)) = todo.pop() {
            seen.insert(name.clone());
            if let Some(Found::Setting(setting, other)) = scope.find(name)
                && done.insert((Arc::as_ptr(&scope.0), name))
            {
                let scope = other.unwrap_or(scope);
                todo.extend(
                    setting
                        .value
                        .templates()
                        .into_iter()
                        .flat_map(Template::names)
                        .map(|name| (scope, name)),
                );
            }
        }
        seen
    }

    /// The name of every variable that is set.
    pub fn known(&self) -> BTreeSet<String> {
        let frame = &self.0;
        let given = frame.given.layers.iter().flat_map(|layer| layer.names());
        let own = frame.with.keys().chain(frame.vars.keys()).chain(BUILT_IN.keys());
        let mut known: BTreeSet<String> =
            given.chain(own.map(String::as_str)).map(str::to_owned).collect();
        if let Some(caller) = &frame.caller {
            known.extend(caller.known());
        }
        known
    }

    /// Lets a template run with the variables of this scope.
    pub(super) fn run<T>(
        &self,
        go: impl FnOnce(&Lookup) -> Result<T, RecipeError>,
    ) -> Result<T, RecipeError> {
        go(&Lookup { scope: self.clone(), trail: Vec::new(), failure: Arc::default() })
    }

    fn find(&self, name: &str) -> Option<Found<'_>> {
        let built_in = || BUILT_IN.get(name).map(|setting| Found::Setting(setting, None));
        self.find_set(name).or_else(built_in)
    }

    fn find_set(&self, name: &str) -> Option<Found<'_>> {
        let frame = &self.0;
        if let Some(setting) = frame.with.get(name) {
            return Some(Found::Setting(setting, frame.caller.as_ref()));
        }
        if let Some(value) = frame.given.get(name) {
            return Some(Found::Value(value));
        }
        let callers = frame.caller.as_ref().and_then(|caller| match caller.find_set(name)? {
            Found::Setting(setting, scope) => Some(Found::Setting(setting, scope.or(Some(caller)))),
            value @ Found::Value(_) => Some(value),
        });
        callers.or_else(|| frame.vars.get(name).map(|setting| Found::Setting(setting, None)))
    }
}

/// A variable.
enum Found<'s> {
    Value(&'s Json),
    /// With the scope in which it is rendered, if that is another.
    Setting(&'s Setting, Option<&'s Scope>),
}

impl Definition {
    /// What it comes to.
    ///
    /// # Errors
    ///
    /// A template in it fails.
    pub fn value(&self, scope: &Scope) -> Result<Json, RecipeError> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Template(template) => template.value(scope),
            Self::List(items) => items.iter().map(|item| item.value(scope)).collect(),
            Self::Map(entries) => {
                let entry = |(key, value): &(String, Self)| Ok((key.clone(), value.value(scope)?));
                entries.iter().map(entry).collect::<Result<_, _>>().map(Json::Object)
            }
        }
    }

    /// The templates in it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Value(_) => Vec::new(),
            Self::Template(template) => vec![template],
            Self::List(items) => items.iter().flat_map(Self::templates).collect(),
            Self::Map(entries) => entries.iter().flat_map(|(_, value)| value.templates()).collect(),
        }
    }

    fn evaluate(&self, lookup: &Lookup) -> Result<Value, RecipeError> {
        match self {
            Self::Value(value) => Ok(Value::from(Serde(value))),
            Self::Template(template) => template.evaluate(lookup),
            Self::List(items) => {
                let items: Result<Vec<Value>, _> =
                    items.iter().map(|item| item.evaluate(lookup)).collect();
                items.map(Value::from)
            }
            Self::Map(entries) => {
                let entry =
                    |(key, value): &(String, Self)| Ok((key.clone(), value.evaluate(lookup)?));
                let entries: Result<Vec<(String, Value)>, RecipeError> =
                    entries.iter().map(entry).collect();
                entries.map(Value::from_pairs)
            }
        }
    }
}

/// The text of a value, as a key of a task or an argument of a command has it. Items of a list have
/// commas between them.
pub fn text_of(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// A scope while a template runs: what the engine asks for variables.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    scope: Scope,
    /// The variables that are being rendered, each for the one before it.
    trail: Vec<Visit>,
    /// What failed behind a variable, with its place, which an error of the engine has not.
    failure: Arc<Mutex<Option<RecipeError>>>,
}

/// A variable that is being rendered: which one, and with which variables. Another of the same name
/// is another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Visit {
    setting: usize,
    scope: usize,
    name: String,
}

impl Lookup {
    pub(super) fn context(&self) -> Value {
        Value::from_object(self.clone())
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) fn take_failure(&self) -> Option<RecipeError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn setting(&self, name: &str, setting: &Setting, scope: &Scope) -> Result<Value, RecipeError> {
        let visit = Visit {
            setting: std::ptr::from_ref(setting).addr(),
            scope: Arc::as_ptr(&scope.0).addr(),
            name: name.to_owned(),
        };
        if let Some(start) = self.trail.iter().position(|seen| *seen == visit) {
            let names = self.trail[start..].iter().map(|visit| visit.name.as_str()).chain([name]);
            let circle = names.collect::<Vec<_>>().join(" > ");
            return Err(RecipeError::at(&setting.at, Problem::Circle(circle)));
        }
        if self.trail.len() >= FARTHEST {
            let problem = Problem::TooFar(name.to_owned(), FARTHEST);
            return Err(RecipeError::at(&setting.at, problem));
        }
        let mut trail = self.trail.clone();
        trail.push(visit);
        let inner = Self { scope: scope.clone(), trail, failure: Arc::default() };
        setting.value.evaluate(&inner)
    }

    fn environment(&self) -> Value {
        let read = Arc::clone(&self.scope.0.given.environment);
        Value::from_function(move |name: &str, default: Option<String>| {
            read(name).or(default).ok_or_else(|| {
                let problem = format!("this machine's environment has no {name}");
                Error::new(ErrorKind::InvalidOperation, problem)
            })
        })
    }
}

impl Object for Lookup {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let value = match self.scope.find(name) {
            None if name == "env" => return Some(self.environment()),
            None => return None,
            Some(Found::Value(value)) => return Some(Value::from(Serde(value))),
            Some(Found::Setting(setting, scope)) => {
                self.setting(name, setting, scope.unwrap_or(&self.scope))
            }
        };
        Some(value.unwrap_or_else(|error| {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let text = error.to_string();
            failure.get_or_insert(error);
            Value::from(Error::new(ErrorKind::InvalidOperation, text))
        }))
    }
}

/// What murder says of a release, wherever a recipe does not.
pub(super) static BUILT_IN: LazyLock<Settings> = LazyLock::new(|| {
    let setting = |(name, text): (&str, &str)| {
        let value = Template::ours(text);
        (name.to_owned(), Setting { at: value.at().clone(), value: Definition::Template(value) })
    };
    OURS.into_iter().map(setting).collect()
});

/// The paths of a release, and the name under which it is distributed.
const OURS: [(&str, &str); 4] = [
    (
        "tag",
        "{% if application is defined and application %}{{ application }}-{% endif %}{{ release }}",
    ),
    ("release_path", "{{ deploy_to }}/releases/{{ release }}"),
    ("current_path", "{{ deploy_to }}/current"),
    ("shared_path", "{{ deploy_to }}/shared"),
];

/// Variables that no recipe may set, since murder does.
pub const RESERVED: [&str; 9] = [
    "host",
    "release_path",
    "current_path",
    "shared_path",
    "stage",
    "tag",
    "user",
    "started",
    "env",
];

/// Variables that need each other, one after another.
const FARTHEST: usize = 32;
