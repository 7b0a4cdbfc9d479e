//! Why a recipe is refused. All of it is its author's to mend, and most of it is found before
//! anything runs.

use std::io;

use crate::yaml::{self, Mark, Place, did_you_mean};

/// Why a recipe is refused, or can't go on.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// There is no such file, or it can't be read.
    #[error("can't read the recipe {file}")]
    Read {
        /// The file as it is reached from here.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// The file can't be a task by its name.
    #[error(
        "{file} can't be a task: the name of a recipe has lower case letters, digits, _ and -, \
         begins with a letter and ends in .yaml"
    )]
    FileName {
        /// The file.
        file: String,
    },
    /// A file would stand in for a task that is no recipe.
    #[error("{file} can't be the task {name}, which is built in: give it another name")]
    BuiltIn {
        /// The file.
        file: String,
        /// The task.
        name: String,
    },
    /// Something in it is wrong, and this is where.
    #[error("{place}: {problem}")]
    At {
        /// Where it stands.
        place: Place,
        /// What is wrong.
        problem: Box<Problem>,
    },
    /// There is no such recipe.
    #[error("there is no recipe {name:?}{}", did_you_mean(.nearest))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What is likely meant.
        nearest: Option<String>,
    },
    /// A key of the command line is not what the recipe's default says it is.
    #[error("{key}={value}: expected {expected}, as {at} has it")]
    Typed {
        /// The key.
        key: String,
        /// What was typed.
        value: String,
        /// What was expected.
        expected: &'static str,
        /// Where its default is.
        at: Place,
    },
}

impl RecipeError {
    /// Something is wrong at a place.
    pub(crate) fn at(place: &Place, problem: Problem) -> Self {
        Self::At { place: place.clone(), problem: Box::new(problem) }
    }

    /// A file is wrong before it is asked what it means.
    pub(super) fn yaml(file: &str, (mark, problem): yaml::Wrong) -> Self {
        Self::at(&Mark::of(mark, &file.into()), problem.into())
    }
}

/// What is wrong with a recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no YAML, or more of it than is taken.
    #[error("{0}{hint}", hint = quotes_hint(.0))]
    Yaml(#[from] yaml::Problem),
    /// Something else stands there than can stand there.
    #[error("expected {what}, got {got}")]
    Expected {
        /// What can stand there.
        what: String,
        /// What stands there.
        got: String,
    },
    /// A key that nobody knows.
    #[error("unknown key {got}: {whose} has {known}{}", did_you_mean(.nearest))]
    Key {
        /// What stands there.
        got: String,
        /// Of what, in words.
        whose: &'static str,
        /// What there could be.
        known: String,
        /// Which of them is likely meant.
        nearest: Option<String>,
    },
    /// Something that has to be there is not.
    #[error("{whose} needs {key}: {what}")]
    Missing {
        /// Of what, in words.
        whose: &'static str,
        /// The key.
        key: &'static str,
        /// What it is.
        what: &'static str,
    },
    /// A file in a folder of recipes says that it is another task.
    #[error("by its path this is the task {path}, and here it says {task}")]
    NotByPath {
        /// What it says.
        task: String,
        /// What its path says.
        path: String,
    },
    /// A step does nothing.
    #[error("a step has one of task, run, switch and stage, and this one has none")]
    NoKind,
    /// A stage that is none.
    #[error("{got} is no stage: there are {known}{}", did_you_mean(.nearest))]
    NoStage {
        /// What stands there.
        got: String,
        /// What there could be.
        known: String,
        /// Which of them is likely meant.
        nearest: Option<String>,
    },
    /// A step does two things.
    #[error("a step has one of task, run, switch and stage, and this one has {first} and {second}")]
    TwoKinds {
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A key of another kind of step.
    #[error("{key} does not belong to {kind}, which takes {takes}")]
    Misfit {
        /// The key.
        key: &'static str,
        /// The kind of step.
        kind: &'static str,
        /// What it takes.
        takes: String,
    },
    /// A step where it can't be.
    #[error("{what} can't stand in {within}")]
    Misplaced {
        /// The step.
        what: &'static str,
        /// In what.
        within: &'static str,
    },
    /// An output of several hosts.
    #[error("register takes the output of one host: it needs run_once: true beside it")]
    Register,
    /// Murder's own variable.
    #[error("{0} is murder's own, and can't be set here")]
    Reserved(String),
    /// The name of a variable is none.
    #[error("{0} is no name of a variable: it has letters, digits and _, and no digit in front")]
    VariableName(String),
    /// A template that is none.
    #[error("not a valid template: {0}")]
    Syntax(String),
    /// A template that fails.
    #[error("{message}{}", did_you_mean(.nearest))]
    Template {
        /// Why.
        message: String,
        /// Which variable is likely meant.
        nearest: Option<String>,
    },
    /// A template that takes too long.
    #[error(
        "the template is too much work: is there a loop or a repetition in it that is not needed?"
    )]
    Fuel,
    /// A template that comes to too much.
    #[error("the template comes to more than {} KiB", .0 >> 10)]
    TooLong(usize),
    /// Variables that need each other.
    #[error("the variables {0} go round in a circle")]
    Circle(String),
    /// A long way from variable to variable.
    #[error("the variable {0} needs more than {1} others, one after another")]
    TooFar(String, usize),
    /// A `when:` that is neither yes nor no.
    #[error("when: expected something true or false, got {0}")]
    NotTruth(String),
    /// A `when:` without a template.
    #[error("expected true, false or a template such as \"{{{{ 'warm' in flags }}}}\", got {0}")]
    When(String),
    /// Files that include each other.
    #[error("the files {0} include each other")]
    IncludeCircle(String),
    /// A file that is included is not there, or wrong.
    #[error("can't include {file}: {why}")]
    Include {
        /// The file as it stands there.
        file: String,
        /// Why not.
        why: String,
    },
    /// Recipes that call each other.
    #[error("the tasks {0} call each other")]
    TaskCircle(String),
    /// A task that nobody has.
    #[error("there is no task and no recipe {name:?}{}", did_you_mean(.nearest))]
    NoTask {
        /// What stands there.
        name: String,
        /// What is likely meant.
        nearest: Option<String>,
    },
    /// A hook on something that there is not.
    #[error("{name:?} is no stage, no task and no recipe{}", did_you_mean(.nearest))]
    NoAnchor {
        /// What stands there.
        name: String,
        /// What is likely meant.
        nearest: Option<String>,
    },
    /// `no_log` names what there is not.
    #[error("no_log names {name:?}, which is no variable here{}", did_you_mean(.nearest))]
    NoSecret {
        /// What stands there.
        name: String,
        /// What is likely meant.
        nearest: Option<String>,
    },
    /// What a step's templates come to is nothing that it can be done with.
    #[error("{0}")]
    Unfit(String),
    /// More steps than anybody goes through.
    #[error("more than {0} steps, once every recipe that is called is counted")]
    TooManySteps(usize),
}

impl Problem {
    /// A recipe says what it does, for `murder -T`.
    pub(super) const NO_DESCRIPTION: Self =
        Self::Missing { whose: "a recipe", key: "description", what: "what it does, in one line" };
}

/// YAML takes `{{ x }}` without quotes for a mapping in a mapping.
fn quotes_hint(problem: &yaml::Problem) -> &'static str {
    match problem {
        yaml::Problem::Key(got) if got == "a mapping" => {
            " (a text that begins with {{ has to be in quotes)"
        }
        _ => "",
    }
}
