//! A scenario's numbers as a table, and what has to be known about them.

use std::fmt::Write as _;

use crate::record::{Column, Record, Sample};
use crate::stats::Spread;

/// A machine that is busier than this (%) may have slowed a race that links were to decide.
pub(super) const BUSY: f64 = 70.0;

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
    let mut any_busy = false;
    for tool in &record.tools {
        for (_, runs) in tool.by_size(record.by.as_deref()) {
            let busy = record.columns.iter().any(|column| column.key == "busy") && was_busy(&runs);
            any_busy |= busy;
            let mark = if busy { " †" } else { "" };
            let cells = columns.iter().map(|column| cell(&runs, column));
            let cells = cells.collect::<Vec<_>>().join(" | ");
            let _ = writeln!(text, "| {}{mark} | {cells} |", tool.tool);
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
    if any_busy {
        let _ = writeln!(
            text,
            "\n† The machine was over {BUSY:.0} % busy in some run, so it may have been the limit, not \
             the links."
        );
    }
    text
}

fn was_busy(runs: &[&Sample]) -> bool {
    spread(runs, "busy").is_some_and(|busy| busy.greatest > BUSY)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_on_a_busy_machine_is_enough_for_a_mark() {
        let idle = Sample::default().with("busy", 69.0);
        let busy = Sample::default().with("busy", 71.0);
        let unknown = Sample::default();
        assert!(was_busy(&[&idle, &busy]));
        assert!(!was_busy(&[&idle, &unknown]));
    }
}
