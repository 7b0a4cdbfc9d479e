//! Hosts and groups as an inventory names them, before anything is inherited.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::error::{InventoryError, Problem};
use super::key::Key;
use super::range;
use super::vars::{Layer, Origin, Var};
use super::{name, variable};
use crate::yaml::{Mark, Place, quoted};

/// What has been read so far.
pub(super) struct Graph {
    /// The source's name, for places.
    pub(super) file: Arc<str>,
    pub(super) hosts: Vec<Draft>,
    pub(super) groups: Vec<Group>,
    host_ids: HashMap<String, HostId>,
    group_ids: HashMap<Arc<str>, GroupId>,
}

/// An index into [`Graph::hosts`].
pub(super) type HostId = usize;
/// An index into [`Graph::groups`].
pub(super) type GroupId = usize;

/// The group that every host is in.
pub(super) const ALL: GroupId = 0;
/// The group of hosts that are in no other.
pub(super) const UNGROUPED: GroupId = 1;
/// More hosts than this are taken for a mistake.
pub(super) const MOST_HOSTS: usize = 100_000;

/// A host with what stands at its own name.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) vars: Layer,
    /// Groups that name it directly.
    pub(super) groups: Vec<GroupId>,
}

/// A group with what stands at its own name.
pub(super) struct Group {
    pub(super) name: Arc<str>,
    /// Where it is named first.
    pub(super) place: Place,
    pub(super) vars: Layer,
    /// Groups that have it as a child, and where they say so.
    pub(super) parents: BTreeMap<GroupId, Place>,
}

impl Graph {
    pub(super) fn new(file: &str) -> Self {
        let mut graph = Self {
            file: file.into(),
            hosts: Vec::new(),
            groups: Vec::new(),
            host_ids: HashMap::new(),
            group_ids: HashMap::new(),
        };
        graph.group("all", Mark::START);
        graph.group("ungrouped", Mark::START);
        graph
    }

    /// An error at a place of this source.
    pub(super) fn wrong(&self, mark: Mark, problem: Problem) -> InventoryError {
        InventoryError::at(mark.of(&self.file), problem)
    }

    /// The group of this name, which begins to exist if it did not.
    pub(super) fn group(&mut self, name: &str, mark: Mark) -> GroupId {
        if let Some(&id) = self.group_ids.get(name) {
            return id;
        }
        let (name, place): (Arc<str>, _) = (name.into(), mark.of(&self.file));
        let group =
            Group { name: Arc::clone(&name), place, vars: Layer::new(), parents: BTreeMap::new() };
        self.groups.push(group);
        self.group_ids.insert(name, self.groups.len() - 1);
        self.groups.len() - 1
    }

    /// Makes one group the child of another.
    pub(super) fn adopt(&mut self, parent: GroupId, child: GroupId, mark: Mark) {
        let place = mark.of(&self.file);
        self.groups[child].parents.entry(parent).or_insert(place);
    }

    /// The hosts that a pattern such as `web[01:50]:2222` stands for, which begin to exist if they
    /// did not.
    pub(super) fn hosts(
        &mut self,
        pattern: &str,
        mark: Mark,
    ) -> Result<Vec<HostId>, InventoryError> {
        let (names, port) = name::split_port(pattern);
        let names = match name::host(names) {
            Some(name) => vec![name.to_owned()],
            None => range::expand(names, MOST_HOSTS)
                .map_err(|error| self.wrong(mark, Problem::Range(error)))?,
        };
        let port = port
            .map(|port| variable::ours(Key::Port, "ansible_port", port))
            .transpose()
            .map_err(|problem| self.wrong(mark, problem))?;
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            let id = self.host(name, mark)?;
            if let Some(checked) = &port {
                let origin = Origin::Host(mark.of(&self.file));
                self.set_host_var(id, Arc::new(checked.clone().var(origin)), mark)?;
            }
            ids.push(id);
        }
        Ok(ids)
    }

    fn host(&mut self, name: String, mark: Mark) -> Result<HostId, InventoryError> {
        if let Some(&id) = self.host_ids.get(&name) {
            return Ok(id);
        }
        if name::host(&name).is_none() {
            return Err(self.wrong(mark, Problem::HostName(quoted(&name))));
        }
        if self.hosts.len() == MOST_HOSTS {
            return Err(self.wrong(mark, Problem::TooManyHosts(MOST_HOSTS)));
        }
        let place = mark.of(&self.file);
        let draft = Draft { name: name.clone(), place, vars: Layer::new(), groups: Vec::new() };
        self.hosts.push(draft);
        self.host_ids.insert(name, self.hosts.len() - 1);
        Ok(self.hosts.len() - 1)
    }

    /// Sets a variable that stands at a host's name.
    pub(super) fn set_host_var(
        &mut self,
        id: HostId,
        var: Arc<Var>,
        mark: Mark,
    ) -> Result<(), InventoryError> {
        let host = &mut self.hosts[id];
        let whose = format!("the host {:?}", host.name);
        set(&mut host.vars, var, &whose).map_err(|problem| self.wrong(mark, problem))
    }

    /// Sets a variable that stands in a group's `vars`.
    pub(super) fn set_group_var(
        &mut self,
        id: GroupId,
        var: Arc<Var>,
        mark: Mark,
    ) -> Result<(), InventoryError> {
        let group = &mut self.groups[id];
        let whose = format!("the group {:?}", group.name);
        set(&mut group.vars, var, &whose).map_err(|problem| self.wrong(mark, problem))
    }
}

/// The same variable may be given twice where a host or group is named twice, if it says the same.
fn set(layer: &mut Layer, var: Arc<Var>, whose: &str) -> Result<(), Problem> {
    let Some(first) = layer.get(variable::kept_as(&var.name)) else {
        layer.insert(variable::kept_as(&var.name).into(), var);
        return Ok(());
    };
    let first_at = first.origin.at();
    match first.name == var.name {
        false => Err(Problem::Synonyms {
            one: var.name.to_string(),
            other: first.name.to_string(),
            first: first_at,
        }),
        true if first.json == var.json => Ok(()),
        true => Err(Problem::Clash {
            whose: whose.to_owned(),
            var: var.name.to_string(),
            first: first_at,
        }),
    }
}
