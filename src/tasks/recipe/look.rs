//! `--check`: what looks at the hosts is done, and of everything else it is said what it would do.

use std::collections::BTreeMap;

use murder_protocol::verbs::ReleaseDone;

use super::super::releases;
use super::task::results;
use super::walk::Wanted;
use super::{Halt, Runner, plan};
use crate::cli::TaskSpec;
use crate::fleet::Ended;
use crate::inventory;
use crate::plan::Step;
use crate::recipe::{Action, Body};
use crate::report::Event;
use crate::settings::{ReleaseTask, ReleaseWhat, Task};

impl Runner<'_> {
    /// One step, which changes nothing.
    pub(super) async fn look(&mut self, action: &Action) -> Result<(), Halt> {
        let looks = self.looks(action)?;
        if looks.is_empty() {
            for step in plan::steps(&self.walk, action)? {
                self.head(action);
                self.context.reporter.emit(Event::Note(would(&step)));
            }
        }
        for Wanted { task, hosts } in looks {
            self.head(action);
            let context = self.context.with(task, hosts);
            let Task::Release(task) = &context.settings.task else { continue };
            let ends = releases::run(&context, task).await?;
            for (what, hosts) in by_what(&ends) {
                let hosts = inventory::fold(hosts, MOST_NAMES);
                self.context.reporter.emit(Event::Note(format!("would on {hosts}: {what}")));
            }
            self.take(&results(ends))?;
        }
        self.walk.pass_by(action);
        Ok(())
    }

    /// What can be asked of the hosts in place of a step: one that changes nothing is done as it
    /// is, and one that prepares only checks.
    fn looks(&self, action: &Action) -> Result<Vec<Wanted>, Halt> {
        let Body::Task { name, with } = &action.step.body else { return Ok(Vec::new()) };
        let Some(spec) = TaskSpec::find(name) else { return Ok(Vec::new()) };
        let part = self.walk.of_task(action, spec)?;
        let waits = with
            .iter()
            .any(|key| part.first().is_some_and(|scope| self.walk.waits(&key.value, scope)));
        if waits || part.condition.is_some() {
            return Ok(Vec::new());
        }
        let look = |Wanted { task, hosts }| {
            let Task::Release(task) = task else { return None };
            let what = match task.what {
                ReleaseWhat::Check | ReleaseWhat::Prove | ReleaseWhat::List => task.what,
                ReleaseWhat::Prepare => ReleaseWhat::Check,
                _ => return None,
            };
            Some(Wanted { task: Task::Release(ReleaseTask { what, ..task }), hosts })
        };
        Ok(self.walk.tasks(action, spec, with, &part)?.into_iter().filter_map(look).collect())
    }
}

fn would(step: &Step) -> String {
    let hosts = inventory::fold(step.hosts.iter().map(String::as_str), MOST_NAMES);
    let condition = step.condition.iter().map(|condition| format!(", if {condition}"));
    format!("would on {hosts}: {}{}", step.what, condition.collect::<String>())
}

/// What hosts would do, with those that say the same.
fn by_what(ends: &[Ended<ReleaseDone>]) -> BTreeMap<&str, Vec<&str>> {
    let mut hosts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for end in ends {
        for what in end.value.iter().flat_map(|done| &done.did) {
            hosts.entry(what).or_default().push(&end.result.host);
        }
    }
    // So that they fold: web9 comes before web10.
    hosts.values_mut().for_each(|names| names.sort_by_key(|name| (name.len(), *name)));
    hosts
}

/// Hosts that are named before the rest is only counted.
const MOST_NAMES: usize = 3;
