//! `releases` and the tasks that prepare, prove and remove releases on the peers; the lock of an
//! application's deploys.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::{
    DeployLock, DeployLockReply, DeployUnlock, HeldLock, LockHolder, ReleaseCheck, ReleaseCleanUp,
    ReleaseDone, ReleaseEntry, ReleaseList, ReleaseOrder, ReleaseProve, ReleaseSetAside,
    ReleaseStage, Releases,
};
use murder_protocol::{Blame, Failure, Tag, utc};
use serde_json::json;

use super::context::{Context, Stop, missing};
use super::release;
use crate::fleet::{Done, Ended, Job, Outcome};
use crate::inventory::{self, Host};
use crate::report::{Data, Event, units};
use crate::settings::{ReleaseTask, ReleaseWhat};

/// What a task about releases does on the peers.
pub(super) async fn run(
    context: &Context,
    task: &ReleaseTask,
) -> Result<Vec<Ended<ReleaseDone>>, Stop> {
    let hosts = context.cast.peers.clone();
    let ends = release::orders(context, task.what.name(), hosts, |host| order(task, host)).await?;
    for end in &ends {
        let warnings = end.value.iter().flat_map(|done| &done.warnings);
        for warning in warnings {
            let text = format!("{}: {warning}", end.result.host);
            context.reporter.emit(Event::Warning(text));
        }
    }
    if task.what == ReleaseWhat::List {
        context.reporter.emit(Event::Data(listing(&in_order(context, &ends))));
    }
    Ok(ends)
}

/// What is on some hosts, as a part of another task.
pub(super) async fn look(
    context: &Context,
    task: &ReleaseTask,
    hosts: Vec<Arc<Host>>,
) -> Result<Vec<Ended<ReleaseDone>>, Stop> {
    release::orders(context, task.what.name(), hosts, |host| order(task, host)).await
}

/// What a host is ordered to do.
fn order(task: &ReleaseTask, host: &Host) -> Result<ReleaseOrder, Failure> {
    let deploy_to = deploy_to(task.deploy_to.as_deref(), host)?;
    let release = || task.release.clone().ok_or_else(|| missing("release"));
    let (linked_files, linked_dirs) = (task.linked_files.clone(), task.linked_dirs.clone());
    Ok(match task.what {
        ReleaseWhat::Check => ReleaseOrder::Check(ReleaseCheck {
            deploy_to,
            release: release()?,
            linked_files,
            linked_dirs,
        }),
        ReleaseWhat::Prepare => ReleaseOrder::Prepare(ReleaseCheck {
            deploy_to,
            release: release()?,
            linked_files,
            linked_dirs,
        }),
        ReleaseWhat::Stage => {
            let release = release()?;
            let revision = task.revision.clone().unwrap_or_else(|| release.to_string());
            let stage = ReleaseStage { deploy_to, release, revision, linked_files, linked_dirs };
            ReleaseOrder::Stage(stage)
        }
        ReleaseWhat::Prove => {
            ReleaseOrder::Prove(ReleaseProve { deploy_to, release: task.release.clone() })
        }
        ReleaseWhat::SetAside => ReleaseOrder::SetAside(ReleaseSetAside {
            deploy_to,
            release: release()?,
            why: "its deploy failed".into(),
        }),
        ReleaseWhat::Clean => ReleaseOrder::CleanUp(ReleaseCleanUp { deploy_to, keep: task.keep }),
        ReleaseWhat::List | ReleaseWhat::Lock | ReleaseWhat::Unlock => {
            ReleaseOrder::List(ReleaseList { deploy_to })
        }
    })
}

/// Where the application is on a host: as it was typed, else as its variables have it.
pub(super) fn deploy_to(typed: Option<&str>, host: &Host) -> Result<String, Failure> {
    let variable = |name: &str| match host.vars.get(name).map(|var| &var.json) {
        Some(serde_json::Value::String(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    typed
        .map(str::to_owned)
        .or_else(|| variable("deploy_to"))
        .or_else(|| variable("application").map(|application| format!("/srv/{application}")))
        .ok_or_else(|| missing("deploy_to"))
}

/// Takes the lock of an application. `holder` is who takes it.
pub(super) async fn lock(
    context: &Context,
    task: &ReleaseTask,
    holder: LockHolder,
) -> Result<Vec<Ended<()>>, Stop> {
    at_tracker(context, task, |application, context, host| async move {
        let request = DeployLock { application: application.clone(), holder };
        match context.call(&host, &request).await? {
            DeployLockReply::Taken => Ok(Done::with(format!("locked {application}"))),
            DeployLockReply::Held(held) => Err(Outcome::Failed(is_held(&context, &held))),
        }
    })
    .await
}

/// Gives a lock back: the one that was taken with this word of chance, or anybody's.
pub(super) async fn unlock(
    context: &Context,
    task: &ReleaseTask,
    chance: Option<String>,
) -> Result<Vec<Ended<()>>, Stop> {
    at_tracker(context, task, |application, context, host| async move {
        let reply = context.call(&host, &DeployUnlock { application, chance }).await?;
        match reply.released {
            Some(HeldLock { holder, held_seconds }) => {
                let held = units::whole_duration(Duration::from_secs(held_seconds));
                Ok(Done::with(format!("was held by {} for {held}: {}", holder.who, holder.what)))
            }
            None => Err(Outcome::Skipped("nobody held it".into())),
        }
    })
    .await
}

async fn at_tracker<F, Fut>(
    context: &Context,
    task: &ReleaseTask,
    ask: F,
) -> Result<Vec<Ended<()>>, Stop>
where
    F: FnOnce(String, Context, Arc<Host>) -> Fut,
    Fut: Future<Output = Job<()>> + Send + 'static,
{
    let tracker = context.cast.tracker.clone();
    let first = context.cast.peers.first().unwrap_or(&tracker).clone();
    let application = deploy_to(task.deploy_to.as_deref(), &first);
    let mut ask = Some(ask);
    context
        .on_hosts(task.what.name(), vec![tracker], context.quick(), |host| {
            let asked = application.clone().map(|application| {
                let ask = ask.take().expect("there is one tracker");
                ask(application, context.clone(), host)
            });
            async move {
                match asked {
                    Ok(asked) => asked.await,
                    Err(failure) => Err(failure.into()),
                }
            }
        })
        .await
}

fn is_held(context: &Context, held: &HeldLock) -> Failure {
    let HeldLock { holder: LockHolder { who, what, seconds, .. }, held_seconds } = held;
    let since = units::whole_duration(Duration::from_secs(*held_seconds));
    let unlock = context.settings.invocation.of_application("deploy:unlock");
    let (stale, hint) = match held_seconds > seconds {
        true => ("; the lock is stale", format!("clear it with {unlock}")),
        false => ("", format!("wait for it; if that deploy is gone, clear the lock with {unlock}")),
    };
    Failure::new(Blame::Operator, format!("locked by {who} for {since}: {what}{stale}")).hint(hint)
}

fn in_order<'a>(context: &Context, ends: &'a [Ended<ReleaseDone>]) -> Vec<(&'a str, &'a Releases)> {
    let places: BTreeMap<&str, usize> =
        context.cast.peers.iter().enumerate().map(|(at, host)| (host.name.as_str(), at)).collect();
    let mut hosts: Vec<_> = ends
        .iter()
        .filter_map(|end| Some((end.result.host.as_str(), &end.value.as_ref()?.releases)))
        .collect();
    hosts.sort_by_key(|(host, _)| places.get(host));
    hosts
}

/// Hosts that have the same are one entry. Those that differ from most come after, each line in
/// which they do with a mark in front of it.
fn listing(hosts: &[(&str, &Releases)]) -> Data {
    let mut groups: Vec<Alike<'_>> = Vec::new();
    for (host, releases) in hosts {
        match groups.iter_mut().find(|group| alike(group.all[0], releases)) {
            Some(group) => {
                group.names.push(host);
                group.all.push(releases);
            }
            None => groups.push(Alike { names: vec![host], all: vec![releases] }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.names.len()));
    let mut text = String::new();
    for (at, group) in groups.iter().enumerate() {
        let differ = if at > 0 { "  (differs from most)" } else { "" };
        let names = inventory::fold(group.names.iter().copied(), 8);
        let _ = writeln!(text, "{}: {names}{differ}", units::hosts(group.names.len()));
        write(&mut text, group, &groups[0]);
    }
    let json = hosts.iter().map(|(host, releases)| {
        let most = groups.first().is_none_or(|most| alike(most.all[0], releases));
        json!({"event": "releases", "host": host, "differs": !most, "releases": releases})
            .to_string()
    });
    Data { text, json: json.collect() }
}

/// Hosts that have the same, but for the times.
struct Alike<'a> {
    names: Vec<&'a str>,
    all: Vec<&'a Releases>,
}

/// When a host got or first used a release differs from host to host, and matters to nobody.
fn alike(one: &Releases, other: &Releases) -> bool {
    let names = |releases: &Releases| {
        let entry = |entry: &ReleaseEntry| {
            (entry.release.clone(), entry.revision.clone(), entry.switched_unix.is_some())
        };
        releases.complete.iter().map(entry).collect::<Vec<_>>()
    };
    (&one.current, &one.previous, &one.incomplete, &one.failed)
        == (&other.current, &other.previous, &other.incomplete, &other.failed)
        && names(one) == names(other)
}

/// The rows of some hosts that have the same.
fn write(text: &mut String, group: &Alike<'_>, most: &Alike<'_>) {
    let usual = rows(most.all[0]);
    for (row, usual) in rows(group.all[0]).iter().zip(&usual) {
        let differs = row.words != usual.words;
        if row.words.is_empty() && !differs {
            continue;
        }
        let mark = if differs { "!" } else { " " };
        let mut line = format!("{mark} {:<10}", row.name);
        let none = ["none".to_owned()];
        for word in if row.words.is_empty() { &none[..] } else { &row.words } {
            if line.len() + 1 + word.len() > WIDTH && !line.ends_with("  ") {
                let _ = writeln!(text, "{line}");
                line = " ".repeat(12);
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(text, "{line}");
        if row.name == "current" {
            let times = group.all.iter().filter_map(|releases| releases.current_since_unix);
            if let Some(since) = since(times) {
                let _ = writeln!(text, "  since      {since}");
            }
        }
    }
}

/// One line, or no words where there is none.
struct Row {
    name: &'static str,
    words: Vec<String>,
}

/// What there is on a host, each kind of it in its place.
fn rows(releases: &Releases) -> Vec<Row> {
    let called = |release: &Tag| {
        let entry = releases.complete.iter().find(|entry| entry.release == *release);
        match entry {
            Some(entry) if entry.revision != release.as_str() => {
                format!("{release} ({})", entry.revision)
            }
            Some(_) => release.to_string(),
            None => format!("{release} (not complete)"),
        }
    };
    let Releases { current, previous, complete, incomplete, failed, current_since_unix: _ } =
        releases;
    let others = |staged: bool| {
        let these = complete.iter().filter(move |entry| entry.switched_unix.is_none() == staged);
        let known = [current.as_ref(), previous.as_ref()];
        let these = these.map(|entry| &entry.release);
        these.filter(|release| !known.contains(&Some(release))).map(Tag::to_string).collect()
    };
    let row = |name, words| Row { name, words };
    vec![
        row("current", vec![current.as_ref().map_or_else(|| "none".to_owned(), called)]),
        row("previous", previous.iter().map(called).collect()),
        row("staged", others(true)),
        row("available", others(false)),
        row("incomplete", incomplete.iter().map(Tag::to_string).collect()),
        row("failed", failed.iter().map(Tag::to_string).collect()),
    ]
}

/// "2026-11-25 10:30:00 UTC", or from when to when hosts were switched.
fn since(times: impl Iterator<Item = u64> + Clone) -> Option<String> {
    let (first, last) = (times.clone().min()?, times.max()?);
    let (first, last) = (utc::date_time(first), utc::date_time(last));
    let shown = |text: &str| text.replace('T', " ");
    Some(match (first.split_once('T'), last.split_once('T')) {
        _ if first == last => format!("{} UTC", shown(&first)),
        (Some((date, _)), Some((same, time))) if date == same => {
            format!("{} to {time} UTC", shown(&first))
        }
        _ => format!("{} to {} UTC", shown(&first), shown(&last)),
    })
}

/// Fits the narrowest terminal that anybody still uses.
const WIDTH: usize = 79;

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str) -> Tag {
        name.parse().unwrap()
    }

    fn releases(current: &str, others: &[(&str, bool)]) -> Releases {
        let entry = |(name, was_current): &(&str, bool)| ReleaseEntry {
            release: tag(name),
            revision: (*name).to_owned(),
            staged_unix: 1,
            switched_unix: was_current.then_some(2),
        };
        let complete = others.iter().chain(&[(current, true)]).map(entry).collect();
        let current_since_unix = Some(1_795_602_602);
        let current = Some(tag(current));
        Releases { current, current_since_unix, complete, ..Releases::default() }
    }

    #[test]
    fn hosts_that_have_the_same_are_one_entry_and_others_stand_out() {
        let most = releases("2", &[("1", true)]);
        let later = Releases { current_since_unix: Some(1_795_602_605), ..most.clone() };
        let failed = Some(tag("3"));
        let other = Releases { failed, ..releases("1", &[("2", false)]) };
        let data = listing(&[("web1", &most), ("web2", &other), ("web3", &later)]);
        assert_eq!(
            data.text,
            "2 hosts: web1, web3\n  current    2\n  since      2026-11-25 10:30:02 to \
             10:30:05 UTC\n  available  1\n1 host: web2  (differs from most)\n! current    1\n  \
             since      2026-11-25 10:30:02 UTC\n! staged     2\n! available  none\n! failed     \
             3\n"
        );
        assert_eq!(
            data.json[1],
            "{\"differs\":true,\"event\":\"releases\",\"host\":\"web2\",\"releases\":{\"complete\":[\
             {\"release\":\"2\",\"revision\":\"2\",\"staged_unix\":1,\"switched_unix\":null},{\"release\":\
             \"1\",\"revision\":\"1\",\"staged_unix\":1,\"switched_unix\":2}],\"current\":\"1\",\
             \"current_since_unix\":1795602602,\"failed\":\"3\",\"incomplete\":[],\"previous\":null}}"
        );
        assert!(data.json[2].contains("\"differs\":false"), "{}", data.json[2]);
    }

    #[test]
    fn many_releases_are_wrapped_below_each_other() {
        let many: Vec<String> = (0..9).map(|n| format!("2026112510300{n}")).collect();
        let others: Vec<_> = many.iter().map(|name| (name.as_str(), true)).collect();
        let text = listing(&[("web1", &releases("r1", &others))]).text;
        assert!(text.lines().all(|line| line.len() < 80), "{text}");
        let wrapped = "\n             20261125103004 20261125103005";
        assert!(text.contains(wrapped), "{text}");
    }

    #[test]
    fn an_application_is_in_srv_unless_somebody_says_otherwise() {
        let host =
            inventory::Inventory::parse(b"all:\n  hosts: {w: {application: shop}}\n", "i", &[]);
        let host = &host.unwrap().hosts[0];
        assert_eq!(deploy_to(None, host).unwrap(), "/srv/shop");
        assert_eq!(deploy_to(Some("/x"), host).unwrap(), "/x");
    }
}
