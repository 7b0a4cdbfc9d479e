//! Recipes: tasks that an operator writes, as YAML. Read strictly and rendered by templates; pure,
//! but for the files that are named.
//!
//! `Book` has every recipe that can be called. `Script` is one of them with everything that it
//! includes and every hook in its place: what is left to do is to go through it.

pub mod stage;
pub mod step;

pub use stage::Stage;
pub use step::{Body, Command, GroupSize, Groups, Mode, Run, Step, Switch};
