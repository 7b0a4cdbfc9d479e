//! `logs`: the last lines of the roles' logs.

use murder_protocol::verbs::{LogText, Logs, LogsReply};
use murder_protocol::{Blame, Failure, Tag};

use super::Replies;
use crate::home::{Home, parse_role_name};
use crate::log::tail;

pub(super) fn run(
    request: Logs,
    home: &Home,
    _replies: &mut Replies<Logs>,
) -> Result<LogsReply, Failure> {
    let lines = usize::try_from(request.lines).unwrap_or(usize::MAX);
    let mut logs = Vec::new();
    for name in names(home, request.tag.as_ref()) {
        let path = home.log().join(&name);
        let text = tail(&path, lines).map_err(|error| {
            Failure::new(Blame::Host, format!("could not read {}: {error}", path.display()))
        })?;
        logs.push(LogText { name, text });
    }
    Ok(LogsReply { logs })
}

fn names(home: &Home, tag: Option<&Tag>) -> Vec<String> {
    let Ok(entries) = home.log().read_dir() else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let is_meant = |name: &String| {
        let role = name.strip_suffix(".log").and_then(parse_role_name);
        role.is_some_and(|(_, of)| tag.is_none() || of.as_ref() == tag)
    };
    let mut names: Vec<_> = names.filter(is_meant).collect();
    names.sort();
    names
}
