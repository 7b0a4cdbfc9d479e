//! Why an inventory is refused. All of it is the operator's to mend, and nothing was done yet.

use std::io;

use super::range::RangeError;
use crate::yaml::{self, Mark, Place, did_you_mean};

/// Why an inventory is refused.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// There is no such file, or it can't be read.
    #[error("can't read the inventory {file} (name another with -i, or hosts with --hosts a,b,c)")]
    Read {
        /// The file as it was typed, or "stdin".
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// Something in it is wrong, and this is where.
    #[error("{place}: {problem}")]
    At {
        /// Where it stands.
        place: Place,
        /// What is wrong.
        problem: Box<Problem>,
    },
    /// A `KEY=VALUE` is wrong.
    #[error("{key}={value} on the command line: {problem}")]
    CommandLine {
        /// What was typed before the `=`.
        key: String,
        /// What was typed after it.
        value: String,
        /// What is wrong.
        problem: Box<Problem>,
    },
}

impl InventoryError {
    /// Something is wrong at a place.
    pub(super) fn at(place: Place, problem: Problem) -> Self {
        Self::At { place, problem: Box::new(problem) }
    }

    /// A source can't be read, and this is where.
    pub(super) fn yaml(file: &str, (mark, problem): yaml::Wrong) -> Self {
        Self::at(mark.of(&file.into()), problem.into())
    }

    /// A source is wrong as a whole, so that its start is as good a place as any.
    pub(super) fn whole(file: &str, problem: Problem) -> Self {
        Self::at(Mark::START.of(&file.into()), problem)
    }
}

/// What is wrong with an inventory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no YAML, or more of it than is taken.
    #[error(transparent)]
    Yaml(#[from] yaml::Problem),
    /// More than is kept of it once it is resolved.
    #[error("more values than any inventory needs")]
    TooMuch,
    /// A group has something else than `hosts`, `children` and `vars`.
    #[error("unknown key {got}: a group has hosts, children and vars{}", did_you_mean(.nearest))]
    Section {
        /// What stands there.
        got: String,
        /// Which of the three is likely meant.
        nearest: Option<String>,
    },
    /// `hosts` without a group.
    #[error("{0} stands outside of any group: put it below all:")]
    TopLevel(String),
    /// The configuration of one of Ansible's inventory plugins.
    #[error(
        "a configuration of an inventory plugin: give murder what `ansible-inventory --list --yaml` prints"
    )]
    Plugin,
    /// An inventory in Ansible's other format.
    #[error("an INI inventory: give murder what `ansible-inventory --list --yaml` prints")]
    Ini,
    /// A program that would print an inventory.
    #[error("a program: give murder what `ansible-inventory --list --yaml` prints")]
    Program,
    /// The name of a group is none.
    #[error("{0} is no group name: it has letters, digits and . _ -, and no - in front")]
    GroupName(String),
    /// `all` as a child.
    #[error("all is the group above every other and can't be below one")]
    AllBelow,
    /// Something else stands there than can stand there.
    #[error("expected {what}, got {got}")]
    Expected {
        /// What can stand there.
        what: String,
        /// What stands there.
        got: String,
    },
    /// The name of a host is none.
    #[error("{0} is no host name: it has letters, digits and . _ - : [ ] %, and no - in front")]
    HostName(String),
    /// A range in the name of a host is none.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// A host stands in a list, or in one group, twice.
    #[error("the host {host:?} is named twice, first at {first}")]
    HostTwice {
        /// Its name.
        host: String,
        /// Where it stands first.
        first: String,
    },
    /// More hosts than are taken.
    #[error("more than {0} hosts, the most that an inventory may have")]
    TooManyHosts(usize),
    /// A variable by two of its names.
    #[error("{one} and {other} (at {first}) are the same variable: keep one of them")]
    Synonyms {
        /// What stands here.
        one: String,
        /// What stands elsewhere.
        other: String,
        /// Where.
        first: String,
    },
    /// A variable twice, with two values.
    #[error("{var} of {whose} has another value at {first}")]
    Clash {
        /// The host or group, in words.
        whose: String,
        /// The variable.
        var: String,
        /// Where it stands first.
        first: String,
    },
    /// A variable of ours says what it can't say.
    #[error("{name}: expected {expected}, got {got}{}", template_hint(*.template))]
    Value {
        /// The variable.
        name: String,
        /// What it takes.
        expected: &'static str,
        /// What it says.
        got: String,
        /// It looks like one of Ansible's templates.
        template: bool,
    },
    /// A variable of Ansible's that would have to be honoured.
    #[error("{name} is not honoured by murder: {instead}")]
    NotHonoured {
        /// The variable.
        name: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A variable that is likely meant to be one of ours.
    #[error("unknown variable {name}: did you mean {nearest}?")]
    Misspelt {
        /// What stands there.
        name: String,
        /// Ours.
        nearest: &'static str,
    },
    /// A line of a list has more than a host.
    #[error(
        "expected one [user@]host[:port] a line; variables need the YAML form (see \
         inventory.example.yaml)"
    )]
    NotOneHost,
    /// Groups are each other's ancestors.
    #[error("the groups {0} go round in a circle")]
    Cycle(String),
    /// A role's group has no host.
    #[error("the group {0:?} has no host: give it one, or leave it out to have murder choose")]
    EmptyRole(&'static str),
    /// A role of one host has several.
    #[error("the group {role:?} has {hosts} hosts, and murder takes one")]
    SeveralFor {
        /// The group.
        role: &'static str,
        /// How many hosts it has.
        hosts: usize,
    },
    /// Every host has `no_release`.
    #[error("no host is a peer: all have no_release, and there is no group \"peer\"")]
    NoPeers,
    /// An address for every host.
    #[error("it would send every host to the same machine")]
    OneForAll,
    /// A `KEY=VALUE` twice.
    #[error("{0} was given before")]
    GivenTwice(String),
    /// There is nothing to do anything on.
    #[error("names no host")]
    NoHosts,
}

fn template_hint(template: bool) -> &'static str {
    if template { " (murder expands no templates in an inventory)" } else { "" }
}

/// Names of groups, each above the next; a long way is cut.
pub(super) fn chain(names: &[&str]) -> String {
    match names {
        [first, second, .., last] if names.len() > 8 => {
            format!("{first} > {second} > ... > {last}")
        }
        _ => names.join(" > "),
    }
}
