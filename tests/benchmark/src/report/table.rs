//! A scenario's numbers as a table, and what has to be known about them.

use std::fmt::Write as _;

use crate::record::{Column, Record, Sample};
use crate::stats::Spread;

/// One line a tool, one column a number.
pub(crate) fn of(record: &Record) -> String {
    let measured = |column: &&Column| {
        record
            .tools
            .iter()
            .flat_map(|tool| &tool.runs)
            .any(|run| run.numbers.contains_key(&column.key))
    };
    let columns: Vec<&Column> = record.columns.iter().filter(measured).collect();
    let titles: Vec<&str> = columns.iter().map(|column| column.title.as_str()).collect();
    let mut text =
        format!("| tool | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
    for tool in &record.tools {
        for (_, runs) in tool.by_size(record.by.as_deref()) {
            let cells = columns.iter().map(|column| cell(&runs, column));
            let cells = cells.collect::<Vec<_>>().join(" | ");
            let _ = writeln!(text, "| {} | {cells} |", tool.tool);
        }
        if tool.runs.is_empty() {
            let _ = writeln!(
                text,
                "| {} | failed |{}",
                tool.tool,
                " |".repeat(titles.len().saturating_sub(1))
            );
        }
    }
    text
}

/// Where, when, how and how often.
pub(crate) fn notes(record: &Record) -> String {
    let machine = &record.machine;
    let mut text = format!(
        "\n{} UTC, {} cores of {}, {} GiB, {}, Linux {}, murder at {}.\n\n",
        record.date,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.system,
        machine.kernel,
        machine.commit,
    );
    for tool in &record.tools {
        let _ = write!(text, "- {} {}: ", tool.tool, tool.version);
        let _ = write!(text, "{} ", counted(tool.runs.len(), "run"));
        if !tool.failures.is_empty() {
            let first = tool.failures[0].lines().next().unwrap_or_default();
            let _ = write!(text, "and {} ({first}) ", counted(tool.failures.len(), "failure"));
        }
        let _ = writeln!(text, "with {}", tool.settings);
    }
    text
}

/// The spread of a number over some runs.
pub(super) fn spread(runs: &[&Sample], key: &str) -> Option<Spread> {
    Spread::of(runs.iter().filter_map(|run| run.numbers.get(key).copied()))
}

fn cell(runs: &[&Sample], column: &Column) -> String {
    let Some(Spread { least, median, greatest }) = spread(runs, &column.key) else {
        return String::new();
    };
    let digits = column.digits;
    match runs.len() {
        1 => format!("{median:.digits$}"),
        _ if least == greatest => format!("{median:.digits$}"),
        _ => format!("**{median:.digits$}** ({least:.digits$}–{greatest:.digits$})"),
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
