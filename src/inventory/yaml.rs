//! Ansible's YAML inventories: groups with `hosts`, `children` and `vars`.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::{InventoryError, Problem};
use super::graph::{ALL, Graph, GroupId, HostId, UNGROUPED};
use super::key::Key;
use super::name;
use super::variable;
use super::vars::{Origin, Var};
use crate::suggest::nearest;
use crate::yaml::{Body, Entry, Kind, Mark, Node, Place, quoted};

/// Reads an inventory. Top-level groups beside `all` are below it.
pub(super) fn read(text: &str, file: &str) -> Result<Graph, InventoryError> {
    let root =
        Node::parse(text, Kind::Inventory).map_err(|wrong| InventoryError::yaml(file, wrong))?;
    let mut reader = Reader { graph: Graph::new(file) };
    let Body::Map(groups) = &root.body else {
        return Err(reader.expected(&root, "a mapping of groups, such as all:"));
    };
    for entry in groups {
        if SECTIONS.contains(&entry.key.as_str()) {
            return Err(reader.graph.wrong(entry.at, Problem::TopLevel(entry.key.clone())));
        }
        if entry.key == "plugin" {
            return Err(reader.graph.wrong(entry.at, Problem::Plugin));
        }
        let id = reader.group_named(entry)?;
        reader.group(id, &entry.value)?;
    }
    for host in &mut reader.graph.hosts {
        if host.groups.iter().all(|&group| group == ALL) {
            host.groups.push(UNGROUPED);
        }
    }
    Ok(reader.graph)
}

const SECTIONS: [&str; 3] = ["hosts", "children", "vars"];

struct Reader {
    graph: Graph,
}

impl Reader {
    fn expected(&self, node: &Node, what: &str) -> InventoryError {
        let problem = Problem::Expected { what: what.to_owned(), got: node.what() };
        self.graph.wrong(node.at, problem)
    }

    fn group_named(&mut self, entry: &Entry) -> Result<GroupId, InventoryError> {
        match name::is_group(&entry.key) {
            true => Ok(self.graph.group(&entry.key, entry.at)),
            false => Err(self.graph.wrong(entry.at, Problem::GroupName(quoted(&entry.key)))),
        }
    }

    fn group(&mut self, id: GroupId, node: &Node) -> Result<(), InventoryError> {
        let sections = match &node.body {
            Body::Null => return Ok(()),
            Body::Map(sections) => sections,
            _ => return Err(self.expected(node, "a mapping with hosts, children or vars")),
        };
        for section in sections {
            match section.key.as_str() {
                "hosts" => self.hosts(id, &section.value)?,
                "children" => self.children(id, &section.value)?,
                "vars" => self.group_vars(id, &section.value)?,
                other => {
                    let nearest = nearest(other, SECTIONS).map(str::to_owned);
                    let problem = Problem::Section { got: quoted(other), nearest };
                    return Err(self.graph.wrong(section.at, problem));
                }
            }
        }
        Ok(())
    }

    fn children(&mut self, parent: GroupId, node: &Node) -> Result<(), InventoryError> {
        for entry in self.names(node, "a mapping of groups, such as web:")?.iter() {
            let child = self.group_named(entry)?;
            if child == ALL {
                return Err(self.graph.wrong(entry.at, Problem::AllBelow));
            }
            self.graph.adopt(parent, child, entry.at);
            self.group(child, &entry.value)?;
        }
        Ok(())
    }

    fn hosts(&mut self, group: GroupId, node: &Node) -> Result<(), InventoryError> {
        let mut seen: HashMap<HostId, Mark> = HashMap::new();
        for entry in self.names(node, "a mapping of hosts, such as web1:")?.iter() {
            let ids = self.graph.hosts(&entry.key, entry.at)?;
            let vars = self.vars(&entry.value, Origin::Host)?;
            for id in ids {
                if let Some(first) = seen.insert(id, entry.at) {
                    let host = self.graph.hosts[id].name.clone();
                    let first = first.of(&self.graph.file).to_string();
                    return Err(self.graph.wrong(entry.at, Problem::HostTwice { host, first }));
                }
                let groups = &mut self.graph.hosts[id].groups;
                if !groups.contains(&group) {
                    groups.push(group);
                }
                for (var, mark) in &vars {
                    self.graph.set_host_var(id, Arc::clone(var), *mark)?;
                }
            }
        }
        Ok(())
    }

    fn group_vars(&mut self, group: GroupId, node: &Node) -> Result<(), InventoryError> {
        let name = Arc::clone(&self.graph.groups[group].name);
        for (var, mark) in self.vars(node, |place| Origin::Group(Arc::clone(&name), place))? {
            self.graph.set_group_var(group, var, mark)?;
        }
        Ok(())
    }

    /// The entries of a mapping of hosts or groups. A single name may stand for a mapping of one.
    fn names<'a>(
        &self,
        node: &'a Node,
        what: &str,
    ) -> Result<std::borrow::Cow<'a, [Entry]>, InventoryError> {
        match &node.body {
            Body::Null => Ok(Vec::new().into()),
            Body::Map(entries) => Ok(entries.into()),
            Body::Scalar { text, .. } => {
                let value = Node { at: node.at, body: Body::Null };
                Ok(vec![Entry { key: text.clone(), at: node.at, value }].into())
            }
            Body::List(_) => Err(self.expected(node, what)),
        }
    }

    fn vars(
        &self,
        node: &Node,
        origin: impl Fn(Place) -> Origin,
    ) -> Result<Vec<(Arc<Var>, Mark)>, InventoryError> {
        let entries = match &node.body {
            Body::Null => return Ok(Vec::new()),
            Body::Map(entries) => entries,
            _ => return Err(self.expected(node, "a mapping of variables")),
        };
        let var = |entry: &Entry| {
            let place = entry.at.of(&self.graph.file);
            Ok((Arc::new(self.var(entry)?.var(origin(place))), entry.at))
        };
        entries.iter().map(var).collect()
    }

    fn var(&self, entry: &Entry) -> Result<variable::Checked, InventoryError> {
        let Entry { key: name, at, value } = entry;
        let text = match &value.body {
            Body::Scalar { text, .. } => Some(text.as_str()),
            _ => None,
        };
        match (Key::of(name), text) {
            (None, _) => variable::other(name, value.json(), text.unwrap_or_default().is_empty())
                .map_err(|problem| self.graph.wrong(*at, problem)),
            (Some(key), Some(text)) => variable::ours(key, name, text)
                .map_err(|problem| self.graph.wrong(value.at, problem)),
            (Some(key), None) => {
                Err(self.expected(value, &format!("{} for {name}", key.expects())))
            }
        }
    }
}
