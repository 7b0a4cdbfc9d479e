//! One text of a recipe, which may have `{{ ... }}` in it. It is compiled when the recipe is read,
//! so that what is no template is found before anything runs, and rendered when its step's turn
//! comes.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

use super::error::{Problem, RecipeError};
use super::scope::{Lookup, Scope};
use crate::settings::quote;
use crate::suggest::nearest;
use crate::yaml::{Mark, Place, quoted};

/// A text that may be a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    text: String,
    at: Place,
    /// Where its lines begin in the file, as far as they stand there as they are here.
    lines: Vec<Mark>,
    form: Form,
    /// The variables that it reads.
    names: BTreeSet<String>,
}

/// How a text is rendered.
#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// Not at all.
    Literal,
    /// It is `{{ expression }}` and nothing else, so what comes out keeps its type. This part of it
    /// is the expression.
    Expression(Range<usize>),
    /// Into a text.
    Text,
}

impl Template {
    /// Compiles a text, which stands at `at` in `source`.
    pub(super) fn compile(
        text: &str,
        at: Mark,
        source: &str,
        file: &std::sync::Arc<str>,
    ) -> Result<Self, RecipeError> {
        let mut template = Self {
            text: text.to_owned(),
            at: at.of(file),
            lines: lines(text, at, source),
            form: Form::Literal,
            names: BTreeSet::new(),
        };
        if !["{{", "{%", "{#"].iter().any(|brackets| text.contains(brackets)) {
            return Ok(template);
        }
        let compiled = ENGINE.template_from_str(text).map_err(|error| {
            let place = template.place(error.range().map_or(0, |range| range.start));
            RecipeError::at(&place, Problem::Syntax(said(&error)))
        })?;
        template.names = compiled.undeclared_variables(false).into_iter().collect();
        FUNCTIONS.iter().for_each(|name| {
            template.names.remove(*name);
        });
        template.form = match expression(text) {
            Some(range) if ENGINE.compile_expression(&text[range.clone()]).is_ok() => {
                Form::Expression(range)
            }
            _ => Form::Text,
        };
        Ok(template)
    }

    /// A template of murder's own.
    pub(super) fn ours(text: &str) -> Self {
        Self::compile(text, Mark::START, text, &"murder".into()).expect("ours is a template")
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.text
    }

    /// The same without the brackets, if there is one expression in them and nothing else.
    pub fn expression(&self) -> &str {
        match &self.form {
            Form::Expression(range) => self.text[range.clone()].trim(),
            Form::Literal | Form::Text => &self.text,
        }
    }

    /// Where it stands.
    pub fn at(&self) -> &Place {
        &self.at
    }

    /// The text, if there is no template in it.
    pub fn literal(&self) -> Option<&str> {
        (self.form == Form::Literal).then_some(&self.text)
    }

    /// The variables that it reads by itself; [`Scope::reads`] knows those behind them.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// What it comes to, as text.
    ///
    /// # Errors
    ///
    /// A variable is not defined, or something in it fails; with its place in the recipe.
    pub fn text(&self, scope: &Scope) -> Result<String, RecipeError> {
        if self.form == Form::Literal {
            return Ok(self.text.clone());
        }
        scope.run(|lookup| self.render(lookup))
    }

    /// What it comes to. Only `"{{ expression }}"` comes to something else than text.
    ///
    /// # Errors
    ///
    /// As [`Self::text`].
    pub fn value(&self, scope: &Scope) -> Result<serde_json::Value, RecipeError> {
        let value = scope.run(|lookup| self.evaluate(lookup))?;
        self.json(&value)
    }

    /// Whether it comes to something true.
    ///
    /// # Errors
    ///
    /// As [`Self::text`]; or it is neither true nor false.
    pub fn holds(&self, scope: &Scope) -> Result<bool, RecipeError> {
        let value = scope.run(|lookup| self.evaluate(lookup))?;
        let Some(text) = value.as_str() else { return Ok(value.is_true()) };
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" | "" => Ok(false),
            _ => Err(RecipeError::at(&self.at, Problem::NotTruth(quoted(text)))),
        }
    }

    pub(super) fn json(&self, value: &Value) -> Result<serde_json::Value, RecipeError> {
        serde_json::to_value(value).map_err(|error| self.failed(error.to_string(), None, 0))
    }

    fn render(&self, lookup: &Lookup) -> Result<String, RecipeError> {
        let context = lookup.context();
        let rendered = ENGINE
            .template_from_str(&self.text)
            .and_then(|template| template.render(context))
            .map_err(|error| self.error(&error, lookup, 0))?;
        match rendered.len() > LONGEST {
            true => Err(RecipeError::at(&self.at, Problem::TooLong(LONGEST))),
            false => Ok(rendered),
        }
    }

    pub(super) fn evaluate(&self, lookup: &Lookup) -> Result<Value, RecipeError> {
        let range = match &self.form {
            Form::Literal => return Ok(Value::from(self.text.clone())),
            Form::Text => return self.render(lookup).map(Value::from),
            Form::Expression(range) => range.clone(),
        };
        let start = range.start;
        let value = ENGINE
            .compile_expression(&self.text[range])
            .and_then(|expression| expression.eval(lookup.context()))
            .map_err(|error| self.error(&error, lookup, start))?;
        if value.is_undefined() || value.kind() == ValueKind::Invalid {
            // Rendering it says what is wrong, where.
            return self.render(lookup).map(Value::from);
        }
        match value.as_str().is_some_and(|text| text.len() > LONGEST) {
            true => Err(RecipeError::at(&self.at, Problem::TooLong(LONGEST))),
            false => Ok(value),
        }
    }

    /// What the engine says, unless something behind a variable failed before.
    fn error(&self, error: &Error, lookup: &Lookup, shift: usize) -> RecipeError {
        if let Some(cause) = lookup.take_failure() {
            return cause;
        }
        let offset = error.range().map_or(0, |range| range.start) + shift;
        if error.kind() == ErrorKind::OutOfFuel {
            return RecipeError::at(&self.place(offset), Problem::Fuel);
        }
        self.failed(said(error), meant(error, lookup), offset)
    }

    fn failed(&self, message: String, nearest: Option<String>, offset: usize) -> RecipeError {
        RecipeError::at(&self.place(offset), Problem::Template { message, nearest })
    }

    /// Where a byte of the text stands in the file, or where the text begins.
    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u32;
        match self.lines.get(line) {
            Some(start) => {
                Mark { line: start.line, column: start.column + column }.of(&self.at.file)
            }
            None => self.at.clone(),
        }
    }
}

/// The expression of a text that is nothing else than `{{ expression }}`.
fn expression(text: &str) -> Option<Range<usize>> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner);
    let start = inner.as_ptr() as usize - text.as_ptr() as usize;
    Some(start..start + inner.len())
}

/// Where the lines of a scalar begin in its file, up to the first that does not stand there as YAML
/// reads it: quotes, escapes and folded lines make a difference.
fn lines(text: &str, at: Mark, source: &str) -> Vec<Mark> {
    let from = |mark: Mark| {
        let line = source.lines().nth(mark.line as usize - 1).unwrap_or_default();
        let start =
            line.char_indices().nth(mark.column as usize - 1).map_or("", |(at, _)| &line[at..]);
        start.to_owned()
    };
    let Some(first) = text.lines().next() else { return Vec::new() };
    let written = from(at);
    let quotes = u32::from(!written.starts_with(first) && written.starts_with(['"', '\'']));
    let mark = |(number, line): (u32, &str)| {
        let column = at.column + if number == 0 { quotes } else { 0 };
        let mark = Mark { line: at.line + number, column };
        from(mark).starts_with(line).then_some(mark)
    };
    (0..).zip(text.lines()).map_while(mark).collect()
}

/// The engine's message without its place.
fn said(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::SyntaxError, Some(detail)) if detail.contains("end of comment") => {
            format!(
                "{detail} (a comment begins with {{#; write {{{{ '{{#' }}}} for the two characters)"
            )
        }
        (ErrorKind::UnknownFunction, Some(detail)) => format!("the function {detail}"),
        (ErrorKind::UnknownFilter, Some(detail)) => format!("the {detail}"),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    }
}

/// The variable or filter that is likely meant by one that there is not.
fn meant(error: &Error, lookup: &Lookup) -> Option<String> {
    let detail = error.detail()?;
    match error.kind() {
        ErrorKind::UndefinedError => {
            let name = detail.strip_prefix('`')?.strip_suffix("` is undefined")?;
            nearest(name, lookup.scope().known())
        }
        ErrorKind::UnknownFilter => {
            let name = detail.strip_prefix("filter ")?.strip_suffix(" is unknown")?;
            nearest(name, FILTERS).map(str::to_owned)
        }
        _ => None,
    }
}

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_formatter(format);
    // It would show every variable.
    engine.remove_global("debug");
    engine.add_filter("quote", |value: Value| -> Result<String, Error> {
        match (value.as_str(), value.kind()) {
            (Some(text), _) => Ok(quote(text)),
            (None, ValueKind::Seq) => {
                let words = value.try_iter()?.map(|word| quote(&shown(&word)));
                Ok(words.collect::<Vec<_>>().join(" "))
            }
            _ => Ok(quote(&shown(&value))),
        }
    });
    engine
});

/// How a value stands in a text: truth values as YAML and JSON have them.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Bool => Ok(out.write_str(&shown(value))?),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

fn shown(value: &Value) -> String {
    match value.kind() {
        ValueKind::Bool => value.is_true().to_string(),
        _ => value.to_string(),
    }
}

/// What a template can call, which is no variable.
pub(super) const FUNCTIONS: [&str; 4] = ["env", "range", "dict", "namespace"];

/// The filters that recipes are likely to need, to recognise a slip.
const FILTERS: [&str; 14] = [
    "quote", "default", "join", "split", "replace", "trim", "upper", "lower", "first", "last",
    "length", "sort", "int", "unique",
];

/// Instructions of one template: a loop over some thousand things is fine, one that never ends
/// takes milliseconds.
const FUEL: u64 = 100_000;

/// Bytes that one text may come to.
const LONGEST: usize = 1 << 20;
