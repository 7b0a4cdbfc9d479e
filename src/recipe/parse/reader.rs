//! What every part of a recipe is read with.

use std::sync::Arc;
use std::time::Duration;

use super::is_nothing;
use crate::cli::duration;
use crate::recipe::error::{Problem, RecipeError};
use crate::recipe::{Definition, Template};
use crate::suggest::nearest;
use crate::yaml::{Body, Entry, Mark, Node, Place, quoted};

/// A file that is being read.
pub(super) struct Reader<'t> {
    pub(super) file: Arc<str>,
    pub(super) source: &'t str,
}

impl Reader<'_> {
    pub(super) fn place(&self, mark: Mark) -> Place {
        mark.of(&self.file)
    }

    pub(super) fn wrong(&self, mark: Mark, problem: Problem) -> RecipeError {
        RecipeError::at(&self.place(mark), problem)
    }

    pub(super) fn expected(&self, node: &Node, what: &str) -> RecipeError {
        self.wrong(node.at, Problem::Expected { what: what.to_owned(), got: node.what() })
    }

    pub(super) fn unknown(&self, entry: &Entry, whose: &'static str, keys: &[&str]) -> RecipeError {
        let nearest = nearest(entry.key.as_str(), keys.iter().copied()).map(str::to_owned);
        let problem = Problem::Key { got: quoted(&entry.key), whose, known: all_of(keys), nearest };
        self.wrong(entry.at, problem)
    }

    /// The entries of a mapping; nothing is one without entries.
    pub(super) fn map<'n>(&self, node: &'n Node, what: &str) -> Result<&'n [Entry], RecipeError> {
        match &node.body {
            Body::Map(entries) => Ok(entries),
            _ if is_nothing(node) => Ok(&[]),
            _ => Err(self.expected(node, what)),
        }
    }

    /// The items of a list.
    pub(super) fn list<'n>(&self, node: &'n Node, what: &str) -> Result<&'n [Node], RecipeError> {
        match &node.body {
            Body::List(items) => Ok(items),
            _ => Err(self.expected(node, what)),
        }
    }

    pub(super) fn scalar<'n>(&self, node: &'n Node, what: &str) -> Result<&'n str, RecipeError> {
        match &node.body {
            Body::Scalar { text, .. } => Ok(text),
            _ => Err(self.expected(node, what)),
        }
    }

    pub(super) fn yes_or_no(&self, node: &Node) -> Result<bool, RecipeError> {
        match &node.body {
            Body::Scalar { value: serde_json::Value::Bool(value), .. } => Ok(*value),
            _ => Err(self.expected(node, "true or false")),
        }
    }

    pub(super) fn count(&self, node: &Node, least: u32, what: &str) -> Result<u32, RecipeError> {
        let number = match &node.body {
            Body::Scalar { text, .. } => text.parse().ok(),
            _ => None,
        };
        number.filter(|number| *number >= least).ok_or_else(|| self.expected(node, what))
    }

    pub(super) fn duration(&self, node: &Node) -> Result<Duration, RecipeError> {
        let what = "a duration such as 90s, 5m or 1h30m";
        duration(self.scalar(node, what)?).ok_or_else(|| self.expected(node, what))
    }

    /// A text that may be a template; numbers and truth values are texts as they are written.
    pub(super) fn template(&self, node: &Node, what: &str) -> Result<Template, RecipeError> {
        self.compile(self.scalar(node, what)?, node.at)
    }

    /// The same, but not empty.
    pub(super) fn filled(&self, node: &Node, what: &str) -> Result<Template, RecipeError> {
        match self.scalar(node, what)?.trim().is_empty() {
            true => Err(self.expected(node, what)),
            false => self.template(node, what),
        }
    }

    pub(super) fn definition(&self, node: &Node) -> Result<Definition, RecipeError> {
        match &node.body {
            Body::Null => Ok(Definition::Value(serde_json::Value::Null)),
            Body::Scalar { text, value: serde_json::Value::String(_) } => {
                self.compile(text, node.at).map(Definition::Template)
            }
            Body::Scalar { value, .. } => Ok(Definition::Value(value.clone())),
            Body::List(items) => {
                let items: Result<_, _> = items.iter().map(|item| self.definition(item)).collect();
                items.map(Definition::List)
            }
            Body::Map(entries) => {
                let entry = |entry: &Entry| Ok((entry.key.clone(), self.definition(&entry.value)?));
                let entries: Result<_, _> = entries.iter().map(entry).collect();
                entries.map(Definition::Map)
            }
        }
    }

    fn compile(&self, text: &str, at: Mark) -> Result<Template, RecipeError> {
        Template::compile(text, at, self.source, &self.file)
    }
}

/// "a, b and c".
pub(super) fn all_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [word] => (*word).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
