//! `--limit`: Ansible's language for naming hosts. Roles are resolved before a limit is looked at,
//! so it narrows who takes part and never moves the tracker or the seeder.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use regex::Regex;

use crate::inventory::Inventory;
use crate::suggest::nearest;
use crate::yaml::did_you_mean;

/// What was typed after `--limit`, understood but not yet looked up.
///
/// Names, groups and globs, `~` and a regular expression, joined by `,` or `:`; `:&` keeps only
/// what is in the next one too, `:!` takes the next one away; `web[0]` and `web[0:2]` are the first
/// and the first three hosts of what `web` matches; `@file` has one pattern a line.
#[derive(Clone, Debug)]
pub struct Pattern {
    terms: Vec<Term>,
}

/// One part of a pattern.
#[derive(Clone, Debug)]
struct Term {
    /// As it was typed, for messages.
    typed: String,
    step: Step,
    name: Name,
    subscript: Option<Subscript>,
}

/// What a part does to the hosts found so far. Ansible's order, which is not that of typing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Add,
    Keep,
    Drop,
}

#[derive(Clone, Debug)]
enum Name {
    Exact(String),
    Glob(Regex),
    Regex(Regex),
}

/// `[1]`, `[-1]`, `[0:2]` or `[2:]`, both bounds included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subscript {
    One(i64),
    From(usize, Option<usize>),
}

/// Why a limit is refused.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// There is nothing in it.
    #[error("--limit names no host")]
    Empty,
    /// A part of it fits nothing, so it is likely misspelt.
    #[error("--limit: {typed:?} is no host and no group of {inventory}{}", did_you_mean(.nearest))]
    NoMatch {
        /// The part.
        typed: String,
        /// The inventory's name.
        inventory: String,
        /// What is likely meant.
        nearest: Option<String>,
    },
    /// `web[7]` of a group of three.
    #[error("--limit: {typed:?} goes past the {count} hosts that it picks from")]
    Subscript {
        /// The part.
        typed: String,
        /// How many hosts match it without its subscript.
        count: usize,
    },
    /// What stands after a `~` is no regular expression, or a bracket of a glob is not closed.
    #[error("--limit: {typed:?} is no pattern")]
    Regex {
        /// The part.
        typed: String,
        /// Why not.
        source: Box<regex::Error>,
    },
    /// There is no such file, or it can't be read.
    #[error("--limit: can't read {file}")]
    File {
        /// The file as it was typed.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// All of what is left has another role.
    #[error("--limit {0} leaves no host to work on")]
    NobodyLeft(String),
}

impl Pattern {
    /// Understands what was typed, and reads the files that it names.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it whoever the hosts are.
    pub fn parse(typed: &str) -> Result<Self, LimitError> {
        let mut terms = Vec::new();
        for part in split(typed) {
            match part.strip_prefix('@') {
                Some(file) => {
                    let lines = read(file)?;
                    let lines = lines.lines().map(|line| line.split('#').next().unwrap_or(line));
                    for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
                        terms.push(Term::parse(line)?);
                    }
                }
                None => terms.push(Term::parse(part)?),
            }
        }
        terms.sort_by_key(|term| term.step);
        if terms.is_empty() { Err(LimitError::Empty) } else { Ok(Self { terms }) }
    }

    /// The hosts that it names, whatever their roles, as ascending indices into the inventory's.
    ///
    /// # Errors
    ///
    /// A part that fits nothing.
    pub fn select(&self, inventory: &Inventory) -> Result<BTreeSet<usize>, LimitError> {
        let mut found = BTreeSet::new();
        if self.terms[0].step != Step::Add {
            found.extend(0..inventory.hosts.len());
        }
        for term in &self.terms {
            let hosts = term.hosts(inventory)?;
            match term.step {
                Step::Add => found.extend(hosts),
                Step::Keep => found.retain(|host| hosts.contains(host)),
                Step::Drop => found.retain(|host| !hosts.contains(host)),
            }
        }
        Ok(found)
    }

    /// The peers that it names, in file order.
    ///
    /// # Errors
    ///
    /// As [`Self::select`], and if it leaves none.
    pub fn peers(&self, inventory: &Inventory) -> Result<Vec<usize>, LimitError> {
        let named = self.select(inventory)?;
        let peers = inventory.roles.peers.iter().copied();
        let peers: Vec<usize> = peers.filter(|host| named.contains(host)).collect();
        match peers.is_empty() {
            true => {
                let typed: Vec<&str> = self.terms.iter().map(|term| &*term.typed).collect();
                Err(LimitError::NobodyLeft(format!("{:?}", typed.join(","))))
            }
            false => Ok(peers),
        }
    }
}

impl Term {
    fn parse(typed: &str) -> Result<Self, LimitError> {
        let (step, rest) = match typed.as_bytes()[0] {
            b'&' => (Step::Keep, typed[1..].trim()),
            b'!' => (Step::Drop, typed[1..].trim()),
            _ => (Step::Add, typed),
        };
        let wrong =
            |source| LimitError::Regex { typed: typed.to_owned(), source: Box::new(source) };
        let (name, subscript) = match rest.strip_prefix('~') {
            // Ansible matches from the start of the name, and not to its end.
            Some(regex) => {
                (Name::Regex(Regex::new(&format!("^(?:{regex})")).map_err(wrong)?), None)
            }
            None => {
                let (rest, subscript) = split_subscript(rest);
                let name = match rest.contains(['*', '?', '[']) {
                    true => Name::Glob(Regex::new(&glob(rest)).map_err(wrong)?),
                    false => Name::Exact(rest.to_owned()),
                };
                (name, subscript)
            }
        };
        Ok(Self { typed: typed.to_owned(), step, name, subscript })
    }

    /// The hosts of every group that fits, and every host that does. A name of a group is not
    /// looked for among hosts.
    fn hosts(&self, inventory: &Inventory) -> Result<BTreeSet<usize>, LimitError> {
        let found: BTreeSet<usize> = match &self.name {
            Name::Exact(name) => match (inventory.groups.get(name), inventory.index_of(name)) {
                (Some(group), _) => group.members.iter().copied().collect(),
                (None, Some(host)) => BTreeSet::from([host]),
                (None, None) => return Err(self.no_match(inventory, name)),
            },
            Name::Glob(regex) | Name::Regex(regex) => {
                let groups = inventory.groups.iter().filter(|(name, _)| regex.is_match(name));
                let members = groups.flat_map(|(_, group)| group.members.iter().copied());
                let hosts = inventory.hosts.iter().enumerate();
                let hosts = hosts.filter(|(_, host)| regex.is_match(&host.name));
                members.chain(hosts.map(|(id, _)| id)).collect()
            }
        };
        match (&self.name, self.subscript) {
            (Name::Exact(_), None) => Ok(found),
            _ if found.is_empty() => Err(self.no_match(inventory, &self.typed)),
            (_, None) => Ok(found),
            (_, Some(subscript)) => subscript.of(&found).ok_or_else(|| LimitError::Subscript {
                typed: self.typed.clone(),
                count: found.len(),
            }),
        }
    }

    fn no_match(&self, inventory: &Inventory, name: &str) -> LimitError {
        let groups = inventory.groups.keys().map(String::as_str);
        let known = groups.chain(inventory.hosts.iter().map(|host| &*host.name));
        LimitError::NoMatch {
            typed: self.typed.clone(),
            inventory: inventory.file.clone(),
            nearest: nearest(name, known).map(str::to_owned),
        }
    }
}

impl Subscript {
    /// Its part of the hosts, if it has one.
    fn of(self, hosts: &BTreeSet<usize>) -> Option<BTreeSet<usize>> {
        let count = hosts.len();
        let (first, last) = match self {
            Self::One(at) if at < 0 => {
                let at = count.checked_sub(usize::try_from(at.unsigned_abs()).ok()?)?;
                (at, at)
            }
            Self::One(at) => (usize::try_from(at).ok()?, usize::try_from(at).ok()?),
            Self::From(first, last) => (first, last.unwrap_or(count - 1).min(count - 1)),
        };
        (first <= last && last < count)
            .then(|| hosts.iter().copied().skip(first).take(last - first + 1).collect())
    }
}

/// Splits at `,` and `:`, but not within brackets, where a subscript or a class of characters has
/// them, nor within those of a regular expression. An IPv6 address is one part.
fn split(typed: &str) -> Vec<&str> {
    if typed.parse::<std::net::Ipv6Addr>().is_ok() {
        return vec![typed];
    }
    let (mut parts, mut start, mut depth, mut escaped) = (Vec::new(), 0, 0_usize, false);
    for (at, c) in typed.char_indices() {
        let regex = typed[start..at].trim_start_matches(['&', '!', ' ']).starts_with('~');
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = regex,
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '(' | '{' if regex => depth += 1,
            ')' | '}' if regex => depth = depth.saturating_sub(1),
            ',' | ':' if depth == 0 => {
                parts.push(&typed[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&typed[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// `web[0:2]` is `web` and `[0:2]`; `web[ab]` is a glob.
fn split_subscript(text: &str) -> (&str, Option<Subscript>) {
    let found = text.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    let parsed = found.and_then(|(name, body)| {
        let subscript = match body.split_once(':') {
            Some((first, "")) => Subscript::From(first.parse().ok()?, None),
            Some((first, last)) => Subscript::From(first.parse().ok()?, Some(last.parse().ok()?)),
            None => Subscript::One(body.parse().ok()?),
        };
        (!name.is_empty()).then_some((name, Some(subscript)))
    });
    parsed.unwrap_or((text, None))
}

/// A shell's glob as a regular expression for a whole name.
fn glob(text: &str) -> String {
    let mut regex = String::from("^");
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match (c, rest.split_once(']')) {
            ('*', _) => regex.push_str(".*"),
            ('?', _) => regex.push('.'),
            ('[', Some((class, after))) if !class.is_empty() => {
                let (not, class) = match class.strip_prefix('!') {
                    Some(class) => ("^", class),
                    None => ("", class),
                };
                regex += &format!("[{not}{}]", class.replace(['\\', '[', '^', '&', '~'], ""));
                rest = after;
            }
            _ => regex += &regex::escape(c.encode_utf8(&mut [0; 4])),
        }
    }
    regex + "$"
}

fn read(file: &str) -> Result<String, LimitError> {
    fs::read_to_string(file).map_err(|source| LimitError::File { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: &str = "\
all:
  children:
    web:
      hosts:
        web[1:4]:
    db:
      hosts:
        db-a.example.org:
        db-b.example.org:
    eu:
      hosts:
        web2:
        db-a.example.org:
  hosts:
    lonely:
    '::1':
tracker:
  hosts:
    lonely:
seeder:
  hosts:
    lonely:
peer:
  children:
    web:
    db:
";

    fn fleet() -> Inventory {
        Inventory::parse(FLEET.as_bytes(), "inventory.yaml", &[]).unwrap()
    }

    fn select(typed: &str) -> Vec<String> {
        let inventory = fleet();
        let hosts = Pattern::parse(typed).unwrap().select(&inventory).unwrap();
        hosts.into_iter().map(|id| inventory.hosts[id].name.clone()).collect()
    }

    fn refused(typed: &str) -> String {
        let inventory = fleet();
        Pattern::parse(typed).and_then(|pattern| pattern.peers(&inventory)).unwrap_err().to_string()
    }

    #[test]
    fn names_groups_and_globs_are_joined_by_commas_or_colons() {
        assert_eq!(select("web1"), ["web1"]);
        assert_eq!(select("web"), ["web1", "web2", "web3", "web4"]);
        assert_eq!(select("web1,db-a.example.org"), ["web1", "db-a.example.org"]);
        assert_eq!(select("web3:lonely:web1"), ["web1", "web3", "lonely"]);
        assert_eq!(select("*.example.org"), ["db-a.example.org", "db-b.example.org"]);
        assert_eq!(select("web[!1-3], lonel?"), ["web4", "lonely"]);
        assert_eq!(select("::1"), ["::1"]);
        assert_eq!(select("all").len(), 8);
        assert_eq!(select("*").len(), 8);
    }

    #[test]
    fn intersections_and_exclusions_come_after_everything_else() {
        assert_eq!(select("web:&eu"), ["web2"]);
        assert_eq!(select("!eu:web"), ["web1", "web3", "web4"]);
        assert_eq!(select("web:db:&eu:!web2"), ["db-a.example.org"]);
        assert_eq!(select("!web,!db"), ["lonely", "::1"]);
        assert_eq!(select("&eu"), ["web2", "db-a.example.org"]);
    }

    #[test]
    fn a_regular_expression_is_matched_from_the_start_of_a_name() {
        assert_eq!(select(r"~web[13]$"), ["web1", "web3"]);
        assert_eq!(select(r"~(?:web|lone)\w{2,3}$"), ["lonely"]);
        assert_eq!(select(r"~.*\.example:!~db-a"), ["db-b.example.org"]);
    }

    #[test]
    fn subscripts_pick_by_position_with_both_ends_included() {
        assert_eq!(select("web[0]"), ["web1"]);
        assert_eq!(select("web[-1]"), ["web4"]);
        assert_eq!(select("web[1:2]"), ["web2", "web3"]);
        assert_eq!(select("web[2:]"), ["web3", "web4"]);
        assert_eq!(select("web[2:99]"), ["web3", "web4"]);
        assert_eq!(select("*.org[0]"), ["db-a.example.org"]);
    }

    #[test]
    fn a_file_has_one_pattern_a_line() {
        let file = std::env::temp_dir().join(format!("murder-limit-{}", std::process::id()));
        fs::write(&file, "# failed\nweb1\n\ndb-?.example.org  # both\n").unwrap();
        let typed = format!("@{}", file.display());
        let (one, two) = (select(&typed), select(&format!("{typed}:!web1")));
        fs::remove_file(&file).unwrap();
        assert_eq!(one, ["web1", "db-a.example.org", "db-b.example.org"]);
        assert_eq!(two, ["db-a.example.org", "db-b.example.org"]);
    }

    #[test]
    fn only_peers_are_left_and_roles_stay_where_they_are() {
        let inventory = fleet();
        let peers = Pattern::parse("web1,lonely").unwrap().peers(&inventory).unwrap();
        assert_eq!(peers, [inventory.index_of("web1").unwrap()]);
        assert_eq!(inventory.tracker().name, "lonely");
        assert_eq!(refused("lonely"), "--limit \"lonely\" leaves no host to work on");
        assert_eq!(refused("web:!web"), "--limit \"web,!web\" leaves no host to work on");
    }

    #[test]
    fn what_fits_nothing_is_refused_with_the_nearest_name() {
        assert_eq!(
            refused("wbe1"),
            "--limit: \"wbe1\" is no host and no group of inventory.yaml (did you mean web1?)"
        );
        assert_eq!(
            refused("web:!lonley"),
            "--limit: \"!lonley\" is no host and no group of inventory.yaml (did you mean lonely?)"
        );
        assert_eq!(
            refused("mail*"),
            "--limit: \"mail*\" is no host and no group of inventory.yaml"
        );
        assert_eq!(
            refused("web[4]"),
            "--limit: \"web[4]\" goes past the 4 hosts that it picks from"
        );
        assert_eq!(refused("~("), "--limit: \"~(\" is no pattern");
        assert_eq!(refused(" , "), "--limit names no host");
        assert_eq!(refused("@no/such/file"), "--limit: can't read no/such/file");
    }
}
