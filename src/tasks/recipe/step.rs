//! One step: who it is for, and what kind of thing it does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Halt, Runner};
use crate::cli::{On, TaskSpec};
use crate::inventory::Host;
use crate::limit::Pattern;
use crate::recipe::{Action, Body, RecipeError, Run};
use crate::report::Refusal;

use murder_protocol::{Blame, Failure};

impl Runner<'_> {
    pub(super) async fn step(&mut self, action: &Action) -> Result<(), Halt> {
        match &action.step.body {
            Body::Task { name, with } => self.task(action, name, with).await,
            Body::Run(run) => self.command(action, run).await,
            Body::Switch(switch) => self.switch(action, switch).await,
            // A script has none.
            Body::Stage { .. } => Ok(()),
        }
    }

    /// The hosts of a built-in task on which the step's conditions hold.
    pub(super) fn hosts_of_task(
        &self,
        action: &Action,
        spec: &TaskSpec,
    ) -> Result<Vec<Arc<Host>>, Halt> {
        let cast = &self.context.cast;
        let hosts = match spec.on {
            On::Tracker | On::Here => vec![cast.tracker.clone()],
            On::Seeder => vec![cast.seeder.clone()],
            On::All | On::Peers | On::SeederAndPeers => self.fleet.left(),
        };
        Ok(self.who_holds(action, hosts)?)
    }

    /// The hosts of a command on which the step's conditions hold.
    pub(super) fn hosts_of_run(&self, action: &Action, run: &Run) -> Result<Vec<Arc<Host>>, Halt> {
        let mut hosts = self.who_holds(action, self.named(action, run)?)?;
        if run.run_once {
            hosts.truncate(1);
        }
        Ok(hosts)
    }

    fn named(&self, action: &Action, run: &Run) -> Result<Vec<Arc<Host>>, Halt> {
        let Some(on) = &run.on else { return Ok(self.fleet.left()) };
        let cast = &self.context.cast;
        let on = on.text(&self.given(&cast.tracker, action))?;
        Ok(match on.as_str() {
            "peer" => self.fleet.left(),
            "seeder" => vec![cast.seeder.clone()],
            "tracker" => vec![cast.tracker.clone()],
            pattern => {
                let refused = |error: &dyn std::error::Error| {
                    let message = Refusal::new(error, None).message;
                    Halt::Blocked(Failure::new(
                        Blame::Operator,
                        format!("{}: on: {message}", action.step.at),
                    ))
                };
                let pattern = Pattern::parse(pattern).map_err(|error| refused(&error))?;
                let chosen = pattern.select(self.inventory).map_err(|error| refused(&error))?;
                let names: BTreeSet<&str> =
                    chosen.iter().map(|id| self.inventory.hosts[*id].name.as_str()).collect();
                let all = cast.all();
                let here = all.into_iter().filter(|host| names.contains(host.name.as_str()));
                here.filter(|host| !self.fleet.has_lost(&host.name)).collect()
            }
        })
    }

    fn who_holds(
        &self,
        action: &Action,
        hosts: Vec<Arc<Host>>,
    ) -> Result<Vec<Arc<Host>>, RecipeError> {
        let mut kept = Vec::with_capacity(hosts.len());
        for host in hosts {
            if self.holds(action, &host)? {
                kept.push(host);
            }
        }
        Ok(kept)
    }

    fn holds(&self, action: &Action, host: &Host) -> Result<bool, RecipeError> {
        if action.guards.is_empty() {
            return Ok(true);
        }
        let given = self.variables.of(host);
        for guard in &action.guards {
            if !guard.when.holds(&self.script.scope(guard.frame, &given))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
