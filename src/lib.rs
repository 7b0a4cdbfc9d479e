//! The workstation's half of murder: `cli -> settings -> tasks -> fleet -> ssh`, with `report`
//! reading the events of all of them. `yaml`, `inventory`, `recipe`,
//! `limit`, `plan` and `suggest` are pure.
//!
//! A library only so that the program's parts are public items to the compiler and to tests; the
//! program is the product, and nothing here is a stable interface.

pub mod agents;
pub mod cli;
pub mod exit;
pub mod fleet;
pub mod inventory;
pub mod limit;
pub mod plan;
pub mod recipe;
pub mod report;
pub mod settings;
pub mod ssh;
pub mod suggest;
pub mod tasks;
pub mod yaml;
