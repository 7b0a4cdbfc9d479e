//! YAML as a tree in which everything knows where it stands. serde-saphyr parses, gives the places
//! and bounds what hostile input can cost; types are ours to check, so that messages are too.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Options, Spanned};

use super::error::{Kind, Problem, quoted};
use super::place::Mark;

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where.
    pub at: Mark,
    /// What it is.
    pub body: Body,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Nothing, `~` or `null`.
    Null,
    /// Anything else that has no parts.
    Scalar {
        /// As it is written, without its quotes: "022" and "yes", not 18 and true.
        text: String,
        /// As YAML understands it.
        value: Value,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, whose keys differ.
    Map(Vec<Entry>),
}

/// A key, where it stands, and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key, as text.
    pub key: String,
    /// Where it stands.
    pub at: Mark,
    /// What follows it.
    pub value: Node,
}

impl Node {
    /// Parses a document.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, Wrong> {
        let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options())
            .map_err(|error| (error.location().map_or(Mark::START, mark), problem(&error, kind)))?;
        node(raw, text)
    }

    /// What it is, for "expected …, got …".
    pub fn what(&self) -> String {
        match &self.body {
            Body::Null => "nothing".to_owned(),
            Body::Scalar { text, .. } => quoted(text),
            Body::List(_) => "a list".to_owned(),
            Body::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The same without places.
    pub fn json(&self) -> Value {
        match &self.body {
            Body::Null => Value::Null,
            Body::Scalar { value, .. } => value.clone(),
            Body::List(items) => items.iter().map(Self::json).collect(),
            Body::Map(entries) => {
                let pair = |entry: &Entry| (entry.key.clone(), entry.value.json());
                Value::Object(entries.iter().map(pair).collect())
            }
        }
    }
}

/// Bounds for the largest file that is read: 100,000 hosts with some ten values each pass, an alias bomb
/// or a tower of brackets does not.
fn options() -> Options {
    serde_saphyr::options! {
        // Keys are compared here, as text, to name both places.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        emit_comments: false,
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            max_nodes: 4_000_000,
            max_events: 8_000_000,
            max_total_scalar_bytes: 64 << 20,
            max_aliases: 200_000,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 200_000 },
    }
}

/// Levels of mappings and lists; each group takes two. The parser's frames of an unoptimised build
/// for so many fit in a thread's 2 MiB of stack, with room to spare.
const DEEPEST: usize = 40;

/// The parser's message without its place, which stands in front of ours.
fn problem(error: &serde_saphyr::Error, kind: Kind) -> Problem {
    use serde_saphyr::Error;
    use serde_saphyr::budget::BudgetBreach;
    let error = error.without_snippet();
    match error {
        Error::MultipleDocuments { .. } => return Problem::SecondDocument,
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => return Problem::TooDeep(kind),
        Error::Budget { .. } => return Problem::TooMuch(kind),
        _ => {}
    }
    let message = error.to_string();
    // These two come as texts: one is the scanner's, the other may be wrapped with an alias.
    if message.starts_with("recursion limit exceeded") {
        return Problem::TooDeep(kind);
    }
    if message.contains("alias replay") {
        return Problem::TooManyAliases(kind);
    }
    let message = message.split(" at line ").next().unwrap_or_default();
    let hint = HINTS.iter().find(|(start, _)| message.contains(start)).map_or("", |(_, hint)| hint);
    Problem::Invalid(format!("{message}{hint}"))
}

/// What is likely behind the parser's most frequent messages.
const HINTS: [(&str, &str); 2] = [
    ("mapping values are not allowed", " (is there a : missing in a line above?)"),
    ("did not find expected key", " (is it indented as the lines above?)"),
];

/// What the parser hands over.
enum Raw {
    Null,
    /// A scalar whose text is what the source has in its place.
    Typed(Value),
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

/// What is wrong, and where.
pub type Wrong = (Mark, Problem);

fn node(raw: Spanned<Raw>, source: &str) -> Result<Node, Wrong> {
    let at = mark(raw.defined);
    let body = match raw.value {
        Raw::Null => Body::Null,
        Raw::Text(text) => Body::Scalar { value: text.clone().into(), text },
        Raw::Typed(value) => Body::Scalar { text: written(raw.defined, source, &value), value },
        Raw::List(items) => {
            Body::List(items.into_iter().map(|item| node(item, source)).collect::<Result<_, _>>()?)
        }
        Raw::Map(pairs) => Body::Map(entries(pairs, source)?),
    };
    Ok(Node { at, body })
}

fn entries(pairs: Vec<(Spanned<Raw>, Spanned<Raw>)>, source: &str) -> Result<Vec<Entry>, Wrong> {
    let mut entries = Vec::with_capacity(pairs.len());
    let mut seen = HashMap::with_capacity(pairs.len());
    for (key, value) in pairs {
        let key = node(key, source)?;
        let Body::Scalar { text, .. } = key.body else {
            return Err((key.at, Problem::Key(key.what())));
        };
        if let Some(first) = seen.insert(text.clone(), key.at) {
            let Mark { line, column } = first;
            return Err((key.at, Problem::KeyTwice { key: quoted(&text), line, column }));
        }
        entries.push(Entry { key: text, at: key.at, value: node(value, source)? });
    }
    Ok(entries)
}

/// The text of a scalar that YAML takes for a number or a truth value.
fn written(location: Location, source: &str, value: &Value) -> String {
    let span = location.span();
    let bytes = span.byte_offset().zip(span.byte_len());
    let text = bytes.and_then(|(from, len)| source.get(from as usize..(from + len) as usize));
    text.map_or_else(|| value.to_string(), |text| text.trim().to_owned())
}

fn mark(location: Location) -> Mark {
    let small = |number: u64| u32::try_from(number.max(1)).unwrap_or(u32::MAX);
    Mark { line: small(location.line()), column: small(location.column()) }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Typed(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}
