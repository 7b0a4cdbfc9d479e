//! Tools racing on one field.

use super::alternate;
use crate::asked::Asked;
use crate::field::Field;
use crate::machine::{Machine, date};
use crate::record::{Column, Plot, Record, ToolRecord};
use crate::tools::Tool;

/// What the report says of a race.
pub(super) struct About {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) columns: Vec<Column>,
    pub(super) plots: Vec<Plot>,
}

/// Runs the tools that were asked for, by turns.
pub(super) fn run(
    name: &str,
    field: &Field,
    mut tools: Vec<Box<dyn Tool>>,
    about: About,
    asked: &Asked,
) -> Record {
    let date = date();
    tools.retain(|tool| asked.tools.is_empty() || asked.tools.contains(&tool.name()));
    let mut records: Vec<ToolRecord> = tools.iter().map(|tool| ToolRecord::of(&**tool)).collect();
    alternate(asked.runs, &mut records, |number| {
        field.warm();
        let ran = tools[number].run(field).map_err(|error| field.with_last_words(&*error));
        field.sweep();
        Ok(ran?)
    });
    Record {
        scenario: name.into(),
        title: about.title,
        about: about.text,
        date,
        took: None,
        machine: Machine::here(),
        by: None,
        columns: about.columns,
        plots: about.plots,
        tools: records,
    }
}
