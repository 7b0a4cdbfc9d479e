//! What was typed after `tests/bench`.

use crate::Outcome;
use crate::scenario::NAMES;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The scenarios to measure, in the order of the report.
    pub(crate) scenarios: Vec<&'static str>,
    /// How often each tool runs.
    pub(crate) runs: usize,
    /// Everything is tiny: it shows that the benchmark works, and measures nothing.
    pub(crate) smoke: bool,
    /// Only these tools.
    pub(crate) tools: Vec<String>,
}

impl Asked {
    /// Reads the words.
    pub(crate) fn parse(words: &[&str]) -> Outcome<Self> {
        let mut asked = Self { scenarios: Vec::new(), runs: 5, smoke: false, tools: Vec::new() };
        let mut only_report = false;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match *word {
                "--smoke" => (asked.smoke, asked.runs) = (true, 1),
                "--runs" => {
                    let value = value()?;
                    asked.runs =
                        value.parse().map_err(|_| format!("{value} is no number of runs"))?;
                }
                "--tools" => asked.tools = value()?.split(',').map(str::to_owned).collect(),
                "report" => only_report = true,
                name => match NAMES.iter().find(|known| **known == name) {
                    Some(known) => asked.scenarios.push(known),
                    None => return Err(format!("no scenario is called {name}\n{}", usage()).into()),
                },
            }
        }
        if asked.scenarios.is_empty() && !only_report {
            // Tiny, these are all the same.
            let alike = ["swarm-32", "swarm-64", "loopback-8"];
            let wanted = |name: &&&str| !asked.smoke || !alike.contains(*name);
            asked.scenarios = NAMES.iter().filter(wanted).copied().collect();
        }
        if asked.runs == 0 {
            return Err("--runs 0 measures nothing".into());
        }
        Ok(asked)
    }
}

fn usage() -> String {
    format!(
        "usage: tests/bench [--runs N] [--smoke] [--tools TOOL,…] [report|SCENARIO…]\n\
             scenarios: {}",
        NAMES.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_scenario_all_of_them_run() {
        assert_eq!(Asked::parse(&["--runs", "2"]).unwrap().scenarios, NAMES);
        assert_eq!(Asked::parse(&["swarm-32"]).unwrap().scenarios, ["swarm-32"]);
        assert!(Asked::parse(&["report"]).unwrap().scenarios.is_empty());
    }

    #[test]
    fn a_smoke_run_is_tiny_and_leaves_out_what_is_then_alike() {
        let asked = Asked::parse(&["--smoke"]).unwrap();
        assert_eq!(asked.runs, 1);
        assert!(asked.scenarios.contains(&"swarm-16") && !asked.scenarios.contains(&"swarm-64"));
    }

    #[test]
    fn a_name_that_is_not_known_is_refused_with_those_that_are() {
        let refusal = Asked::parse(&["swarm-17"]).unwrap_err().to_string();
        assert!(refusal.contains("swarm-17") && refusal.contains("swarm-16"), "{refusal}");
    }
}
