//! What is wrong with a command line, and what to type instead.

use super::keys;
use super::tasks::{TASKS, TaskSpec};
use super::value::ValueError;
use crate::suggest::nearest;

/// Why a command line is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CliError {
    /// No task of that name.
    #[error("unknown task {typed:?}{}", meant(nearest_task(typed).or(recipe.as_deref())))]
    UnknownTask {
        /// What was typed.
        typed: String,
        /// The nearest recipe.
        recipe: Option<String>,
    },
    /// `--check` with a task that has none.
    #[error("the task {task} has no --check")]
    NoCheck {
        /// The task.
        task: &'static str,
    },
    /// Options, and no task.
    #[error("no task is given")]
    NoTask,
    /// A second word without an equals sign.
    #[error("{word:?} is no KEY=VALUE of the task {task}")]
    NotAnAssignment {
        /// The word.
        word: String,
        /// The task.
        task: String,
    },
    /// A key that no task has, or that only other tasks have.
    #[error("the task {task} takes no key {key:?}{}", elsewhere(task, key))]
    UnknownKey {
        /// The task.
        task: &'static str,
        /// What was typed before the equals sign.
        key: String,
    },
    /// A key that a recipe does not have.
    #[error("the recipe {recipe} takes no key {key:?}{}", meant(nearest.as_deref()))]
    UnknownRecipeKey {
        /// The recipe.
        recipe: String,
        /// What was typed before the equals sign.
        key: String,
        /// The nearest key.
        nearest: Option<String>,
    },
    /// A key that must be there.
    #[error("the task {task} needs {key}={placeholder}")]
    MissingKey {
        /// The task.
        task: &'static str,
        /// The key.
        key: &'static str,
        /// What its value is.
        placeholder: String,
        /// The variable of the inventory that would do.
        variable: Option<&'static str>,
    },
    /// Two keys of which only one can count.
    #[error("{one} and {other} exclude each other")]
    Either {
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// The same key twice.
    #[error("{key} is given twice: {first:?} and {second:?}")]
    Twice {
        /// The key.
        key: String,
        /// Its first value.
        first: String,
        /// Its second value.
        second: String,
    },
    /// A value that is not what its key wants.
    #[error("wrong value of {key}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong with it.
        source: ValueError,
    },
    /// An option that does not exist.
    #[error("unknown option {typed}{}", meant(option.as_deref()))]
    UnknownOption {
        /// What was typed.
        typed: String,
        /// The nearest option.
        option: Option<String>,
    },
    /// Hosts from two places.
    #[error("-i and --hosts are both given, and each says who the hosts are")]
    TwoSources,
    /// Anything else that clap refuses.
    #[error("{0}")]
    Option(String),
}

impl CliError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoCheck { .. } => {
                "recipes have one, such as murder --check deploy; --dry-run connects nowhere".into()
            }
            Self::UnknownTask { typed, .. } if typed.contains('=') => {
                "the task comes first: murder TASK KEY=VALUE; murder -T lists the tasks".into()
            }
            Self::UnknownTask { .. } | Self::NoTask => "murder -T lists the tasks".into(),
            Self::NotAnAssignment { word, task } if TaskSpec::find(word).is_some() => {
                format!("one task at a time: murder {task}, then murder {word}")
            }
            Self::UnknownRecipeKey { recipe, .. } => {
                format!("murder {recipe} --help lists its keys")
            }
            Self::NotAnAssignment { task, .. } => format!("murder {task} --help explains its keys"),
            Self::UnknownKey { task, .. } | Self::MissingKey { task, variable: None, .. } => {
                format!("murder {task} --help explains its keys")
            }
            Self::MissingKey { task, variable: Some(variable), .. } => format!(
                "set {variable} in the inventory to leave it out; murder {task} --help explains it"
            ),
            Self::UnknownOption { typed, .. } => {
                let name = typed.trim_start_matches('-').replace('-', "_");
                match TASKS.iter().find_map(|task| task.key(&name)) {
                    Some((_, key)) => format!("keys have no dashes: {}={}", key.name, key.example),
                    None => "murder --help lists the options".into(),
                }
            }
            Self::Either { other, .. } => {
                format!("from is a path of this machine, {other} one of the seeder: leave one out")
            }
            Self::TwoSources => {
                "leave one of them out; --limit picks hosts of an inventory by name".into()
            }
            Self::Option(_) => "murder --help explains the options".into(),
            Self::Twice { .. } | Self::Value { .. } => return None,
        })
    }
}

fn nearest_task(typed: &str) -> Option<&'static str> {
    nearest(typed, TASKS.iter().map(|task| task.name.as_str()))
}

fn meant(candidate: Option<&str>) -> String {
    candidate.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// The nearest key of this task, or the tasks that do take the key.
fn elsewhere(task: &str, typed: &str) -> String {
    let takers: Vec<_> = TASKS
        .iter()
        .filter(|other| other.key(typed).is_some())
        .map(|other| other.name.as_str())
        .collect();
    match takers.as_slice() {
        [] => {
            let own = TaskSpec::find(task).into_iter().flat_map(TaskSpec::all_keys);
            let variables = keys::DEFAULTS.iter().map(|(variable, _)| *variable);
            meant(nearest(typed, own.map(|key| key.name).chain(variables)))
        }
        [one] => format!("; {one} does"),
        [.., last] => {
            format!("; {} and {last} do", takers[..takers.len() - 1].join(", "))
        }
    }
}
