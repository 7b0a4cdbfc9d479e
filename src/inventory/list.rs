//! A plain list of hosts: one a line, `[user@]host[:port]`, ranges as in YAML, comments after `#`.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::{InventoryError, Problem};
use super::graph::{Graph, HostId, UNGROUPED};
use super::key::Key;
use super::variable;
use super::vars::Origin;
use crate::yaml::Mark;

/// Reads the lines of a file.
pub(super) fn read_lines(text: &str, file: &str) -> Result<Graph, InventoryError> {
    let mut list = List::new(file);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let column = 1 + line.chars().take_while(|c| c.is_whitespace()).count() as u32;
        let mark = Mark { line: number, column };
        match line.trim() {
            "" => {}
            entry if entry.contains(char::is_whitespace) => {
                return Err(list.graph.wrong(mark, Problem::NotOneHost));
            }
            entry => list.add(entry, mark)?,
        }
    }
    Ok(list.graph)
}

/// Reads what was typed after `--hosts`.
pub(super) fn read_names(names: &[String], file: &str) -> Result<Graph, InventoryError> {
    let mut list = List::new(file);
    let mut column = 1;
    for name in names {
        list.add(name.trim(), Mark { line: 1, column })?;
        column += name.chars().count() as u32 + 1;
    }
    Ok(list.graph)
}

struct List {
    graph: Graph,
    seen: HashMap<HostId, Mark>,
}

impl List {
    fn new(file: &str) -> Self {
        Self { graph: Graph::new(file), seen: HashMap::new() }
    }

    fn add(&mut self, entry: &str, mark: Mark) -> Result<(), InventoryError> {
        let graph = &mut self.graph;
        let (user, host) = match entry.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, entry),
        };
        let user = user
            .map(|user| variable::ours(Key::User, "ansible_user", user))
            .transpose()
            .map_err(|problem| graph.wrong(mark, problem))?;
        for id in graph.hosts(host, mark)? {
            if let Some(first) = self.seen.insert(id, mark) {
                let host = graph.hosts[id].name.clone();
                let first = first.of(&graph.file).to_string();
                return Err(graph.wrong(mark, Problem::HostTwice { host, first }));
            }
            graph.hosts[id].groups.push(UNGROUPED);
            if let Some(user) = &user {
                let origin = Origin::Host(mark.of(&graph.file));
                graph.set_host_var(id, Arc::new(user.clone().var(origin)), mark)?;
            }
        }
        Ok(())
    }
}
