//! The switch of a recipe: everybody at once, or group by group with a look at each one's health.

use std::sync::Arc;

use murder_protocol::verbs::{ReleaseSwitch, Releases, SwitchKind};
use murder_protocol::{Blame, Failure, Tag};

use super::super::{release, releases};
use super::command::in_groups;
use super::{Halt, Runner, start};
use crate::fleet::{HostResult, Outcome};
use crate::inventory::Host;
use crate::recipe::{Action, Body, Switch};
use crate::report::Event;
use crate::settings::{ReleaseTask, ReleaseWhat, TaskName};

/// What a group has done so far, to be taken back.
type Switched = Vec<(Arc<Host>, Releases)>;

impl Runner<'_> {
    pub(super) async fn switch(&mut self, action: &Action, switch: &Switch) -> Result<(), Halt> {
        let hosts = self.fleet.left();
        let Some(first) = hosts.first().cloned() else { return Ok(()) };
        let release = self.target(action, &first)?;
        if self.only_looks() {
            let text = format!("would: switch {} to {release}", hosts.len());
            self.context.reporter.emit(Event::Note(text));
            return Ok(());
        }
        self.transcript.note(&format!("switch to {release}"));
        let (groups, wait) = match &switch.groups {
            Some(groups) => (in_groups(hosts, groups.size), groups.wait),
            None => (vec![hosts], std::time::Duration::ZERO),
        };
        let rolls = groups.len() > 1 || !switch.health.is_empty();
        let mut switched: Switched = Vec::new();
        for (at, group) in groups.into_iter().enumerate() {
            if at > 0 && !wait.is_zero() {
                self.pause(wait).await?;
            }
            if rolls && switch.rollback_on_failure {
                switched.extend(self.before(action, &group).await?);
            }
            let ended = self.group(action, switch, &release, group).await;
            match ended {
                Ok(()) => {}
                Err(Halt::Stop(stop)) => return Err(Halt::Stop(stop)),
                Err(halt) => {
                    if switch.rollback_on_failure {
                        self.take_back(action, switched).await?;
                    }
                    return Err(halt);
                }
            }
        }
        Ok(())
    }

    async fn group(
        &mut self,
        action: &Action,
        switch: &Switch,
        release: &Tag,
        group: Vec<Arc<Host>>,
    ) -> Result<(), Halt> {
        let results = self.word(action, release, self.kind(), group).await?;
        self.take(&results)?;
        for step in &switch.health {
            let Body::Run(run) = &step.body else { continue };
            let health = Action { step: step.clone(), ..action.clone() };
            let names: Vec<_> = results
                .iter()
                .filter(|result| matches!(result.outcome, Outcome::Ok(_)))
                .map(|result| result.host.clone())
                .collect();
            self.command_on(&health, run, |host| names.contains(&host.name)).await?;
        }
        Ok(())
    }

    /// Gives the word to these hosts.
    async fn word(
        &mut self,
        action: &Action,
        release: &Tag,
        why: SwitchKind,
        hosts: Vec<Arc<Host>>,
    ) -> Result<Vec<HostResult>, Halt> {
        let by = start::who();
        let mut places = std::collections::BTreeMap::new();
        for host in &hosts {
            places.insert(host.name.clone(), self.deploy_to(action, host)?);
        }
        let order = |host: &Host| {
            let deploy_to = places[&host.name].clone();
            Ok(ReleaseSwitch { deploy_to, release: release.clone(), by: by.clone(), why })
        };
        let results =
            release::switch(self.context, TaskName::Switch, release, hosts, order).await?;
        self.fleet.took(&results);
        Ok(results)
    }

    /// The release that hosts switch to: the one that they have proved to have, else the recipe's.
    fn target(&self, action: &Action, host: &Host) -> Result<Tag, Halt> {
        if let Some(proved) = &self.proved {
            return Ok(proved.clone());
        }
        let text = self.variable(action, host, "release")?;
        text.parse().map_err(|error| {
            let text = format!("{}: {text:?} is no name of a release: {error}", action.step.at);
            Halt::Blocked(Failure::new(Blame::Operator, text))
        })
    }

    fn deploy_to(&self, action: &Action, host: &Host) -> Result<String, Halt> {
        self.variable(action, host, "deploy_to")
    }

    fn variable(&self, action: &Action, host: &Host, name: &str) -> Result<String, Halt> {
        let value = self.given(host, action).value(name)?;
        let text = value.as_ref().map(crate::recipe::text_of).filter(|text| !text.is_empty());
        text.ok_or_else(|| {
            let text = format!("{}: switch needs the variable {name}", action.step.at);
            let failure = Failure::new(Blame::Operator, text);
            Halt::Blocked(failure.hint(format!("type {name}=…, or set it in the inventory")))
        })
    }

    /// What hosts have before they switch.
    async fn before(&self, action: &Action, hosts: &[Arc<Host>]) -> Result<Switched, Halt> {
        let Some(first) = hosts.first() else { return Ok(Vec::new()) };
        let task = ReleaseTask {
            what: ReleaseWhat::List,
            deploy_to: Some(self.deploy_to(action, first)?),
            release: None,
            revision: None,
            linked_files: Vec::new(),
            linked_dirs: Vec::new(),
            keep: 0,
        };
        let ends = releases::look(self.context, &task, hosts.to_vec()).await?;
        let found = |end: crate::fleet::Ended<murder_protocol::verbs::ReleaseDone>| {
            let host = hosts.iter().find(|host| host.name == end.result.host)?;
            Some((Arc::clone(host), end.value?.releases))
        };
        Ok(ends.into_iter().filter_map(found).collect())
    }

    /// Takes hosts back to what each had before. What fails is told.
    async fn take_back(&mut self, action: &Action, switched: Switched) -> Result<(), Halt> {
        let mut by_release: std::collections::BTreeMap<Tag, Vec<Arc<Host>>> = Default::default();
        for (host, before) in switched {
            if let Some(release) = before.current {
                by_release.entry(release).or_default().push(host);
            }
        }
        for (release, hosts) in by_release {
            let text = format!("takes {} hosts back to {release}", hosts.len());
            self.context.reporter.emit(Event::Note(text));
            let results = self.word(action, &release, SwitchKind::Rollback, hosts).await?;
            for result in results {
                if let Some(failure) = result.outcome.failure() {
                    let text = format!("{}: not taken back: {failure}", result.host);
                    self.context.reporter.emit(Event::Warning(text));
                }
            }
        }
        Ok(())
    }
}
