//! The values that a recipe's templates are given for each host.

use std::collections::BTreeMap;
use std::sync::Arc;

use murder_protocol::Tag;
use serde_json::Value as Json;

use crate::inventory::Host;
use crate::recipe::{Environment, Given, Script, Stage, Values};
use crate::report::Refusal;
use crate::settings::Called;

/// What is given, but for what belongs to one host.
pub(super) struct Variables {
    /// What changes while the recipe runs: `stage`, `started`, and what steps registered.
    now: Values,
    /// The release and what is named after it.
    release: Values,
    /// What was typed.
    typed: Arc<Values>,
    environment: Environment,
    /// The variables of the first peer, for a tracker or seeder that has none of its own.
    first: Arc<Values>,
    /// Who runs the recipe.
    who: String,
}

impl Variables {
    /// For a recipe as it was called. A release that neither the line nor the recipe names is
    /// named after the time.
    pub(super) fn new(
        script: &Script,
        called: &Called,
        who: &str,
        release: &Tag,
        first: Option<&Host>,
    ) -> Result<Self, Refusal> {
        let mut typed = Values::new();
        for (key, text) in &called.typed {
            let value = match key.as_str() {
                "flags" => flags(text),
                key => script.typed(key, text).map_err(|error| Refusal::new(&error, None))?,
            };
            typed.insert(key.clone(), value);
        }
        let mut now = Values::new();
        now.insert("started".into(), Json::Array(Vec::new()));
        now.insert("stage".into(), "".into());
        if !typed.contains_key("flags") {
            now.insert("flags".into(), Json::Array(Vec::new()));
        }
        let mut own = Values::new();
        if !typed.contains_key("release") && !script.vars().contains_key("release") {
            own.insert("release".into(), release.as_str().into());
        }
        let environment: Environment = Arc::new(|name: &str| std::env::var(name).ok());
        let typed = Arc::new(typed);
        let first = Arc::new(first.map(values).unwrap_or_default());
        Ok(Self { now, release: own, typed, environment, first, who: who.to_owned() })
    }

    /// The next step belongs to a stage, or to none.
    pub(super) fn belong_to(&mut self, stage: Option<Stage>) {
        self.now.insert("stage".into(), stage.map_or("", Stage::as_str).into());
    }

    /// This run has started something, or stopped it again.
    pub(super) fn started(&mut self, what: &[&str]) {
        self.now.insert("started".into(), what.iter().copied().collect());
    }

    /// A step's output, for later ones.
    pub(super) fn register(&mut self, name: &str, value: &str) {
        self.now.insert(name.to_owned(), value.into());
    }

    /// What a host's templates are given.
    pub(super) fn of(&self, host: &Host) -> Given {
        let mut own = self.now.clone();
        own.extend(self.release.clone());
        own.insert("host".into(), host.name.as_str().into());
        own.insert("user".into(), self.who.as_str().into());
        let layers = vec![
            Arc::new(own),
            Arc::clone(&self.typed),
            Arc::new(values(host)),
            Arc::clone(&self.first),
        ];
        let mut given = Given { layers, environment: Arc::clone(&self.environment) };
        let tag = tag_of(&given);
        given.layers.push(Arc::new(BTreeMap::from([("tag".to_owned(), tag)])));
        given
    }
}

/// What the inventory says of a host.
fn values(host: &Host) -> Values {
    host.vars.iter().map(|(name, var)| (name.into(), var.json.clone())).collect()
}

/// The distribution's name: that of the application and the release.
fn tag_of(given: &Given) -> Json {
    let text = |name: &str| match given.get(name) {
        Some(Json::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Json::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let release = text("release").unwrap_or_default();
    match text("application") {
        Some(application) => format!("{application}-{release}").into(),
        None => release.into(),
    }
}

fn flags(text: &str) -> Json {
    let flags = text.split(',').map(str::trim).filter(|flag| !flag.is_empty());
    flags.collect()
}
