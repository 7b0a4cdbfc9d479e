//! Who a step is for. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::context::Cast;
use super::fleet::Fleet;
use crate::cli::On;
use crate::inventory::{Host, Inventory};
use crate::limit::{LimitError, Pattern};

/// Those whom a step can be for.
pub(super) struct Selection<'a> {
    pub(super) cast: &'a Cast,
    pub(super) inventory: &'a Inventory,
    /// Peers that have failed are left out.
    pub(super) fleet: &'a Fleet,
}

impl Selection<'_> {
    /// The hosts of a built-in task; those that it uses besides its peers are its own matter.
    pub(super) fn of_task(&self, on: On) -> Vec<Arc<Host>> {
        match on {
            On::Tracker | On::Here => vec![self.cast.tracker.clone()],
            On::Seeder => vec![self.cast.seeder.clone()],
            On::All | On::Peers | On::SeederAndPeers => self.fleet.left(),
        }
    }

    /// The hosts of a command: a role, or whoever of this run a pattern names, in the run's order.
    pub(super) fn of_command(&self, on: Option<&str>) -> Result<Vec<Arc<Host>>, LimitError> {
        Ok(match on {
            None | Some("peer") => self.fleet.left(),
            Some("seeder") => vec![self.cast.seeder.clone()],
            Some("tracker") => vec![self.cast.tracker.clone()],
            Some(pattern) => {
                let chosen = Pattern::parse(pattern)?.select(self.inventory)?;
                let chosen: BTreeSet<&str> =
                    chosen.iter().map(|id| self.inventory.hosts[*id].name.as_str()).collect();
                let mut hosts = self.cast.all();
                hosts.retain(|host| {
                    chosen.contains(host.name.as_str()) && self.fleet.takes_part(&host.name)
                });
                hosts
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use murder_protocol::{Blame, Failure};

    use super::*;
    use crate::fleet::{HostResult, Outcome};
    use crate::settings::Task;

    const YAML: &str = "all:\n  children:\n    tracker:\n      hosts: {t1: }\n    seeder:\n      \
                        hosts: {s1: }\n    peer:\n      hosts: {web1: , web2: , web3: , db1: }\n    \
                        old:\n      hosts: {web3: , s1: }\n";

    /// The names of those that are chosen, web2 having failed.
    fn chosen(choose: impl Fn(&Selection<'_>) -> Vec<Arc<Host>>) -> Vec<String> {
        let inventory = Inventory::parse(YAML.as_bytes(), "i.yaml", &[]).unwrap();
        let cast = Cast::of(&inventory, Some("web*"), &Task::StopTracker).unwrap();
        let mut fleet = Fleet::new(cast.peers.clone(), Some("50".parse().unwrap()));
        let outcome = Outcome::Failed(Failure::new(Blame::Host, "no"));
        fleet.lose(&HostResult { host: "web2".into(), outcome, elapsed: Duration::ZERO });
        let hosts = choose(&Selection { cast: &cast, inventory: &inventory, fleet: &fleet });
        hosts.iter().map(|host| host.name.clone()).collect()
    }

    #[test]
    fn a_task_is_for_the_hosts_of_its_role_that_are_left() {
        assert_eq!(chosen(|all| all.of_task(On::Tracker)), ["t1"]);
        assert_eq!(chosen(|all| all.of_task(On::Seeder)), ["s1"]);
        assert_eq!(chosen(|all| all.of_task(On::SeederAndPeers)), ["web1", "web3"]);
    }

    #[test]
    fn a_command_is_for_a_role_or_for_those_of_the_run_that_a_pattern_names() {
        let on = |on: Option<&str>| chosen(|all| all.of_command(on).unwrap());
        assert_eq!(on(None), ["web1", "web3"]);
        assert_eq!(on(Some("peer")), ["web1", "web3"]);
        assert_eq!(on(Some("seeder")), ["s1"]);
        assert_eq!(on(Some("tracker")), ["t1"]);
        assert_eq!(on(Some("old")), ["s1", "web3"]);
        assert_eq!(on(Some("web*:!web1")), ["web3"]);
        assert_eq!(on(Some("db1")), [""; 0]);
    }

    #[test]
    fn a_pattern_that_names_nobody_is_an_error() {
        chosen(|all| {
            assert!(all.of_command(Some("wbe1")).is_err());
            Vec::new()
        });
    }
}
