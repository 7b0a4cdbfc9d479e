//! What may be wrong with a file before it is asked what it means.

use std::fmt;

/// What a file is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Hosts and their variables.
    Inventory,
    /// A task.
    Recipe,
}

impl Kind {
    /// No file of this kind is larger, in bytes: 100,000 hosts with a line of variables each fit
    /// into an inventory, and nobody writes more than a recipe of this size.
    pub const fn largest(self) -> usize {
        match self {
            Self::Inventory => 16 << 20,
            Self::Recipe => 1 << 20,
        }
    }

    const fn article(self) -> &'static str {
        match self {
            Self::Inventory => "an",
            Self::Recipe => "a",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inventory => "inventory",
            Self::Recipe => "recipe",
        })
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no YAML.
    #[error("not valid YAML: {0}")]
    Invalid(String),
    /// More than one document.
    #[error("expected one YAML document, got a second one")]
    SecondDocument,
    /// More levels than are read.
    #[error("nested too deeply for {article} {0}", article = .0.article())]
    TooDeep(Kind),
    /// More values than are read.
    #[error("more values than any {0} needs")]
    TooMuch(Kind),
    /// Aliases of aliases.
    #[error("its aliases (*name) come to more values than any {0} needs")]
    TooManyAliases(Kind),
    /// A key that is no text.
    #[error("expected a name as the key, got {0}")]
    Key(String),
    /// A key stands twice in a mapping.
    #[error("{key} is given twice here, first at line {line}, column {column}")]
    KeyTwice {
        /// The key.
        key: String,
        /// Where it stands first.
        line: u32,
        /// Where it stands first.
        column: u32,
    },
    /// More bytes than are read.
    #[error("larger than {most} MiB, so hardly {article} {0}", most = .0.largest() >> 20, article = .0.article())]
    TooLarge(Kind),
    /// Bytes that are no text.
    #[error("not UTF-8, so no {0}")]
    NotUtf8(Kind),
}

/// The end of a message about a mistyped word.
pub fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |nearest| format!(" (did you mean {nearest}?)"))
}

/// What somebody wrote, in quotes, with whatever would upset a terminal escaped, and cut where it
/// gets long.
pub fn quoted(text: &str) -> String {
    let cut = text.char_indices().nth(LONGEST_QUOTE).map(|(at, _)| &text[..at]);
    cut.map_or_else(|| format!("{text:?}"), |cut| format!("{:?}", format!("{cut}...")))
}

/// In characters.
const LONGEST_QUOTE: usize = 60;
