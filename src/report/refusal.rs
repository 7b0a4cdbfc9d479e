//! A run that is refused before it began: the error, once, with its causes.

use std::error::Error;

use serde_json::json;

use crate::recipe::Secrets;

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error and its causes in one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refusal {
    /// From an error and its chain of sources.
    pub fn new(error: &dyn Error, hint: Option<String>) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self { message, hint }
    }

    /// The same without what nobody may see.
    pub fn masked(mut self, secrets: &Secrets) -> Self {
        secrets.hide(&mut self.message);
        self.hint.iter_mut().for_each(|hint| secrets.hide(hint));
        self
    }

    /// For stderr.
    pub fn text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("error: {}\nhint: {hint}\n", self.message),
            None => format!("error: {}\n", self.message),
        }
    }

    /// For stdout with `--json`.
    pub fn json(&self) -> String {
        let line = json!({ "event": "error", "error": self.message, "hint": self.hint });
        format!("{line}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("can't read x.yaml")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_chain_is_one_line_and_the_hint_another() {
        let refusal = Refusal::new(
            &Outer(std::io::Error::other("it is a folder")),
            Some("name a file".into()),
        );
        assert_eq!(refusal.text(), "error: can't read x.yaml: it is a folder\nhint: name a file\n");
        assert_eq!(
            refusal.json(),
            "{\"error\":\"can't read x.yaml: it is a folder\",\"event\":\"error\",\"hint\":\"name a file\"}\n"
        );
    }
}
