//! Recipes: tasks that an operator writes, as YAML. Read strictly and rendered by templates; pure,
//! but for the files that are named.
//!
//! [`Book`] has every recipe that can be called. [`Script`] is one of them with everything that it
//! includes and every hook in its place: what is left to do is to go through it. For that:
//!
//! 1. [`Script::expand`], and [`Script::typed`] for each key of the command line that is one of
//!    [`Script::vars`].
//! 2. A [`Given`] for each host: murder's own values first (`host`, `user`, `flags`, `stage`,
//!    `started`; `release` if no `vars` has it), then what was typed, then the host's variables.
//! 3. [`Script::hide`] with all of them, and everything that is shown through [`Secrets::mask`].
//! 4. Each [`Act`] in turn. A step's templates are rendered in [`Script::scope`] of its frame, if all
//!    of its guards hold; hosts that differ in nothing that it [`Script::needs`] share what comes
//!    out. What a step registers goes in front of what is given, and is a secret if the step is.
//! 5. The same without doing anything, first of all, so that no template fails half-way.
//!    [`Scope::reads`] says which of them need what nobody knows yet.

mod book;
mod error;
pub mod init;
mod parse;
mod scope;
mod script;
mod secrets;
pub mod stage;
pub mod step;
mod template;
mod writer;

pub use book::{Book, Listed, Location};
pub use error::{Problem, RecipeError};
pub use scope::{
    Definition, Environment, Given, Layer, RESERVED, Scope, Setting, Settings, Values, text_of,
};
pub use script::{Act, Action, FrameId, Guard, Script};
pub use secrets::{MASK, Secrets};
pub use stage::Stage;
pub use step::{Body, Command, GroupSize, Groups, Mode, Run, Step, Switch, With};
pub use template::Template;

use std::collections::BTreeMap;

use crate::yaml::Place;

/// One recipe as its file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The file, as messages have it.
    pub file: String,
    /// `task:`, by which a file is called that lies in no folder of recipes, and where it stands.
    pub task: Option<(String, Place)>,
    /// What it does, in one line. Only a file that others include has none.
    pub description: Option<String>,
    /// `vars:`, the defaults of its variables.
    pub vars: Settings,
    /// `no_log:`, the variables that nobody may see, and where each is named.
    pub no_log: BTreeMap<String, Place>,
    /// `steps:`.
    pub steps: Vec<Step>,
    /// `hooks:`.
    pub hooks: Vec<Hook>,
    /// `include:`, the files that are read first.
    pub include: Vec<Include>,
}

/// Steps that are done before or after something.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// Where what it is tied to is named.
    pub at: Place,
    /// Before or after.
    pub when: Moment,
    /// What it is tied to.
    pub anchor: Anchor,
    /// What is done.
    pub steps: Vec<Step>,
}

/// When a hook's turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before what it is tied to.
    Before,
    /// After it.
    After,
}

/// What a hook is tied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// A stage.
    Stage(Stage),
    /// A built-in task or a recipe.
    Task(String),
}

/// A file that another includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// Where it is named.
    pub at: Place,
    /// As it is named: a path from the folder of the file that names it, or `murder:TASK` for one
    /// that is compiled in.
    pub file: String,
}
