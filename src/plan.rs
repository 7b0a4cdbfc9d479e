//! What would be done: the answer to `--dry-run`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::inventory;
use crate::recipe::{Secrets, Stage};
use crate::settings::TaskName;

/// The steps of one run, in order. Making it connects nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The task that was asked for.
    pub task: TaskName,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens on some hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stage of a recipe that it belongs to.
    pub stage: Option<Stage>,
    /// What is done: "start the tracker on port 8998, unless it runs".
    pub what: String,
    /// What has to hold for that, if nobody can know yet whether it does.
    pub condition: Option<String>,
    /// On which hosts, in the inventory's order.
    pub hosts: Vec<String>,
    /// Paths on those hosts that would be made or changed, and how.
    pub paths: Vec<PathChange>,
    /// It is the step before it, as it comes to on other hosts.
    pub varies: bool,
}

/// A path that a step would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathChange {
    /// The path as the host has it.
    pub path: String,
    /// What becomes of it.
    pub change: Change,
    /// The hosts for which it is this path; empty where it is all of the step's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

/// What becomes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is read.
    Read,
    /// It is made; the step fails if something is there.
    Create,
    /// It is made, and whatever is there is deleted.
    Replace,
    /// It is deleted.
    Remove,
}

impl Step {
    /// One that belongs to no stage and is done in any case.
    pub fn new(what: String, hosts: Vec<String>, paths: Vec<PathChange>) -> Self {
        Self { stage: None, what, condition: None, hosts, paths, varies: false }
    }

    fn write(&self, text: &mut String, number: usize, width: usize) {
        let _ = writeln!(text, "\n{number}. {}", self.what);
        if let Some(condition) = &self.condition {
            let _ = writeln!(text, "   if {condition}");
        }
        hosts(text, "   on ", &self.hosts, width);
        for path in &self.paths {
            let _ = writeln!(text, "   {:<8} {}", path.change.as_str(), path.path);
            if !path.hosts.is_empty() {
                hosts(text, "            on ", &path.hosts, width);
            }
        }
    }
}

impl Plan {
    /// For people, no line wider than `width` but for long commands, paths and names.
    pub fn text(&self, width: usize) -> String {
        let mut text = format!("{}: a dry run, nothing is done\n", self.task);
        let mut stage = None;
        let mut number = 0;
        for steps in self.steps.chunk_by(|_, next| next.varies) {
            if stage != steps[0].stage {
                stage = steps[0].stage;
                text.push_str(&heading(stage));
            }
            let shown = if steps.len() > MOST_VARIANTS { MOST_VARIANTS - 1 } else { steps.len() };
            for step in &steps[..shown] {
                number += 1;
                step.write(&mut text, number, width);
            }
            if shown < steps.len() {
                let rest = &steps[shown..];
                let _ = writeln!(text, "\n{}. to {}. likewise", number + 1, number + rest.len());
                let names: Vec<_> = rest.iter().flat_map(|step| step.hosts.clone()).collect();
                hosts(&mut text, "   on ", &names, width);
                number += rest.len();
            }
        }
        text
    }

    /// For programs: one object a step, one line each.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            task: &'static str,
            step: usize,
            #[serde(skip_serializing_if = "Option::is_none")]
            stage: Option<&'static str>,
            what: &'a str,
            #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
            condition: Option<&'a str>,
            hosts: &'a [String],
            paths: &'a [PathChange],
        }
        let task = self.task.as_str();
        let lines = self.steps.iter().enumerate().map(|(index, step)| {
            let Step { stage, what, condition, hosts, paths, varies: _ } = step;
            let (stage, condition) = (stage.map(Stage::as_str), condition.as_deref());
            let step = index + 1;
            let line = Line { event: "plan", task, step, stage, what, condition, hosts, paths };
            serde_json::to_string(&line).expect("a step has a JSON form") + "\n"
        });
        lines.collect()
    }

    /// The same without what nobody may see.
    pub fn masked(mut self, secrets: &Secrets) -> Self {
        for step in &mut self.steps {
            secrets.hide(&mut step.what);
            step.condition.iter_mut().for_each(|condition| secrets.hide(condition));
            step.paths.iter_mut().for_each(|path| secrets.hide(&mut path.path));
        }
        self
    }
}

impl Change {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// What stands above the steps of a stage, as it does when they are done.
fn heading(stage: Option<Stage>) -> String {
    match stage {
        None => "\n--\n".to_owned(),
        Some(Stage::Failed) => "\n-- failed, only if a step fails\n".to_owned(),
        Some(stage) => format!("\n-- {stage}\n"),
    }
}

/// Names with commas, as many as fit into a few lines.
fn hosts(text: &mut String, lead: &str, names: &[String], width: usize) {
    let mut line = match names {
        [] => format!("{lead}no host"),
        [_] => lead.to_owned(),
        many => format!("{lead}{} hosts: ", many.len()),
    };
    for word in words(names, width.saturating_mul(MOST_LINES).saturating_sub(line.len())) {
        if line.len() + word.len() > width && line.len() > lead.len() {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(lead.len());
        }
        line.push_str(&word);
        line.push(' ');
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Ranges of names with commas behind them, and how many more there are than have room.
fn words(names: &[String], room: usize) -> Vec<String> {
    let (mut words, mut written, mut rest) = (Vec::new(), 0, names.len());
    for (range, count) in inventory::ranges(names.iter().map(String::as_str)) {
        if written + range.len() + 20 > room && rest > count {
            words.push(format!("and {rest} more"));
            break;
        }
        rest -= count;
        let comma = if rest > 0 { "," } else { "" };
        written += range.len() + 2;
        words.push(range + comma);
    }
    words
}

/// A dry run of a large fleet stays readable.
const MOST_LINES: usize = 4;
/// The same step as it comes to on different hosts; of more than so many the last ones are only
/// counted.
const MOST_VARIANTS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(peers: usize) -> Plan {
        let peers: Vec<String> = (1..=peers).map(|number| format!("web{number:04}")).collect();
        let odd = vec![peers[0].clone()];
        Plan {
            task: TaskName::Distribute,
            steps: vec![
                Step::new(
                    "start the tracker on port 8998, unless it runs".into(),
                    vec!["tr1".into()],
                    Vec::new(),
                ),
                Step::new(
                    "fetch v1 and put it in place".into(),
                    peers,
                    vec![
                        PathChange {
                            path: "/srv/v1".into(),
                            change: Change::Replace,
                            hosts: vec![],
                        },
                        PathChange { path: "/x/v1".into(), change: Change::Create, hosts: odd },
                    ],
                ),
            ],
        }
    }

    #[test]
    fn the_text_says_who_what_and_which_paths() {
        assert_eq!(
            plan(12).text(79),
            "distribute: a dry run, nothing is done

1. start the tracker on port 8998, unless it runs
   on tr1

2. fetch v1 and put it in place
   on 12 hosts: web[0001:0012]
   replace  /srv/v1
   create   /x/v1
            on web0001
"
        );
    }

    #[test]
    fn a_large_fleet_takes_a_few_lines() {
        let mut plan = plan(10_000);
        assert!(plan.text(79).contains("   on 10000 hosts: web[0001:10000]\n"));
        // Names that don't count upwards.
        plan.steps[1].hosts = (0..10_000).map(|number| format!("web{:05}", number * 2)).collect();
        let text = plan.text(79);
        assert!(text.lines().count() < 16, "{text}");
        assert!(text.contains(" more\n"), "{text}");
        assert!(text.lines().all(|line| line.len() < 80), "{text}");
    }

    #[test]
    fn steps_stand_below_their_stage_and_with_their_condition() {
        let step = |stage, condition: Option<&str>| Step {
            stage,
            condition: condition.map(str::to_owned),
            ..Step::new("do it".into(), vec!["a".into()], Vec::new())
        };
        let steps = vec![
            step(None, None),
            step(Some(Stage::Finishing), Some("'agents' in started")),
            step(Some(Stage::Finishing), None),
            step(Some(Stage::Failed), None),
        ];
        let plan = Plan { task: TaskName::Run, steps };
        assert_eq!(
            plan.text(79),
            "run: a dry run, nothing is done\n\n1. do it\n   on a\n\n-- finishing\n\n2. do it\n   if \
             'agents' in started\n   on a\n\n3. do it\n   on a\n\n-- failed, only if a step \
             fails\n\n4. do it\n   on a\n"
        );
        assert!(plan.json().contains(
            r#""step":2,"stage":"finishing","what":"do it","if":"'agents' in started","hosts":["a"]"#
        ));
    }

    #[test]
    fn json_has_a_line_a_step() {
        assert_eq!(
            plan(1).json(),
            r#"{"event":"plan","task":"distribute","step":1,"what":"start the tracker on port 8998, unless it runs","hosts":["tr1"],"paths":[]}
{"event":"plan","task":"distribute","step":2,"what":"fetch v1 and put it in place","hosts":["web0001"],"paths":[{"path":"/srv/v1","change":"replace"},{"path":"/x/v1","change":"create","hosts":["web0001"]}]}
"#
        );
    }
}
