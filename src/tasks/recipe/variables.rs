//! The values that a recipe's templates are given, and which hosts they are the same for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use murder_protocol::Tag;
use serde_json::Value as Json;

use crate::inventory::Host;
use crate::recipe::{Environment, Given, Layer, Script, Stage, Values};
use crate::report::Refusal;
use crate::settings::Called;

/// What is given, but for what belongs to one host.
#[derive(Clone)]
pub(super) struct Variables {
    /// murder's own: the release, who runs the recipe, and what changes while it runs, which is
    /// `stage`, `started` and what steps registered.
    ours: Arc<Values>,
    /// What was typed.
    typed: Arc<Values>,
    environment: Environment,
    /// The first peer, for a tracker or seeder that has no variables of its own.
    first: Option<Arc<Host>>,
}

/// Some hosts in their order, and what is given to each. Many are given the same.
pub(super) struct Share {
    /// Each with the place of what it is given.
    pub(super) hosts: Vec<(Arc<Host>, usize)>,
    pub(super) given: Vec<Given>,
}

impl Variables {
    /// For a recipe as it was called. A release that neither the line nor the recipe names is
    /// named after the time.
    pub(super) fn new(
        script: &Script,
        called: &Called,
        who: &str,
        release: &Tag,
        first: Option<Arc<Host>>,
    ) -> Result<Self, Refusal> {
        let mut typed = Values::new();
        for (key, text) in &called.typed {
            let value = match key.as_str() {
                "flags" => flags(text),
                key => script.typed(key, text).map_err(|error| Refusal::new(&error, None))?,
            };
            typed.insert(key.clone(), value);
        }
        let mut ours = Values::new();
        ours.insert("user".into(), who.into());
        ours.insert("started".into(), Json::Array(Vec::new()));
        ours.insert("stage".into(), "".into());
        if !typed.contains_key("flags") {
            ours.insert("flags".into(), Json::Array(Vec::new()));
        }
        if !typed.contains_key("release") && !script.vars().contains_key("release") {
            ours.insert("release".into(), release.as_str().into());
        }
        let environment: Environment = Arc::new(|name: &str| std::env::var(name).ok());
        Ok(Self { ours: Arc::new(ours), typed: Arc::new(typed), environment, first })
    }

    /// The next step belongs to a stage, or to none.
    pub(super) fn belong_to(&mut self, stage: Option<Stage>) {
        self.set("stage", stage.map_or("", Stage::as_str).into());
    }

    /// This run has started something, or stopped it again.
    pub(super) fn started(&mut self, what: &[&str]) {
        self.set("started", what.iter().copied().collect());
    }

    /// A step's output, for later ones.
    pub(super) fn register(&mut self, name: &str, value: &str) {
        self.set(name, value.into());
    }

    fn set(&mut self, name: &str, value: Json) {
        Arc::make_mut(&mut self.ours).insert(name.to_owned(), value);
    }

    /// What a host's templates are given.
    pub(super) fn of(&self, host: &Arc<Host>) -> Given {
        let mut layers: Vec<Arc<dyn Layer>> = vec![
            self.ours.clone(),
            Arc::new(Values::from([(HOST.to_owned(), host.name.as_str().into())])),
            self.typed.clone(),
            host.clone(),
        ];
        layers.extend(self.first.clone().map(|first| first as Arc<dyn Layer>));
        Given { layers, environment: Arc::clone(&self.environment) }
    }

    /// What hosts are given for templates that read these variables and no others. Those of whom
    /// the inventory says the same are given the same.
    pub(super) fn share(&self, hosts: Vec<Arc<Host>>, names: &BTreeSet<&str>) -> Share {
        let mut given = Vec::new();
        if names.contains(HOST) {
            given.extend(hosts.iter().map(|host| self.of(host)));
            return Share { hosts: hosts.into_iter().zip(0..).collect(), given };
        }
        let mut known: HashMap<Vec<Option<&Json>>, usize> = HashMap::new();
        let mut places = Vec::with_capacity(hosts.len());
        for host in &hosts {
            let says = names.iter().map(|name| host.value(name)).collect();
            places.push(*known.entry(says).or_insert_with(|| {
                given.push(self.of(host));
                given.len() - 1
            }));
        }
        Share { hosts: hosts.into_iter().zip(places).collect(), given }
    }
}

/// What the inventory says of a host.
impl Layer for Host {
    fn value(&self, name: &str) -> Option<&Json> {
        self.vars.kept(name).map(|var| &var.json)
    }

    fn names(&self) -> Vec<&str> {
        self.vars.iter().map(|(name, _)| name).collect()
    }
}

fn flags(text: &str) -> Json {
    let flags = text.split(',').map(str::trim).filter(|flag| !flag.is_empty());
    flags.collect()
}

/// The variable that no two hosts share.
const HOST: &str = "host";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;
    use crate::recipe::Book;

    fn share(names: &[&str]) -> Vec<usize> {
        let yaml = "all:\n  hosts:\n    a: {rack: 1, port: 1}\n    b: {rack: 2, port: 2}\n    \
                    c: {rack: 1, port: 3}\n    d: {}\n";
        let inventory = Inventory::parse(yaml.as_bytes(), "i", &[]).unwrap();
        let hosts: Vec<_> = inventory.hosts.into_iter().map(Arc::new).collect();
        let script = Script::expand(&Book::new(TASKS.to_vec()), "deploy:unlock").unwrap();
        let called = Called { name: "x", typed: Vec::new(), secret: BTreeSet::new() };
        let release = "r1".parse().unwrap();
        let variables = Variables::new(&script, &called, "ada", &release, None).unwrap();
        let share = variables.share(hosts, &names.iter().copied().collect());
        assert!(share.hosts.iter().map(|(host, _)| host.name.as_str()).eq(["a", "b", "c", "d"]));
        share.hosts.into_iter().map(|(_, place)| place).collect()
    }

    const TASKS: [&str; 1] = ["unlock_deploys"];

    #[test]
    fn hosts_are_given_the_same_unless_they_differ_in_what_is_read() {
        assert_eq!(share(&[]), [0, 0, 0, 0]);
        assert_eq!(share(&["release"]), [0, 0, 0, 0]);
        assert_eq!(share(&["rack"]), [0, 1, 0, 2]);
        assert_eq!(share(&["rack", "host"]), [0, 1, 2, 3]);
    }
}
