//! Lets hosts inherit from their groups: all < parent < child < host < command line.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::error::{InventoryError, Problem};
use super::graph::{ALL, Draft, Graph, GroupId};
use super::host::{Address, Host};
use super::key::Key;
use super::value::Value;
use super::vars::{Layer, Origin, Var, Vars};
use super::{GroupInfo, Groups, variable};

/// What an inventory comes to.
pub(super) struct Resolved {
    pub(super) hosts: Vec<Host>,
    pub(super) groups: Groups,
}

/// Resolves a graph. `overrides` are the `KEY=VALUE`s of the command line.
pub(super) fn resolve(
    graph: Graph,
    overrides: &[(String, String)],
) -> Result<Resolved, InventoryError> {
    let overrides = command_line(overrides, graph.hosts.len())?;
    let depths = depths(&graph)?;
    let mut families = Families { graph: &graph, depths: &depths, known: HashMap::new(), size: 0 };
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); graph.groups.len()];
    let mut hosts = Vec::with_capacity(graph.hosts.len());
    for (id, draft) in graph.hosts.iter().enumerate() {
        let family = families.of(&draft.groups, &overrides)?;
        for &group in &family.groups {
            members[group].push(id);
        }
        hosts.push(host(draft, &family.vars, &overrides)?);
    }
    let info = |(group, members): (&super::graph::Group, Vec<usize>)| {
        (group.name.to_string(), GroupInfo { members, place: group.place.clone() })
    };
    let groups = graph.groups.iter().zip(members).map(info).collect();
    Ok(Resolved { hosts, groups })
}

fn host(draft: &Draft, shared: &Arc<Layer>, overrides: &Layer) -> Result<Host, InventoryError> {
    let mut own = draft.vars.clone();
    for (name, var) in &own {
        if let Some(inherited) = shared.get(name)
            && inherited.origin != Origin::CommandLine
        {
            same_spelling(var, inherited)?;
        }
    }
    own.retain(|name, _| !overrides.contains_key(name));
    let vars = Vars { shared: Arc::clone(shared), own };
    Ok(Host {
        address: Address::of(&draft.name, &vars),
        name: draft.name.clone(),
        vars,
        place: draft.place.clone(),
    })
}

/// A host that inherits `user` and has `ansible_user` would get one of them by chance.
fn same_spelling(var: &Var, inherited: &Var) -> Result<(), InventoryError> {
    let place = match &var.origin {
        Origin::Host(place) | Origin::Group(_, place) if var.name != inherited.name => place,
        _ => return Ok(()),
    };
    let problem = Problem::Synonyms {
        one: var.name.to_string(),
        other: inherited.name.to_string(),
        first: inherited.origin.at(),
    };
    Err(InventoryError::at(place.clone(), problem))
}

/// The variables of the command line.
fn command_line(overrides: &[(String, String)], hosts: usize) -> Result<Layer, InventoryError> {
    let mut layer = Layer::new();
    for (key, value) in overrides {
        let wrong = |problem| InventoryError::CommandLine {
            key: key.clone(),
            value: value.clone(),
            problem: Box::new(problem),
        };
        let checked = match Key::of(key) {
            Some(Key::Host) if hosts > 1 => return Err(wrong(Problem::OneForAll)),
            Some(ours) => variable::ours(ours, key, value),
            None => variable::other(key, value.as_str().into(), value.is_empty()),
        };
        let var = Arc::new(checked.map_err(wrong)?.var(Origin::CommandLine));
        if let Some(first) = layer.insert(variable::kept_as(key).into(), var) {
            return Err(wrong(Problem::GivenTwice(first.name.to_string())));
        }
    }
    Ok(layer)
}

/// The groups above hosts, found once for all hosts of the same groups.
struct Families<'a> {
    graph: &'a Graph,
    depths: &'a [usize],
    known: HashMap<Vec<GroupId>, Arc<Family>>,
    /// Groups and variables in `known`.
    size: usize,
}

/// Groups and variables that all families may have together, so that a hostile inventory, in which
/// each host has groups of its own below very many, ends in a message and not in swap.
const LARGEST: usize = 4_000_000;

/// A host's groups, direct and inherited, and what they say.
struct Family {
    groups: Vec<GroupId>,
    vars: Arc<Layer>,
}

impl Families<'_> {
    fn of(&mut self, direct: &[GroupId], overrides: &Layer) -> Result<Arc<Family>, InventoryError> {
        let mut key = direct.to_vec();
        key.sort_unstable();
        if let Some(family) = self.known.get(&key) {
            return Ok(Arc::clone(family));
        }
        let groups = self.in_order(direct);
        let mut vars = Layer::new();
        for &group in &groups {
            for (name, var) in &self.graph.groups[group].vars {
                if let Some(inherited) = vars.insert(Arc::clone(name), Arc::clone(var)) {
                    same_spelling(var, &inherited)?;
                }
            }
        }
        vars.extend(overrides.clone());
        self.size += groups.len() + vars.len();
        if self.size > LARGEST {
            return Err(InventoryError::whole(&self.graph.file, Problem::TooMuch));
        }
        let family = Arc::new(Family { groups, vars: Arc::new(vars) });
        self.known.insert(key, Arc::clone(&family));
        Ok(family)
    }

    /// Ansible's order, in which a later group's variables win: by depth, priority and name.
    fn in_order(&self, direct: &[GroupId]) -> Vec<GroupId> {
        let mut found: BTreeSet<GroupId> = direct.iter().copied().chain([ALL]).collect();
        let mut todo: Vec<GroupId> = direct.to_vec();
        while let Some(group) = todo.pop() {
            let parents = self.graph.groups[group].parents.keys();
            todo.extend(parents.copied().filter(|&parent| found.insert(parent)));
        }
        let mut groups: Vec<GroupId> = found.into_iter().collect();
        groups.sort_by_key(|&id| {
            let group = &self.graph.groups[id];
            (self.depths[id], priority(&group.vars), Arc::clone(&group.name))
        });
        groups
    }
}

fn priority(vars: &Layer) -> i64 {
    match vars.get(Key::GroupPriority.name()).and_then(|var| var.known.as_ref()) {
        Some(Value::Number(number)) => *number,
        _ => 1,
    }
}

/// How far each group is below `all`, by the longest way. A group that is its own ancestor is an
/// error.
fn depths(graph: &Graph) -> Result<Vec<usize>, InventoryError> {
    let mut missing: Vec<usize> = graph.groups.iter().map(|group| group.parents.len()).collect();
    let mut children = vec![Vec::new(); graph.groups.len()];
    for (id, group) in graph.groups.iter().enumerate() {
        for &parent in group.parents.keys() {
            children[parent].push(id);
        }
    }
    let mut depths: Vec<usize> = (0..graph.groups.len()).map(|id| usize::from(id != ALL)).collect();
    let mut ready: Vec<GroupId> = (0..missing.len()).filter(|&id| missing[id] == 0).collect();
    while let Some(parent) = ready.pop() {
        for &child in &children[parent] {
            depths[child] = depths[child].max(depths[parent] + 1);
            missing[child] -= 1;
            if missing[child] == 0 {
                ready.push(child);
            }
        }
    }
    match missing.iter().position(|&missing| missing > 0) {
        None => Ok(depths),
        Some(stuck) => Err(cycle(graph, &missing, stuck)),
    }
}

/// Goes up from a group whose depth can't be told, until it meets itself.
fn cycle(graph: &Graph, missing: &[usize], stuck: GroupId) -> InventoryError {
    let mut way = vec![stuck];
    loop {
        let here = way[way.len() - 1];
        let parents = &graph.groups[here].parents;
        let stuck_parent = parents.iter().find(|(parent, _)| missing[**parent] > 0);
        let Some((&parent, place)) = stuck_parent else {
            unreachable!("a group whose depth can't be told has a parent of the same kind")
        };
        if let Some(start) = way.iter().position(|&seen| seen == parent) {
            let mut names: Vec<&str> =
                way[start..].iter().map(|&id| &*graph.groups[id].name).collect();
            names.push(&graph.groups[parent].name);
            names.reverse();
            let problem = Problem::Cycle(super::error::chain(&names));
            return InventoryError::at(place.clone(), problem);
        }
        way.push(parent);
    }
}
