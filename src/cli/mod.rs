//! The command line: what can be typed, what was typed, and the texts that explain it. What is
//! made of it is decided in [`crate::settings`].

mod args;
mod complete;
mod error;
mod help;
pub mod keys;
mod tasks;
mod value;

pub use args::{Options, Typed, Values, assign, parse, wants_json};
pub use complete::completions;
pub use error::CliError;
pub use help::{
    check_key, long_help, recipe_help, short_help, task_help, task_list, task_list_json,
};
pub use tasks::{On, TASKS, TaskSpec};
pub use value::{Kind, Value, ValueError, duration};
