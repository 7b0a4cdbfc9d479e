//! Values that nobody may see, and texts without them.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::settings::quote;

/// Values that nobody may see, in every spelling in which something of ours could show them. What
/// one clone learns, all of them know: whoever shows something to somebody has one.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Longest first, so that one that is part of another leaves nothing of that.
    spellings: Arc<RwLock<Spellings>>,
}

type Spellings = BTreeSet<(Reverse<usize>, String)>;

impl Secrets {
    /// Keeps a value secret. One that is empty or white is none. Output comes line by line, so the
    /// lines of one that has several are secret too.
    pub fn add(&self, value: &str) {
        let lines = value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
        let texts: BTreeSet<&str> = lines.chain([value, value.trim()]).collect();
        let spelt = texts.into_iter().filter(|text| !text.trim().is_empty()).flat_map(|text| {
            let debug = format!("{text:?}");
            let json = serde_json::Value::from(text).to_string();
            let inner = |quoted: String| quoted[1..quoted.len() - 1].to_owned();
            [text.to_owned(), quote(text), inner(debug), inner(json)]
        });
        self.learn(spelt.map(|text| (Reverse(text.len()), text)).collect());
    }

    /// Keeps whatever is in a value secret.
    pub fn add_json(&self, value: &serde_json::Value) {
        use serde_json::Value;
        match value {
            // Nobody's secret, and masking them would spoil every line.
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.add(&number.to_string()),
            Value::String(text) => self.add(text),
            Value::Array(items) => items.iter().for_each(|item| self.add_json(item)),
            Value::Object(entries) => entries.values().for_each(|value| self.add_json(value)),
        }
    }

    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// The text with `***` for each secret in it.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        for (_, secret) in self.read().iter() {
            if masked.contains(secret.as_str()) {
                masked = masked.replace(secret.as_str(), MASK).into();
            }
        }
        masked
    }

    /// Masks a text in its place.
    pub fn hide(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.mask(text) {
            *text = masked;
        }
    }

    fn learn(&self, spellings: Spellings) {
        self.spellings.write().unwrap_or_else(PoisonError::into_inner).extend(spellings);
    }

    fn read(&self) -> RwLockReadGuard<'_, Spellings> {
        self.spellings.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.read().len())
    }
}

/// What stands for a secret.
pub const MASK: &str = "***";

/// In bytes. A shorter line of a secret of several, such as a bracket, is in many texts.
const SHORTEST_LINE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let secrets = Secrets::default();
        values.iter().for_each(|value| secrets.add(value));
        secrets
    }

    #[test]
    fn a_secret_that_is_part_of_another_leaves_nothing_of_it() {
        assert_eq!(secrets(&["hunter", "hunter2"]).mask("a hunter2 b hunter"), "a *** b ***");
    }

    #[test]
    fn an_empty_secret_hides_nothing() {
        assert!(secrets(&["", " ", "\n"]).is_empty());
    }

    #[test]
    fn a_secret_is_hidden_however_it_is_spelt() {
        let secrets = secrets(&["it's \"x\"\ty"]);
        for shown in ["it's \"x\"\ty", r#"'it'\''s "x"	y'"#, r#"it's \"x\"\ty"#] {
            assert_eq!(secrets.mask(shown), MASK, "{shown}");
        }
    }

    #[test]
    fn the_lines_of_a_key_are_hidden_one_by_one() {
        let secrets = secrets(&["-----BEGIN-----\nMIIEpAIB\n}\n"]);
        assert_eq!(secrets.mask("got MIIEpAIB, and }"), "got ***, and }");
    }

    #[test]
    fn nothing_shows_a_secret_by_printing_the_secrets() {
        assert_eq!(format!("{:?}", secrets(&["hunter2"])), "Secrets(1)");
    }
}
