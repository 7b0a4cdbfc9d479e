//! Where a recipe stands when it ends early: who has switched, what it leaves behind, and what to
//! type next. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use murder_protocol::Tag;

use super::Begun;
use crate::fleet::{HostResult, Outcome};
use crate::inventory;
use crate::report::units;
use crate::settings::Invocation;

/// What has become of the word to switch.
#[derive(Debug, Default)]
pub(super) struct Switched {
    /// What each host that has switched did switch to.
    pub(super) to: BTreeMap<String, Tag>,
    /// Hosts that may just be told to switch, and to what.
    pub(super) telling: Option<(Tag, usize)>,
    /// Whether the word was given to hosts of which it is not known that they have switched.
    pub(super) doubt: bool,
}

impl Switched {
    /// Hosts were given the word.
    pub(super) fn take(&mut self, release: &Tag, results: &[HostResult]) {
        for HostResult { host, outcome, .. } in results {
            match outcome {
                Outcome::Ok(_) => _ = self.to.insert(host.clone(), release.clone()),
                Outcome::Failed(_) | Outcome::Unreachable(_) => self.doubt = true,
                Outcome::Skipped(_) => {}
            }
        }
    }
}

/// A recipe that ends early.
pub(super) struct Standing<'a> {
    /// What it is called.
    pub(super) recipe: &'a str,
    /// How many peers it has.
    pub(super) hosts: usize,
    /// The release that it is about; empty if it has none.
    pub(super) release: &'a str,
    /// What it has started, and holds.
    pub(super) begun: &'a Begun,
    pub(super) switched: &'a Switched,
    /// How it was called.
    pub(super) invocation: &'a Invocation,
}

impl Standing<'_> {
    /// "nobody has switched", or who has. Only for a recipe that switches.
    pub(super) fn switch(&self) -> String {
        if let Some((release, count)) = &self.switched.telling {
            return format!(
                "{} may have been told to switch to {release}; those do, and murder releases \
                 tells which",
                units::hosts(*count)
            );
        }
        let to = &self.switched.to;
        let releases: BTreeSet<_> = to.values().map(Tag::as_str).collect();
        let releases = releases.into_iter().collect::<Vec<_>>().join(", ");
        let others = match self.switched.doubt {
            true => "murder releases tells what the others have",
            false => "the others have what they had before",
        };
        match to.len() {
            0 if self.switched.doubt => {
                "no host is known to have switched; murder releases tells what each has".to_owned()
            }
            0 => "nobody has switched: every host has what it had before".to_owned(),
            all if all == self.hosts => format!("all {} have switched to {releases}", all),
            some => format!(
                "{some} of {} have switched to {releases}: {}; {others}",
                units::hosts(self.hosts),
                inventory::fold(to.keys().map(String::as_str), MOST_NAMES),
            ),
        }
    }

    /// What goes on without the workstation; none if nothing does.
    pub(super) fn goes_on(&self) -> Option<String> {
        let begun = self.begun;
        let mut parts = Vec::new();
        if begun.tracker {
            parts.push("the tracker".to_owned());
        }
        if begun.seeder.is_some() {
            parts.push("the seeder".to_owned());
        }
        if !begun.agents.is_empty() {
            let (hosts, span) = (units::hosts(begun.agents.len()), begun.agents_for);
            let span = units::whole_duration(span);
            parts.push(format!("agents that wait on {hosts}, {span} from their start at most"));
        }
        let last = parts.pop()?;
        let all = match parts.is_empty() {
            true => last,
            false => format!("{}, and {last}", parts.join(", ")),
        };
        Some(format!("what {} started goes on without murder: {all}", self.recipe))
    }

    /// The lock that stays, and the commands to go on and to end what was started; none if there
    /// is nothing to type.
    pub(super) fn next(&self) -> Option<String> {
        let begun = self.begun;
        let mut commands = Vec::new();
        if begun.lock.is_some() {
            let unlock = self.invocation.of_application("deploy:unlock");
            commands.push(("give it back", unlock));
        }
        let is_open = self.switched.telling.is_none() && self.switched.to.len() < self.hosts;
        if is_open && !commands.is_empty() && !self.release.is_empty() {
            commands.push(("then go on", self.invocation.again_with("release", self.release)));
        }
        let mut ends = Vec::new();
        if let Some(tag) = &begun.seeder {
            ends.push(self.invocation.other(&["stop_seeding", &format!("tag={tag}")]));
        }
        if !begun.agents.is_empty() {
            ends.push(self.invocation.other(&["cool"]));
        }
        if begun.tracker {
            ends.push(self.invocation.other(&["stop_tracker"]));
        }
        let label = if is_open { "or end what goes on" } else { "end what goes on" };
        commands.extend(ends.into_iter().enumerate().map(|(at, command)| {
            let label = if at == 0 { label } else { "" };
            (label, command)
        }));
        if commands.is_empty() {
            return None;
        }
        let mut text = match begun.lock {
            Some(_) => format!("the lock of {} stays", self.recipe),
            None => "what was started is ended by".to_owned(),
        };
        let width = commands.iter().map(|(label, _)| label.len()).max().unwrap_or_default() + 1;
        for (label, command) in commands {
            let label = if label.is_empty() { String::new() } else { format!("{label}:") };
            let _ = write!(text, "\n  {label:<width$}  {command}");
        }
        Some(text)
    }
}

/// Hosts that are named before the rest is only counted.
const MOST_NAMES: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use murder_protocol::{Blame, Failure};

    use super::*;
    use crate::cli::{Typed, parse};
    use crate::inventory::Inventory;
    use crate::settings::Called;

    fn tag(name: &str) -> Tag {
        name.parse().unwrap()
    }

    fn switched(to: &[(&str, &str)]) -> Switched {
        let to = to.iter().map(|(host, release)| ((*host).to_owned(), tag(release)));
        Switched { to: to.collect(), ..Switched::default() }
    }

    fn begun() -> Begun {
        let hosts = Inventory::parse(b"p1\np2\np3\n", "hosts", &[]).unwrap().hosts;
        Begun {
            tracker: true,
            seeder: Some(tag("r2")),
            agents: hosts.into_iter().map(std::sync::Arc::new).collect(),
            agents_for: Duration::from_secs(1800),
            lock: Some("word".into()),
            ..Begun::default()
        }
    }

    fn invocation() -> Invocation {
        let typed =
            parse(["-i", "prod.yaml", "deploy", "application=app", "from=./b"].map(Into::into));
        let Ok(Typed::Recipe { options, typed, .. }) = typed else { panic!("no recipe") };
        let called = Called { name: "deploy", typed, secret: BTreeSet::new() };
        Invocation::of_recipe(&options, &called)
    }

    fn with<T>(begun: &Begun, switched: &Switched, ask: impl FnOnce(Standing<'_>) -> T) -> T {
        let invocation = invocation();
        let (recipe, release) = ("deploy", "r2");
        ask(Standing { recipe, hosts: 3, release, begun, switched, invocation: &invocation })
    }

    #[test]
    fn before_the_word_one_is_told_that_nobody_has_switched_and_how_to_go_on() {
        let (begun, switched) = (begun(), switched(&[]));
        with(&begun, &switched, |standing| {
            assert_eq!(standing.switch(), "nobody has switched: every host has what it had before");
            assert_eq!(
                standing.goes_on().unwrap(),
                "what deploy started goes on without murder: the tracker, the seeder, and agents \
                 that wait on 3 hosts, 30m00s from their start at most"
            );
            assert_eq!(
                standing.next().unwrap(),
                "the lock of deploy stays
  give it back:         murder -i prod.yaml deploy:unlock application=app
  then go on:           murder -i prod.yaml deploy application=app from=./b release=r2
  or end what goes on:  murder -i prod.yaml stop_seeding tag=r2
                        murder -i prod.yaml cool
                        murder -i prod.yaml stop_tracker"
            );
        });
    }

    #[test]
    fn after_the_word_one_is_told_who_has_switched() {
        let none = Begun::default();
        let some = switched(&[("p1", "r2"), ("p3", "r2")]);
        with(&none, &some, |standing| {
            assert_eq!(
                standing.switch(),
                "2 of 3 hosts have switched to r2: p1, p3; the others have what they had before"
            );
            assert_eq!((standing.goes_on(), standing.next()), (None, None));
        });
        let all = switched(&[("p1", "r2"), ("p2", "r2"), ("p3", "r2")]);
        let mut lost = switched(&[]);
        let outcome = Outcome::Failed(Failure::new(Blame::Network, "lost"));
        lost.take(
            &tag("r2"),
            &[HostResult { host: "p2".into(), outcome, elapsed: Duration::ZERO }],
        );
        with(&none, &lost, |standing| {
            assert_eq!(
                standing.switch(),
                "no host is known to have switched; murder releases tells what each has"
            );
        });
        let lock = Begun { lock: Some("word".into()), ..Begun::default() };
        with(&lock, &all, |standing| {
            assert_eq!(standing.switch(), "all 3 have switched to r2");
            assert_eq!(
                standing.next().unwrap(),
                "the lock of deploy stays\n  \
                 give it back:  murder -i prod.yaml deploy:unlock application=app"
            );
        });
        let telling = Switched { telling: Some((tag("r2"), 3)), ..Switched::default() };
        with(&none, &telling, |standing| {
            assert_eq!(
                standing.switch(),
                "3 hosts may have been told to switch to r2; those do, and murder releases tells \
                 which"
            );
        });
    }
}
