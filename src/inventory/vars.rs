//! A host's variables: the value that counts, and where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::key::Key;
use super::value::Value;
use crate::yaml::Place;

/// The variables of one host. Hosts of the same groups share what the groups say.
#[derive(Clone, Debug, Default)]
pub struct Vars {
    pub(super) shared: Arc<Layer>,
    pub(super) own: Layer,
}

/// Variables by the name that they are kept under: [`Key::name`] for ours.
pub(super) type Layer = BTreeMap<Arc<str>, Arc<Var>>;

/// One variable.
#[derive(Clone, Debug)]
pub struct Var {
    /// As it was written, "user" and not "ansible_user".
    pub name: Arc<str>,
    /// Whatever it says.
    pub json: serde_json::Value,
    /// The same, checked, if it is one of ours.
    pub known: Option<Value>,
    /// Who says so.
    pub origin: Origin,
}

/// Who gave a variable its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is murder's default.
    Default,
    /// A group's `vars`.
    Group(Arc<str>, Place),
    /// The host itself.
    Host(Place),
    /// `KEY=VALUE`.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Group(group, place) => write!(f, "{place} (group {group})"),
            Self::Host(place) => write!(f, "{place}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

impl Origin {
    /// The place alone.
    pub(super) fn at(&self) -> String {
        match self {
            Self::Group(_, place) | Self::Host(place) => place.to_string(),
            Self::Default | Self::CommandLine => self.to_string(),
        }
    }
}

impl Vars {
    /// A variable by its name, however one of ours is spelt.
    pub fn get(&self, name: &str) -> Option<&Var> {
        let name = Key::of(name).map_or(name, |key| key.name());
        self.kept(name)
    }

    /// A variable by the name that it is kept under.
    pub fn kept(&self, name: &str) -> Option<&Var> {
        self.own.get(name).or_else(|| self.shared.get(name)).map(AsRef::as_ref)
    }

    /// One of ours, checked.
    pub fn known(&self, key: Key) -> Option<&Value> {
        let name = key.name();
        self.own.get(name).or_else(|| self.shared.get(name))?.known.as_ref()
    }

    /// Sets a variable, as the command line does.
    pub(super) fn set(&mut self, name: &str, json: serde_json::Value) {
        let key = Key::of(name);
        let known = key.and_then(|key| Value::parse(key, json.as_str()?));
        let name: Arc<str> = match key {
            Some(key) => key.name().into(),
            None => name.into(),
        };
        let var = Var { name: Arc::clone(&name), json, known, origin: Origin::CommandLine };
        self.own.insert(name, Arc::new(var));
    }

    /// All of them by name, ours under [`Key::name`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        let shared = self.shared.iter().filter(|(name, _)| !self.own.contains_key(*name));
        shared.chain(&self.own).map(|(name, var)| (&**name, &**var))
    }
}
