//! Why an inventory is refused. All of it is the operator's to mend, and nothing was done yet.

use std::io;

use super::place::Place;
use super::range::RangeError;

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
        problem: Problem,
    },
    /// It is wrong as a whole.
    #[error("{file}: {problem}")]
    Whole {
        /// The file as it was typed, "stdin" or "--hosts".
        file: String,
        /// What is wrong.
        problem: Problem,
    },
    /// A `KEY=VALUE` is wrong.
    #[error("{key}={value} on the command line: {problem}")]
    CommandLine {
        /// What was typed before the `=`.
        key: String,
        /// What was typed after it.
        value: String,
        /// What is wrong.
        problem: Problem,
    },
}

/// What is wrong with an inventory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
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
    /// More bytes than are read.
    #[error("larger than {0} MiB, so hardly an inventory")]
    TooLarge(usize),
    /// Bytes that are no text.
    #[error("not UTF-8, so no inventory")]
    NotUtf8,
    /// There is nothing to do anything on.
    #[error("names no host")]
    NoHosts,
}

fn template_hint(template: bool) -> &'static str {
    if template { " (murder expands no templates in an inventory)" } else { "" }
}

/// What somebody wrote, in quotes, with whatever would upset a terminal escaped, and cut where it
/// gets long.
pub(super) fn quoted(text: &str) -> String {
    let cut = text.char_indices().nth(LONGEST_QUOTE).map(|(at, _)| &text[..at]);
    cut.map_or_else(|| format!("{text:?}"), |cut| format!("{:?}", format!("{cut}...")))
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

/// In characters.
const LONGEST_QUOTE: usize = 60;
