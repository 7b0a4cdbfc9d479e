//! Reads a file into a [`Recipe`]. Everything that is wrong by itself is said here; what depends on
//! other files or on the tasks that there are is the book's and the script's to say.

mod reader;
mod step;

use std::collections::BTreeMap;

use super::error::{Problem, RecipeError};
use super::scope::{RESERVED, Setting, Settings};
use super::{Anchor, Hook, Include, Moment, Recipe, Stage};
use crate::yaml::{self, Body, Entry, Kind, Mark, Node, Place, quoted};
use reader::Reader;
use step::Within;
pub(super) use step::is_task;

/// The keys of a recipe.
const KEYS: [&str; 7] = ["task", "description", "include", "vars", "no_log", "steps", "hooks"];

impl Recipe {
    /// Reads the text of a recipe, which messages call `file`.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it, with line and column.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, RecipeError> {
        let wrong = |wrong| RecipeError::yaml(file, wrong);
        let source = yaml::text(bytes, Kind::Recipe).map_err(wrong)?;
        let root = Node::parse(source, Kind::Recipe).map_err(wrong)?;
        let reader = Reader { file: file.into(), source };
        let entries = reader.map(&root, "a mapping with description: and steps:")?;
        let mut recipe = Self {
            file: file.to_owned(),
            task: None,
            description: None,
            vars: Settings::new(),
            no_log: BTreeMap::new(),
            steps: Vec::new(),
            hooks: Vec::new(),
            include: Vec::new(),
        };
        for entry in entries {
            let value = &entry.value;
            match entry.key.as_str() {
                "task" => recipe.task = Some(reader.task_name(value)?),
                "description" => recipe.description = Some(reader.description(value)?),
                "include" => recipe.include = reader.includes(value)?,
                "vars" => recipe.vars = reader.vars(value)?,
                "no_log" => recipe.no_log = reader.no_log(value)?,
                "steps" => recipe.steps = reader.steps(value, Within::Recipe)?,
                "hooks" => recipe.hooks = reader.hooks(value)?,
                _ => return Err(reader.unknown(entry, "a recipe", &KEYS)),
            }
        }
        Ok(recipe)
    }

    /// Where it begins, for what is missing in it.
    pub(super) fn start(&self) -> Place {
        Mark::START.of(&self.file.as_str().into())
    }
}

impl Reader<'_> {
    fn task_name(&self, node: &Node) -> Result<(String, Place), RecipeError> {
        let what = "the name of a task: lower case letters, digits, _, - and :";
        let name = self.scalar(node, what)?;
        match is_task(name) {
            true => Ok((name.to_owned(), self.place(node.at))),
            false => Err(self.expected(node, what)),
        }
    }

    fn description(&self, node: &Node) -> Result<String, RecipeError> {
        let text = self.scalar(node, "one line of text")?.trim();
        match text.is_empty() || text.contains('\n') || text.chars().any(char::is_control) {
            true => Err(self.expected(node, "one line of text")),
            false => Ok(text.to_owned()),
        }
    }

    fn includes(&self, node: &Node) -> Result<Vec<Include>, RecipeError> {
        let include = |item: &Node| {
            let file = self.scalar(item, "a file")?;
            match file.is_empty() || file.chars().any(char::is_control) {
                true => Err(self.expected(item, "a file")),
                false => Ok(Include { at: self.place(item.at), file: file.to_owned() }),
            }
        };
        self.list(node, "a list of files")?.iter().map(include).collect()
    }

    fn vars(&self, node: &Node) -> Result<Settings, RecipeError> {
        let setting = |entry: &Entry| {
            self.variable(&entry.key, entry.at)?;
            let at = self.place(entry.at);
            Ok((entry.key.clone(), Setting { at, value: self.definition(&entry.value)? }))
        };
        self.map(node, "a mapping of variables")?.iter().map(setting).collect()
    }

    /// Whether a recipe can set a variable of this name.
    fn variable(&self, name: &str, at: Mark) -> Result<(), RecipeError> {
        match name {
            _ if !is_variable(name) => Err(self.wrong(at, Problem::VariableName(quoted(name)))),
            _ if RESERVED.contains(&name) => {
                Err(self.wrong(at, Problem::Reserved(name.to_owned())))
            }
            _ => Ok(()),
        }
    }

    fn no_log(&self, node: &Node) -> Result<BTreeMap<String, Place>, RecipeError> {
        let name = |item: &Node| {
            let name = self.scalar(item, "the name of a variable")?;
            match is_variable(name) {
                true => Ok((name.to_owned(), self.place(item.at))),
                false => Err(self.wrong(item.at, Problem::VariableName(quoted(name)))),
            }
        };
        self.list(node, "a list of variables, such as [token]")?.iter().map(name).collect()
    }

    fn hooks(&self, node: &Node) -> Result<Vec<Hook>, RecipeError> {
        let mut hooks = Vec::new();
        for entry in self.map(node, "a mapping with before: and after:")? {
            let when = match entry.key.as_str() {
                "before" => Moment::Before,
                "after" => Moment::After,
                _ => return Err(self.unknown(entry, "hooks", &["before", "after"])),
            };
            let anchors =
                self.map(&entry.value, "a mapping of stages or tasks, each with steps")?;
            for Entry { key, at, value } in anchors {
                let anchor = Stage::find(key).map_or(Anchor::Task(key.clone()), Anchor::Stage);
                let steps = self.steps(value, Within::Hook)?;
                hooks.push(Hook { at: self.place(*at), when, anchor, steps });
            }
        }
        Ok(hooks)
    }
}

/// Letters, digits and `_`, and no digit in front: what a template takes for a name.
fn is_variable(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(word) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// Whether a value is none at all: `vars:` with nothing behind it.
fn is_nothing(node: &Node) -> bool {
    matches!(node.body, Body::Null)
}
