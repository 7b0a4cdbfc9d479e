//! Who the hosts are: Ansible's YAML inventories, plain lists and `--hosts`, read into hosts with
//! their roles and variables. Everything that may be wrong with one is said before anything
//! connects anywhere.

mod beside;
mod error;
mod fold;
mod graph;
mod host;
mod key;
mod list;
mod name;
mod range;
mod resolve;
mod roles;
pub mod show;
mod value;
mod variable;
mod vars;
mod yaml;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};

pub use error::{InventoryError, Problem};
pub use fold::{fold, ranges};
pub use host::{Address, Host};
pub use key::Key;
pub use range::RangeError;
pub use roles::{Given, Roles};
pub use value::{Connection, PortRange, Value};
pub use vars::{Origin, Var, Vars};

use crate::settings::Source;
use crate::yaml::{Kind, Place};
use graph::Graph;

/// Every host, resolved and checked.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// Where it comes from: the file as it was typed, "stdin" or "--hosts".
    pub file: String,
    /// In file order.
    pub hosts: Vec<Host>,
    /// Every group, `all` and `ungrouped` among them.
    pub groups: Groups,
    /// Who does what; `--limit` does not change it.
    pub roles: Roles,
    /// What is likely to surprise, one sentence each without its full stop.
    pub warnings: Vec<String>,
    index: HashMap<String, usize>,
}

/// Groups by name.
pub type Groups = BTreeMap<String, GroupInfo>;

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its hosts and those of the groups below it, as ascending indices into the inventory's
    /// hosts.
    pub members: Vec<usize>,
    /// Where it is named first.
    pub place: Place,
}

impl Inventory {
    /// Reads and checks an inventory. `overrides` are the `KEY=VALUE`s that come before everything
    /// in it.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it or with them, with file, line and column.
    pub fn load(source: &Source, overrides: &[(String, String)]) -> Result<Self, InventoryError> {
        let file = match source {
            Source::File(path) => path.display().to_string(),
            Source::Stdin => "stdin".to_owned(),
            Source::Hosts(names) => return Self::of_names(names, overrides),
        };
        let read = match source {
            Source::File(path) => File::open(path).and_then(read_bounded),
            _ => read_bounded(io::stdin().lock()),
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(source) => return Err(InventoryError::Read { file, source }),
        };
        let mut inventory = Self::parse(&bytes, &file, overrides)?;
        if let Source::File(path) = source {
            inventory.warnings = beside::unread(path);
        }
        Ok(inventory)
    }

    /// Reads and checks the text of an inventory, which messages call `file`.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn parse(
        bytes: &[u8],
        file: &str,
        overrides: &[(String, String)],
    ) -> Result<Self, InventoryError> {
        let whole = |problem| InventoryError::whole(file, problem);
        let text = crate::yaml::text(bytes, Kind::Inventory)
            .map_err(|wrong| InventoryError::yaml(file, wrong))?;
        let graph = match Form::of(text) {
            Form::Yaml => yaml::read(text, file)?,
            Form::List => list::read_lines(text, file)?,
            Form::Ini => return Err(whole(Problem::Ini)),
            Form::Program => return Err(whole(Problem::Program)),
        };
        Self::of_graph(graph, overrides)
    }

    fn of_names(names: &[String], overrides: &[(String, String)]) -> Result<Self, InventoryError> {
        Self::of_graph(list::read_names(names, "--hosts")?, overrides)
    }

    fn of_graph(graph: Graph, overrides: &[(String, String)]) -> Result<Self, InventoryError> {
        let file = graph.file.to_string();
        if graph.hosts.is_empty() {
            return Err(InventoryError::whole(&file, Problem::NoHosts));
        }
        let resolve::Resolved { hosts, groups } = resolve::resolve(graph, overrides)?;
        let roles = Roles::of(&file, &hosts, &groups)?;
        let names = hosts.iter().enumerate();
        let index = names.map(|(id, host)| (host.name.clone(), id)).collect();
        Ok(Self { file, hosts, groups, roles, warnings: Vec::new(), index })
    }

    /// The host that the agents meet at.
    pub fn tracker(&self) -> &Host {
        &self.hosts[self.roles.tracker]
    }

    /// The host that has the files.
    pub fn seeder(&self) -> &Host {
        &self.hosts[self.roles.seeder]
    }

    /// The hosts that get the files, in file order.
    pub fn peers(&self) -> Vec<&Host> {
        self.roles.peers.iter().map(|&id| &self.hosts[id]).collect()
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.index_of(name).map(|id| &self.hosts[id])
    }

    /// Where the host of this name is in [`Self::hosts`].
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }
}

/// What an inventory is written in.
enum Form {
    Yaml,
    List,
    Ini,
    Program,
}

impl Form {
    /// Told by its lines: no line of a list can have a `: ` in it or a `:` at its end.
    fn of(text: &str) -> Self {
        if text.starts_with("#!") {
            return Self::Program;
        }
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let mut lines = lines.filter(|line| !line.is_empty()).peekable();
        let first = lines.peek().copied().unwrap_or_default();
        if is_ini_section(first) {
            return Self::Ini;
        }
        let yaml = |line: &str| {
            line.ends_with(':')
                || line.contains(": ")
                || line.starts_with(['{', '%', '"', '\''])
                || line == "---"
                || line.starts_with("- ")
        };
        if lines.any(yaml) { Self::Yaml } else { Self::List }
    }
}

/// `[web]`, `[web:vars]` or `[web:children]`.
fn is_ini_section(line: &str) -> bool {
    let body = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_default();
    let (group, kind) = body.split_once(':').unwrap_or((body, "hosts"));
    name::is_group(group) && ["hosts", "vars", "children"].contains(&kind)
}

fn read_bounded(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(Kind::Inventory.largest() as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_is_an_inventory() {
        let source = Source::Hosts(vec!["web1".into(), "root@web2:2222".into()]);
        let inventory = Inventory::load(&source, &[]).unwrap();
        assert_eq!(inventory.tracker().name, "web1");
        assert_eq!(inventory.seeder().name, "web1");
        assert_eq!(inventory.peers().len(), 2);
        let address = Address::Ssh {
            destination: "web2".into(),
            port: Some(2222),
            user: Some("root".into()),
            key_file: None,
        };
        assert_eq!(inventory.hosts[1].address, address);
    }
}
