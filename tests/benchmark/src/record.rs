//! What was measured, as it is kept: one JSON file a scenario, with all that the report shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::machine::Machine;
use crate::tools::Tool;

/// One scenario, measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its name on the command line, `swarm-16`.
    pub(crate) scenario: String,
    /// Its heading.
    pub(crate) title: String,
    /// What was done: sizes, rates, from when to when.
    pub(crate) about: String,
    /// When it began, UTC.
    pub(crate) date: String,
    /// How long all of it took, in seconds, with what each needs before and after.
    #[serde(default)]
    pub(crate) took: Option<f64>,
    pub(crate) machine: Machine,
    /// The number that tells runs of several sizes apart, if there are several.
    pub(crate) by: Option<String>,
    /// What the table shows, from left to right.
    pub(crate) columns: Vec<Column>,
    /// What the pictures show.
    pub(crate) plots: Vec<Plot>,
    pub(crate) tools: Vec<ToolRecord>,
}

/// One number that every run of a tool has, or may have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) key: String,
    pub(crate) title: String,
    /// Digits after the point.
    pub(crate) digits: usize,
}

/// A picture of a scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Plot {
    /// The share of peers done over time, of the run with the median end, and the bound's line.
    Completion {
        /// The least possible time, in seconds.
        bound: f64,
    },
    /// One bar a tool and column, at the median.
    Bars {
        /// The columns.
        keys: Vec<String>,
        title: String,
    },
    /// One line a tool: medians of one column over another.
    Lines {
        x: String,
        y: String,
        x_title: String,
        y_title: String,
        /// Where the second axis begins.
        least_y: f64,
    },
}

/// One tool in a scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ToolRecord {
    pub(crate) tool: String,
    pub(crate) version: String,
    pub(crate) settings: String,
    pub(crate) runs: Vec<Sample>,
    /// Why runs have no sample.
    pub(crate) failures: Vec<String>,
}

/// One run of a tool.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) numbers: BTreeMap<String, f64>,
    /// When each peer was done, in seconds, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) curve: Vec<f64>,
}

impl Sample {
    pub(crate) fn with(mut self, key: &str, value: f64) -> Self {
        self.numbers.insert(key.into(), value);
        self
    }

    pub(crate) fn with_some(self, key: &str, value: Option<f64>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

impl Column {
    pub(crate) fn new(key: &str, title: &str, digits: usize) -> Self {
        Self { key: key.into(), title: title.into(), digits }
    }
}

impl Record {
    /// Keeps it in the folder of results, instead of the one before.
    pub(crate) fn save(&self, folder: &Path) -> Outcome<()> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.json", self.scenario));
        Ok(fs::write(path, serde_json::to_string_pretty(self)?)?)
    }

    /// The one that is kept of a scenario, if any is.
    pub(crate) fn load(folder: &Path, scenario: &str) -> Outcome<Option<Self>> {
        let path = folder.join(format!("{scenario}.json"));
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(
                serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?,
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display()).into()),
        }
    }

    /// Each tool's failures, with its name.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        self.tools.iter().flat_map(|tool| {
            let named = |why: &String| format!("{}: {}: {why}", self.scenario, tool.tool);
            tool.failures.iter().map(named)
        })
    }

    /// How long it would take with so many runs a tool, from how long it took.
    pub(crate) fn expected_seconds(&self, runs: usize) -> Option<f64> {
        let most = self.tools.iter().map(|tool| tool.runs.len() + tool.failures.len()).max()?;
        Some(self.took? / most.max(1) as f64 * runs as f64)
    }
}

impl ToolRecord {
    /// A tool that has not run yet.
    pub(crate) fn of(tool: &dyn Tool) -> Self {
        Self::named(&tool.name(), &tool.version(), &tool.settings())
    }

    /// The same, by its name, its version and how it is set.
    pub(crate) fn named(name: &str, version: &str, settings: &str) -> Self {
        Self {
            tool: name.into(),
            version: version.into(),
            settings: settings.into(),
            runs: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// The runs by size, smallest first, or all of them where there is one size.
    pub(crate) fn by_size(&self, by: Option<&str>) -> Vec<(Option<f64>, Vec<&Sample>)> {
        let size_of = |run: &Sample| by.and_then(|key| run.numbers.get(key).copied());
        let mut sizes: Vec<Option<f64>> = self.runs.iter().map(size_of).collect();
        sizes.sort_by(|a, b| a.unwrap_or_default().total_cmp(&b.unwrap_or_default()));
        sizes.dedup();
        let of_size = |size| self.runs.iter().filter(|run| size_of(run) == size).collect();
        sizes.into_iter().map(|size| (size, of_size(size))).collect()
    }
}
