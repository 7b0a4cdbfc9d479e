//! Decides what a variable is by its name: one of ours, one of Ansible's that murder could not
//! honour, a misspelt one, or one for recipes.

use std::sync::Arc;

use super::error::Problem;
use super::key::Key;
use super::value::Value;
use super::vars::{Origin, Var};
use crate::yaml::quoted;

/// A variable without its origin.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    name: Arc<str>,
    json: serde_json::Value,
    known: Option<Value>,
}

impl Checked {
    pub(super) fn var(self, origin: Origin) -> Var {
        Var { name: self.name, json: self.json, known: self.known, origin }
    }
}

/// The name that a variable is kept under.
pub(super) fn kept_as(name: &str) -> &str {
    Key::of(name).map_or(name, |key| key.name())
}

/// A variable of ours from its text.
pub(super) fn ours(key: Key, name: &str, text: &str) -> Result<Checked, Problem> {
    let known = Value::parse(key, text).ok_or_else(|| Problem::Value {
        name: name.to_owned(),
        expected: key.expects(),
        got: quoted(text),
        template: text.contains("{{"),
    })?;
    let json = match (&known, text.parse::<i64>()) {
        (Value::Flag(flag), _) => (*flag).into(),
        (Value::Port(_) | Value::Ports(_) | Value::Number(_), Ok(number)) => number.into(),
        _ => text.into(),
    };
    Ok(Checked { name: name.into(), json, known: Some(known) })
}

/// A variable that is not ours, from its value and, if it has one, its text.
pub(super) fn other(
    name: &str,
    json: serde_json::Value,
    says_nothing: bool,
) -> Result<Checked, Problem> {
    if let Some((_, instead)) = NOT_HONOURED.iter().find(|(refused, _)| *refused == name)
        && !says_nothing
    {
        return Err(Problem::NotHonoured { name: name.to_owned(), instead });
    }
    match near_miss(name) {
        Some(nearest) => Err(Problem::Misspelt { name: name.to_owned(), nearest }),
        None => Ok(Checked { name: name.into(), json, known: None }),
    }
}

/// What Ansible's ssh would do and murder can't, and what to do instead.
const NOT_HONOURED: [(&str, &str); 14] = [
    ("ansible_password", KEYS),
    ("ansible_ssh_pass", KEYS),
    ("ansible_ssh_password", KEYS),
    ("ansible_ssh_private_key", KEYS),
    ("ansible_private_key", KEYS),
    ("ansible_ssh_private_key_passphrase", KEYS),
    ("ansible_private_key_passphrase", KEYS),
    ("ansible_ssh_common_args", CONFIG),
    ("ansible_ssh_extra_args", CONFIG),
    ("ansible_ssh_args", CONFIG),
    ("ansible_ssh_executable", "murder runs the ssh that is first in PATH"),
    ("ansible_ssh_pkcs11_provider", CONFIG),
    ("ansible_host_key_checking", NEW_HOSTS),
    ("ansible_ssh_host_key_checking", NEW_HOSTS),
];
const KEYS: &str = "let the SSH agent hold a key, or name one with ansible_ssh_private_key_file";
const CONFIG: &str = "put it in ~/.ssh/config, which murder's ssh reads";
const NEW_HOSTS: &str = "use --accept-new-hosts, or put the keys of the hosts into known_hosts";

/// The variable of ours that a name is likely meant to be. Short names such as `host` are too near
/// to ordinary words to be guessed at.
fn near_miss(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase().replace('-', "_");
    if lower.len() > 40 || NOT_MEANT.contains(&name) {
        return None;
    }
    let spellings = Key::ALL.into_iter().flat_map(Key::spellings).copied();
    let guessable = spellings.filter(|ours| ours.len() > 8 && ours.contains('_'));
    let distance = |ours: &'static str| {
        let most = if ours.len() > 10 { 2 } else { 1 };
        let near = match lower == ours || ours.strip_prefix("default_") == Some(&*lower) {
            true => 0,
            // No distance is less than the difference in length, which costs nothing to tell.
            false if ours.len().abs_diff(lower.len()) > most => return None,
            false => strsim::osa_distance(&lower, ours),
        };
        (near <= most).then_some((near, ours))
    };
    guessable.filter_map(distance).min().map(|(_, ours)| ours)
}

/// Names that are near one of ours, and are Ansible's or plain words of their own: `tag` is a key
/// of tasks.
const NOT_MEANT: [&str; 1] = ["tag"];
