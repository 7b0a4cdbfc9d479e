//! The switch of a recipe: everybody at once, or group by group with a look at each one's health.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use murder_protocol::Tag;
use murder_protocol::verbs::{ReleaseSwitch, Releases, SwitchKind};
use serde_json::Value;

use super::super::release::{self, Word};
use super::super::releases;
use super::command::in_groups;
use super::walk::needs;
use super::{Halt, Runner, start};
use crate::fleet::{HostResult, Outcome};
use crate::inventory::Host;
use crate::recipe::{Action, Body, Switch};
use crate::report::{Event, units};
use crate::settings::{ReleaseTask, ReleaseWhat, TaskName};

/// What a group has done so far, to be taken back.
type Switched = Vec<(Arc<Host>, Releases)>;

/// Where each host, by its name, has what it switches.
type Places = BTreeMap<String, Arc<String>>;

impl Runner<'_> {
    pub(super) async fn switch(&mut self, action: &Action, switch: &Switch) -> Result<(), Halt> {
        let part = self.walk.of_switch(action)?;
        let Some(first) = part.first() else { return Ok(()) };
        let release = match &self.proved {
            Some(proved) => proved.clone(),
            None => self.walk.release(action, first)?.ok_or_else(|| needs(action, "release"))?,
        };
        let places = part.render(|scope| self.walk.deploy_to(action, scope))?;
        let places: Places =
            places.into_iter().map(|(host, place)| (host.name.clone(), place)).collect();
        let hosts = part.hosts();
        self.head(action);
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
                switched.extend(self.before(&places, &group).await?);
            }
            let ended = self.group(action, &places, &release, group).await;
            match ended {
                Ok(()) => {}
                Err(Halt::Stop(stop)) => return Err(Halt::Stop(stop)),
                Err(halt) => {
                    if switch.rollback_on_failure {
                        self.take_back(&places, switched).await?;
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
        places: &Places,
        release: &Tag,
        group: Vec<Arc<Host>>,
    ) -> Result<(), Halt> {
        // What fails while nothing stops for it need not keep the others back.
        let all = group.len();
        let may_miss = if self.lenient { all } else { self.walk.fleet.may_lose(all) };
        let results = self.word(places, release, self.kind(), may_miss, group).await?;
        self.take(&results)?;
        for health in action.health() {
            let Body::Run(run) = &health.step.body else { continue };
            let done = results.iter().filter(|result| matches!(result.outcome, Outcome::Ok(_)));
            let names: BTreeSet<_> = done.map(|result| result.host.clone()).collect();
            self.command_on(&health, run, |host| names.contains(&host.name)).await?;
        }
        Ok(())
    }

    /// Gives the word to these hosts, unless too many can't hear it.
    async fn word(
        &mut self,
        places: &Places,
        release: &Tag,
        why: SwitchKind,
        may_miss: usize,
        hosts: Vec<Arc<Host>>,
    ) -> Result<Vec<HostResult>, Halt> {
        let by = start::who();
        let order = |host: &Host| {
            let deploy_to = places[&host.name].to_string();
            Ok(ReleaseSwitch { deploy_to, release: release.clone(), by: by.clone(), why })
        };
        self.begun.brought = false;
        self.switched.telling = Some((release.clone(), hosts.len()));
        let word = release::switch(self.context, TaskName::Switch, release, may_miss, hosts, order)
            .await?;
        self.switched.telling = None;
        let results = match word {
            Word::Given(results) => {
                self.switched.take(release, &results);
                results
            }
            Word::Withheld(results) => {
                // Nothing is wrong with the release, and a retry finds it staged.
                self.begun.placed.clear();
                self.begun.brought = true;
                results
            }
        };
        self.walk.fleet.took(&results);
        Ok(results)
    }

    /// What hosts have before they switch.
    async fn before(&self, places: &Places, hosts: &[Arc<Host>]) -> Result<Switched, Halt> {
        let place = |host: &Host| Value::from(places[&host.name].as_str());
        let there = hosts.iter().map(|host| Arc::new(host.with("deploy_to", place(host))));
        let task = ReleaseTask {
            what: ReleaseWhat::List,
            deploy_to: None,
            release: None,
            revision: None,
            linked_files: Vec::new(),
            linked_dirs: Vec::new(),
            keep: 0,
        };
        let ends = releases::look(self.context, &task, there.collect()).await?;
        let mut found: BTreeMap<String, Releases> = ends
            .into_iter()
            .filter_map(|end| Some((end.result.host, end.value?.releases)))
            .collect();
        let before = |host: &Arc<Host>| Some((Arc::clone(host), found.remove(&host.name)?));
        Ok(hosts.iter().filter_map(before).collect())
    }

    /// Takes hosts back to what each had before. What fails is told.
    async fn take_back(&mut self, places: &Places, switched: Switched) -> Result<(), Halt> {
        let mut by_release: BTreeMap<Tag, Vec<Arc<Host>>> = BTreeMap::new();
        for (host, before) in switched {
            if let Some(release) = before.current {
                by_release.entry(release).or_default().push(host);
            }
        }
        for (release, hosts) in by_release {
            let text = format!("takes {} back to {release}", units::hosts(hosts.len()));
            self.context.reporter.emit(Event::Note(text));
            // Whoever can goes back.
            let all = hosts.len();
            let results = self.word(places, &release, SwitchKind::Rollback, all, hosts).await?;
            for result in results {
                if let Some(failure) = result.outcome.failure() {
                    let text = format!("{}: not taken back: {failure}", result.host);
                    self.context.reporter.emit(Event::Warning(text));
                } else {
                    self.switched.to.remove(&result.host);
                }
            }
        }
        Ok(())
    }
}
