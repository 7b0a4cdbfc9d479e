//! The end of a run, for people.

use std::fmt::Write as _;

use super::paint::Paint;
use super::reader::Ending;
use super::summary::{Bad, Good, Summary};
use super::units;
use crate::settings::Verbosity;

/// All of it: headline, numbers, what went wrong and how to go on.
pub(super) fn text(
    ending: &Ending<'_>,
    paint: Paint,
    verbosity: Verbosity,
    width: usize,
) -> String {
    let summary = ending.summary;
    let mut text = String::new();
    if verbosity > Verbosity::Quiet {
        let _ = writeln!(text, "{}", headline(summary, paint));
        numbers(&mut text, summary);
        // With -v each host's word was said when its part ended.
        if verbosity == Verbosity::Normal {
            details(&mut text, &summary.good);
        }
    }
    bad(&mut text, &summary.bad, paint, width);
    if let Some(retry) = ending.retry {
        let _ = writeln!(text, "{}\n  {retry}", paint.strong("try these hosts again:"));
    }
    text.truncate(text.trim_end().len());
    text
}

/// "peer: 998 ok, 1 failed, 1 unreachable in 42.1s".
pub(super) fn headline(summary: &Summary, paint: Paint) -> String {
    let mut parts = Vec::new();
    if summary.ok > 0 || summary.hosts() == 0 {
        parts.push(paint.good(&format!("{} ok", summary.ok)));
    }
    if summary.failed > 0 {
        parts.push(paint.bad(&format!("{} failed", summary.failed)));
    }
    if summary.unreachable > 0 {
        parts.push(paint.bad(&format!("{} unreachable", summary.unreachable)));
    }
    if summary.skipped > 0 {
        parts.push(format!("{} skipped", summary.skipped));
    }
    let name = paint.strong(summary.task.as_str());
    format!("{name}: {} in {}", parts.join(", "), units::duration(summary.elapsed))
}

fn numbers(text: &mut String, summary: &Summary) {
    if let Some(times) = summary.times.as_ref().filter(|_| summary.ok > 1) {
        let _ = writeln!(
            text,
            "  hosts took   p50 {}, p95 {}, last {} ({})",
            units::duration(times.p50),
            units::duration(times.p95),
            units::duration(times.max),
            times.last,
        );
    }
    if summary.bytes > 0 {
        let _ = writeln!(
            text,
            "  moved        {} at {} over the fleet",
            units::bytes(summary.bytes),
            units::rate(summary.throughput()),
        );
    }
    if let (Some(copies), Some(archive)) = (summary.seeder_copies, summary.archive) {
        let size = units::bytes(archive);
        let _ = writeln!(text, "  seeder sent  {copies:.2} times the archive of {size}");
    }
}

/// What hosts said of their success. Equal words of many are one line.
fn details(text: &mut String, good: &[Good]) {
    let said = good.iter().filter(|good| !good.detail.is_empty());
    for group in groups(said, |good| (good.skipped, good.detail.clone())).iter().take(MOST_DETAILS)
    {
        let word = if group[0].skipped { "skipped, " } else { "" };
        let who = match group.as_slice() {
            [one] => one.host.clone(),
            many => units::hosts(many.len()),
        };
        let _ = writeln!(text, "  {who}: {word}{}", group[0].detail);
    }
}

fn bad(text: &mut String, bad: &[Bad], paint: Paint, width: usize) {
    for group in groups(bad.iter(), |bad| (bad.unreachable, bad.failure.to_string())) {
        let first = group[0];
        let word = if first.unreachable { "unreachable" } else { "failed" };
        let word = paint.bad(word);
        if group.len() < FOLD {
            for bad in group {
                let _ = writeln!(text, "{word} {}: {}", paint.strong(&bad.host), bad.failure);
            }
            continue;
        }
        let hosts = units::hosts(group.len());
        let _ = writeln!(text, "{word} {}: {}", paint.strong(&hosts), first.failure);
        names(text, group.iter().map(|bad| bad.host.as_str()), group.len(), width);
    }
}

/// Host names with commas, wrapped; of very many the first ones.
fn names<'a>(text: &mut String, hosts: impl Iterator<Item = &'a str>, all: usize, width: usize) {
    let mut words: Vec<String> = hosts.take(MOST_NAMES).map(str::to_owned).collect();
    if all > words.len() {
        words.push(format!("and {} more", all - words.len()));
    }
    let last = words.len() - 1;
    let mut line = String::new();
    for (index, mut word) in words.into_iter().enumerate() {
        if index < last {
            word.push(',');
        }
        if !line.is_empty() && line.len() + word.len() + 5 > width {
            let _ = writeln!(text, "    {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    let _ = writeln!(text, "    {line}");
}

/// The items with the same key together, in the order of each key's first item.
fn groups<'a, T, K: std::hash::Hash + Eq>(
    items: impl Iterator<Item = &'a T>,
    key: impl Fn(&T) -> K,
) -> Vec<Vec<&'a T>> {
    let mut groups: Vec<Vec<&T>> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for item in items {
        let place = *places.entry(key(item)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    groups
}

/// So many hosts with the same reason are one line.
const FOLD: usize = 3;

/// Names that are written out; the others are in the file of failed hosts.
const MOST_NAMES: usize = 100;

/// Details that differ from host to host are for -v.
const MOST_DETAILS: usize = 5;
