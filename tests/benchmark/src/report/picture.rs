//! A scenario's pictures.

use super::chart::{Axis, Bars, Chart, Line, Scale};
use crate::record::{Column, Plot, Record, Sample, ToolRecord};
use crate::report::table::spread;

/// Each picture with the name of its file.
pub(crate) fn all_of(record: &Record) -> Vec<(String, String)> {
    let several = record.plots.len() > 1;
    let numbered = record.plots.iter().enumerate().map(|(number, plot)| {
        let number = if several { format!("-{}", number + 1) } else { String::new() };
        (format!("{}{number}.svg", record.scenario), of(record, plot))
    });
    numbered.collect()
}

fn of(record: &Record, plot: &Plot) -> String {
    match plot {
        Plot::Completion { bound } => completion(record, *bound).svg(),
        Plot::Bars { keys, title } => bars(record, keys, title).svg(),
        Plot::Lines { x, y, x_title, y_title, least_y } => {
            let lines = record.tools.iter().map(|tool| line(tool, x, y));
            let lines: Vec<Line> = lines.filter(|line| !line.points.is_empty()).collect();
            let xs = lines.iter().flat_map(|line| &line.points).map(|point| point.0);
            let ys = lines.iter().flat_map(|line| &line.points).map(|point| point.1);
            let (x, y) = (Axis::by_powers(x_title, xs), Axis::from(y_title, *least_y, ys));
            Chart { title: record.title.clone(), x, y, lines, mark: None }.svg()
        }
    }
}

fn completion(record: &Record, bound: f64) -> Chart {
    let typical = record.tools.iter().filter_map(|tool| Some((tool, median_run(tool)?)));
    let lines: Vec<Line> = typical
        .map(|(tool, run)| {
            let steps = run.curve.len() as f64;
            let mut points = vec![(0.0, 0.0)];
            for (done, at) in run.curve.iter().enumerate() {
                points.push((*at, 100.0 * done as f64 / steps));
                points.push((*at, 100.0 * (done + 1) as f64 / steps));
            }
            Line { label: tool.tool.clone(), points }
        })
        .collect();
    let ends = lines.iter().filter_map(|line| line.points.last()).map(|point| point.0);
    Chart {
        title: format!("{}: share of peers that have the file", record.title),
        x: Axis::from("seconds since all were told", 0.0, ends),
        y: Axis { title: "% of peers".into(), least: 0.0, greatest: 100.0, scale: Scale::Linear },
        lines,
        mark: Some((bound, "one flow".into())),
    }
}

/// The run whose last peer was done in the middle of all runs.
fn median_run(tool: &ToolRecord) -> Option<&Sample> {
    let mut runs: Vec<&Sample> = tool.runs.iter().filter(|run| !run.curve.is_empty()).collect();
    let end = |run: &Sample| run.curve.last().copied().unwrap_or_default();
    runs.sort_by(|a, b| end(a).total_cmp(&end(b)));
    runs.get(runs.len().checked_sub(1)? / 2).copied()
}

fn bars(record: &Record, keys: &[String], title: &str) -> Bars {
    let columns: Vec<&Column> =
        keys.iter().filter_map(|key| record.columns.iter().find(|col| col.key == *key)).collect();
    let groups = record.tools.iter().filter(|tool| !tool.runs.is_empty()).map(|tool| {
        let runs: Vec<&Sample> = tool.runs.iter().collect();
        let medians = columns.iter().map(|column| Some(spread(&runs, &column.key)?.median));
        (tool.tool.clone(), medians.collect())
    });
    Bars {
        title: format!("{}: {title}", record.title),
        series: columns.iter().map(|column| column.title.clone()).collect(),
        groups: groups.collect(),
    }
}

/// The medians of one number, by size.
fn line(tool: &ToolRecord, x: &str, y: &str) -> Line {
    let sizes = tool.by_size(Some(x)).into_iter();
    let points = sizes.filter_map(|(size, runs)| Some((size?, spread(&runs, y)?.median)));
    Line { label: tool.tool.clone(), points: points.collect() }
}
