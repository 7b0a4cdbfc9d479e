//! Which peers still take part, and whether a recipe may go on without the others. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::Failure;

use super::not_reached;
use crate::exit::Exit;
use crate::fleet::{HostResult, Outcome};
use crate::inventory::Host;
use crate::settings::Percent;

/// The peers of a recipe.
#[derive(Clone)]
pub(super) struct Fleet {
    all: Vec<Arc<Host>>,
    /// Each with its first failure.
    lost: BTreeMap<String, HostResult>,
    allowed: Option<Percent>,
    /// After a failure whoever is left cleans up, the lost ones too.
    everybody: bool,
    /// How long each took so far.
    took: BTreeMap<String, Duration>,
}

/// Whether a recipe goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    GoOn,
    Halt,
}

impl Fleet {
    pub(super) fn new(all: Vec<Arc<Host>>, allowed: Option<Percent>) -> Self {
        let (lost, took) = (BTreeMap::new(), BTreeMap::new());
        Self { all, lost, allowed, everybody: false, took }
    }

    /// Who takes part in the next step.
    pub(super) fn left(&self) -> Vec<Arc<Host>> {
        self.all.iter().filter(|host| self.takes_part(&host.name)).cloned().collect()
    }

    /// From now on even those take part that have failed.
    pub(super) fn everybody(&mut self) {
        self.everybody = true;
    }

    /// Whether a host takes part in the next step. One that is no peer always does.
    pub(super) fn takes_part(&self, host: &str) -> bool {
        self.everybody || !self.lost.contains_key(host)
    }

    /// A host failed. False if it is no peer of this run.
    pub(super) fn lose(&mut self, result: &HostResult) -> bool {
        if !self.all.iter().any(|host| host.name == result.host) {
            return false;
        }
        self.lost.entry(result.host.clone()).or_insert_with(|| result.clone());
        true
    }

    /// A host took part in a step.
    pub(super) fn took(&mut self, results: &[HostResult]) {
        for result in results {
            *self.took.entry(result.host.clone()).or_default() += result.elapsed;
        }
    }

    /// Whether those that are left may go on without the others.
    pub(super) fn verdict(&self) -> Verdict {
        let nobody_left = self.lost.len() == self.all.len();
        match Exit::of(self.lost.len(), self.all.len(), self.allowed) {
            Exit::HostsFailed => Verdict::Halt,
            _ if nobody_left => Verdict::Halt,
            _ => Verdict::GoOn,
        }
    }

    /// How many more of these hosts may fail without the others having to stop.
    pub(super) fn may_lose(&self, hosts: usize) -> usize {
        let stops = |more: &usize| {
            let lost = self.lost.len() + more;
            Exit::of(lost, self.all.len(), self.allowed) == Exit::HostsFailed
        };
        (1..=hosts).find(stops).map_or(hosts, |first| first - 1)
    }

    pub(super) fn may_go_on(&self) -> bool {
        self.verdict() == Verdict::GoOn
    }

    /// One result a host. `blocked` is why none of them could go on.
    pub(super) fn results(&self, blocked: Option<&Failure>) -> Vec<HostResult> {
        let result = |host: &Arc<Host>| {
            if let Some(lost) = self.lost.get(&host.name) {
                return lost.clone();
            }
            let outcome = match blocked {
                Some(failure) => Outcome::Failed(failure.clone()),
                None if self.may_go_on() => Outcome::Ok(String::new()),
                None => not_reached(),
            };
            let elapsed = self.took.get(&host.name).copied().unwrap_or_default();
            HostResult { host: host.name.clone(), outcome, elapsed }
        };
        self.all.iter().map(result).collect()
    }
}

#[cfg(test)]
mod tests {
    use murder_protocol::Blame;

    use super::*;
    use crate::inventory::Inventory;

    fn fleet(allowed: Option<&str>) -> Fleet {
        let hosts = Inventory::parse(b"a\nb\nc\nd\n", "hosts", &[]).unwrap().hosts;
        let allowed = allowed.map(|text| text.parse().unwrap());
        Fleet::new(hosts.into_iter().map(Arc::new).collect(), allowed)
    }

    fn failed(host: &str) -> HostResult {
        let outcome = Outcome::Failed(Failure::new(Blame::Host, "no"));
        HostResult { host: host.to_owned(), outcome, elapsed: Duration::ZERO }
    }

    #[test]
    fn one_failure_stops_a_recipe_that_tolerates_none() {
        let mut fleet = fleet(None);
        assert!(fleet.lose(&failed("b")));
        assert_eq!(fleet.verdict(), Verdict::Halt);
        let outcomes: Vec<_> = fleet.results(None).into_iter().map(|end| end.outcome).collect();
        assert_eq!(outcomes[0], not_reached());
        assert!(outcomes[1].failure().is_some());
    }

    #[test]
    fn hosts_that_failed_within_the_tolerance_are_left_out() {
        let mut fleet = fleet(Some("25"));
        fleet.lose(&failed("b"));
        assert_eq!(fleet.verdict(), Verdict::GoOn);
        assert_eq!(fleet.may_lose(3), 0);
        let left: Vec<_> = fleet.left().iter().map(|host| host.name.clone()).collect();
        assert_eq!(left, ["a", "c", "d"]);
        fleet.lose(&failed("c"));
        assert_eq!(fleet.verdict(), Verdict::Halt);
    }

    #[test]
    fn so_many_more_may_fail_as_the_tolerance_leaves() {
        assert_eq!(fleet(None).may_lose(4), 0);
        assert_eq!(fleet(Some("50")).may_lose(4), 2);
        assert_eq!(fleet(Some("100")).may_lose(3), 3);
    }

    #[test]
    fn a_host_that_is_no_peer_is_not_theirs_to_lose() {
        assert!(!fleet(Some("100")).lose(&failed("tracker")));
    }
}
