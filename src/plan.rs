//! What would be done: the answer to `--dry-run`.

use std::fmt::Write as _;

use serde::Serialize;

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
    /// What is done: "start the tracker on port 8998, unless it runs".
    pub what: String,
    /// On which hosts, in the inventory's order.
    pub hosts: Vec<String>,
    /// Paths on those hosts that would be made or changed, and how.
    pub paths: Vec<PathChange>,
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

impl Plan {
    /// For people, no line wider than `width` but for long paths and names.
    pub fn text(&self, width: usize) -> String {
        let mut text = format!("{}: a dry run, nothing is done\n", self.task);
        for (index, step) in self.steps.iter().enumerate() {
            let _ = writeln!(text, "\n{}. {}", index + 1, step.what);
            hosts(&mut text, "   on ", &step.hosts, width);
            for path in &step.paths {
                let _ = writeln!(text, "   {:<8} {}", path.change.as_str(), path.path);
                if !path.hosts.is_empty() {
                    hosts(&mut text, "            on ", &path.hosts, width);
                }
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
            what: &'a str,
            hosts: &'a [String],
            paths: &'a [PathChange],
        }
        let task = self.task.as_str();
        let lines = self.steps.iter().enumerate().map(|(index, step)| {
            let Step { what, hosts, paths } = step;
            let line = Line { event: "plan", task, step: index + 1, what, hosts, paths };
            serde_json::to_string(&line).expect("a step has a JSON form") + "\n"
        });
        lines.collect()
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

/// Names with commas, as many as fit into a few lines.
fn hosts(text: &mut String, lead: &str, names: &[String], width: usize) {
    let mut line = match names {
        [] => format!("{lead}no host"),
        [_] => lead.to_owned(),
        many => format!("{lead}{} hosts: ", many.len()),
    };
    let room = width.saturating_mul(MOST_LINES);
    let mut written = line.len();
    for (index, name) in names.iter().enumerate() {
        let rest = names.len() - index;
        if written + name.len() + 20 > room && rest > 1 {
            let _ = write!(line, "and {rest} more");
            break;
        }
        let comma = if rest > 1 { ", " } else { "" };
        if line.len() + name.len() + 1 > width {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(lead.len());
        }
        let _ = write!(line, "{name}{comma}");
        written += name.len() + comma.len();
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

/// A dry run of a large fleet stays readable.
const MOST_LINES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(peers: usize) -> Plan {
        let peers: Vec<String> = (1..=peers).map(|number| format!("web{number:04}")).collect();
        let odd = vec![peers[0].clone()];
        Plan {
            task: TaskName::Distribute,
            steps: vec![
                Step {
                    what: "start the tracker on port 8998, unless it runs".into(),
                    hosts: vec!["tr1".into()],
                    paths: Vec::new(),
                },
                Step {
                    what: "fetch v1 and put it in place".into(),
                    hosts: peers,
                    paths: vec![
                        PathChange {
                            path: "/srv/v1".into(),
                            change: Change::Replace,
                            hosts: vec![],
                        },
                        PathChange { path: "/x/v1".into(), change: Change::Create, hosts: odd },
                    ],
                },
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
   on 12 hosts: web0001, web0002, web0003, web0004, web0005, web0006, web0007,
      web0008, web0009, web0010, web0011, web0012
   replace  /srv/v1
   create   /x/v1
            on web0001
"
        );
    }

    #[test]
    fn a_large_fleet_takes_a_few_lines() {
        let text = plan(10_000).text(79);
        assert!(text.lines().count() < 16, "{text}");
        assert!(text.contains("and 9969 more\n"), "{text}");
        assert!(text.lines().all(|line| line.len() < 80), "{text}");
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
