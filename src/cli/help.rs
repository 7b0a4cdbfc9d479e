//! The help texts, all made from the tables of options, tasks and keys.

use std::fmt::Write as _;

use clap::Arg;

use super::CliError;
use super::args;
use super::keys::{self, Default, Key};
use super::tasks::{TASKS, TaskSpec};
use crate::exit::Exit;
use crate::recipe::{Listed, MASK, Script};
use crate::settings::TaskName;
use crate::suggest::nearest;

/// What `murder` alone prints: fits 80 columns and 24 lines.
pub fn short_help() -> String {
    SHORT.to_owned()
}

/// `murder --help`.
pub fn long_help() -> String {
    let mut text = format!("{SUMMARY}\nusage: {USAGE}\n\nOptions:\n");
    for option in args::command().get_arguments().filter(|arg| !arg.is_positional()) {
        entry(
            &mut text,
            28,
            &spelling(option),
            &option.get_help().unwrap_or(&"".into()).to_string(),
        );
    }
    text.push_str("\nTasks:\n");
    text.push_str(&rows());
    text.push_str("\nmurder TASK --help explains a task and its keys.\n\nExit codes:\n");
    for exit in Exit::ALL {
        entry(&mut text, 28, &exit.code().to_string(), exit.meaning());
    }
    text
}

/// `murder TASK --help`.
pub fn task_help(task: &TaskSpec) -> String {
    let mut text = format!("murder {}: {}\n\n", task.name, task.summary);
    paragraph(&mut text, 0, task.help);
    let _ = writeln!(text, "\nusage: murder [OPTIONS] {}{}", task.name, usage_keys(task));
    let _ = writeln!(text, "on:    {}", task.on);
    if !task.keys.is_empty() {
        text.push_str("\nKeys:\n");
        task.keys.iter().for_each(|key| explain(&mut text, key));
    }
    if task.takes_variables() {
        text.push_str("\nVariables of the inventory that can be set here for all hosts:\n");
        for key in &keys::VARIABLES {
            let assignment = format!("{}={}", key.name, key.kind.placeholder());
            let meaning = format!("{} ({})", key.help.trim_end_matches('.'), default(key));
            entry(&mut text, 28, &assignment, &meaning);
        }
    }
    let _ = write!(text, "\nExample:\n  {}\n", example(task));
    text
}

/// `murder RECIPE --help`.
pub fn recipe_help(script: &Script) -> String {
    let mut text = format!("murder {}: {}\n\n", script.name, script.description);
    let _ = writeln!(text, "usage: murder [OPTIONS] {} [KEY=VALUE]...", script.name);
    text.push_str("\nKeys, with their defaults; the inventory may set each of them:\n");
    for (name, setting) in script.vars() {
        let default = match script.no_log.contains_key(name) {
            true => MASK.to_owned(),
            false => setting.value.to_string(),
        };
        entry(&mut text, 28, &format!("{name}="), &default);
    }
    for (name, meaning) in RECIPE_KEYS {
        if !script.vars().contains_key(name) {
            entry(&mut text, 28, &format!("{name}="), meaning);
        }
    }
    let _ = write!(text, "\nmurder --dry-run {} shows every step.\n", script.name);
    text
}

/// Refuses a key that the recipe does not take.
pub fn check_key(script: &Script, key: &str) -> Result<(), CliError> {
    let own = script.vars().keys().map(String::as_str);
    let known = own.chain(RECIPE_KEYS.iter().map(|(name, _)| *name));
    let variables = keys::VARIABLES.iter().map(|key| key.name);
    let known = known.chain(variables).chain([keys::TEMP_PATH.name]);
    let known: Vec<&str> = known.chain(script.read()).collect();
    if known.contains(&key) {
        return Ok(());
    }
    let nearest = nearest(key, known).map(str::to_owned);
    Err(CliError::UnknownRecipeKey { recipe: script.name.clone(), key: key.to_owned(), nearest })
}

/// What every recipe takes.
const RECIPE_KEYS: [(&str, &str); 3] = [
    ("application", "the application's name"),
    ("release", "the release's name (default: the time in UTC)"),
    ("flags", "words with commas, which a step's `when` may look for"),
];

/// `murder --tasks`: one line a task.
pub fn task_list(recipes: &[Listed]) -> String {
    let mut text = rows();
    text.push_str("\nRecipes:\n");
    for recipe in recipes {
        let description = match &recipe.description {
            Ok(description) => description.clone(),
            Err(error) => format!("can't be used: {error}"),
        };
        entry(&mut text, 18, &recipe.name, &description);
    }
    text + "\nmurder TASK --help explains a task and its keys.\n"
}

/// `murder --tasks --json`: one object a task.
pub fn task_list_json(recipes: &[Listed]) -> String {
    let mut text = String::new();
    for task in TASKS {
        let keys: Vec<_> = task.all_keys().map(|key| key.name).collect();
        let line = serde_json::json!({
            "event": "task",
            "task": task.name.as_str(),
            "on": task.on.to_string(),
            "summary": task.summary,
            "keys": keys,
        });
        let _ = writeln!(text, "{line}");
    }
    for recipe in recipes {
        let (summary, error) = match &recipe.description {
            Ok(description) => (Some(description), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let task = &recipe.name;
        let line = serde_json::json!({
            "event": "recipe", "task": task, "summary": summary, "error": error,
        });
        let _ = writeln!(text, "{line}");
    }
    text
}

fn rows() -> String {
    let mut text = String::new();
    for task in TASKS {
        let _ = writeln!(text, "  {:<17} {}", task.name, task.summary);
    }
    text
}

fn spelling(option: &Arg) -> String {
    let mut text = match option.get_short() {
        Some(short) => format!("-{short}, "),
        None => "    ".to_owned(),
    };
    let _ = write!(text, "--{}", option.get_long().unwrap_or_default());
    if option.get_action().takes_values() {
        for name in option.get_value_names().unwrap_or_default() {
            let _ = write!(text, " {name}");
        }
    }
    text
}

fn usage_keys(task: &TaskSpec) -> String {
    let (needed, others): (Vec<&Key>, Vec<&Key>) =
        task.keys.iter().partition(|key| matches!(key.default, Default::Variable(_)));
    let mut words: Vec<_> =
        needed.iter().map(|key| format!("{}={}", key.name, key.kind.placeholder())).collect();
    if task.name == TaskName::Completions {
        words.push(keys::SHELL.kind.placeholder());
    } else if !others.is_empty() {
        words.push("[KEY=VALUE]...".to_owned());
    }
    let in_one_line =
        24 + task.name.as_str().len() + words.iter().map(|w| w.len() + 1).sum::<usize>();
    let gap = if in_one_line > WIDTH { "\n           " } else { " " };
    words.iter().fold(String::new(), |text, word| text + gap + word)
}

fn explain(text: &mut String, key: &Key) {
    let _ = writeln!(text, "  {}={}", key.name, key.kind.placeholder());
    paragraph(text, 6, key.help);
    paragraph(text, 6, &format!("{}; example: {}={}", default(key), key.name, key.example));
}

fn default(key: &Key) -> String {
    match key.default {
        Default::Variable(variable) => format!("default: the inventory's {variable}"),
        Default::Value(value) => format!("default: {value}"),
        Default::Nothing(meaning) => format!("default: {meaning}"),
    }
}

/// What somebody may type: the keys that have to be given, with examples.
fn example(task: &TaskSpec) -> String {
    let mut text = format!("murder {}", task.name);
    if task.name == TaskName::Completions {
        text.push_str(" bash");
    }
    for key in task.keys.iter().filter(|key| matches!(key.default, Default::Variable(_))) {
        let _ = match task.name {
            TaskName::Distribute => write!(text, " \\\n    {}={}", key.name, key.example),
            _ => write!(text, " {}={}", key.name, key.example),
        };
    }
    text
}

/// A name on the left and its explanation, wrapped, on the right.
fn entry(text: &mut String, width: usize, name: &str, meaning: &str) {
    let mut name = name;
    if name.len() + 2 > width {
        let _ = writeln!(text, "  {name}");
        name = "";
    }
    for line in wrap(meaning, WIDTH - width - 2) {
        let _ = writeln!(text, "  {name:<width$}{line}");
        name = "";
    }
}

fn paragraph(text: &mut String, indent: usize, words: &str) {
    for line in wrap(words, WIDTH - indent) {
        let _ = writeln!(text, "{:indent$}{line}", "");
    }
}

fn wrap(words: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

/// Fits the narrowest terminal that anybody still uses.
const WIDTH: usize = 79;

const SUMMARY: &str = "murder puts a directory on a thousand servers at once.";

const USAGE: &str = "murder [OPTIONS] TASK [KEY=VALUE]...";

const SHORT: &str = "\
murder puts a directory on a thousand servers at once.
usage: murder [OPTIONS] TASK [KEY=VALUE]...

  murder distribute_files
  murder start_tracker
  murder create_torrent tag=Deploy20100101 files_path=\"~/files\"
  murder start_seeding  tag=Deploy20100101
  murder peer           tag=Deploy20100101 destination_path=/tmp/out
  murder stop_seeding   tag=Deploy20100101
  murder stop_tracker

All of it in a row:
  murder distribute tag=... files_path=... destination_path=...
On this machine alone, without a fleet:
  murder demo

  -i, --inventory FILE   the hosts [inventory.yaml]
  -l, --limit PATTERN    only these peers
  -n, --dry-run          say what would be done where
  -T, --tasks            all tasks
murder TASK --help explains a task and its keys; murder --help has the rest.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_help_fits_a_small_terminal() {
        assert!(SHORT.lines().count() < 24);
        assert!(SHORT.lines().all(|line| line.chars().count() < 80));
    }

    #[test]
    fn no_line_of_any_help_is_wider_than_79_columns() {
        let texts = TASKS.iter().map(task_help).chain([long_help(), task_list(&[])]);
        for text in texts {
            for line in text.lines() {
                assert!(line.chars().count() < 80, "{line}");
            }
        }
    }

    #[test]
    fn every_key_of_a_task_is_explained() {
        for task in TASKS {
            let text = task_help(task);
            for key in task.all_keys() {
                assert!(text.contains(&format!("\n  {}=", key.name)), "{} {}", task.name, key.name);
            }
        }
    }
}
