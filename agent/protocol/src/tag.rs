//! The name of one distribution.

use serde::{Deserialize, Serialize};

/// A tag: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`, and so one safe path component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let mut chars = text.chars();
        let first = chars.next().ok_or(TagError::Empty)?;
        if text.len() > LONGEST {
            return Err(TagError::Long);
        }
        let bad = if first.is_ascii_alphanumeric() {
            chars.find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        } else {
            Some(first)
        };
        match bad {
            Some(bad) => Err(TagError::Character { tag: text.to_owned(), bad }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Tag {
    type Error = TagError;

    fn try_from(text: String) -> Result<Self, TagError> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

/// Why a text is no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing was given.
    #[error("a tag can't be empty")]
    Empty,
    /// More than 128 characters.
    #[error("a tag has at most 128 characters")]
    Long,
    /// A character that has no place where it stands.
    #[error(
        "the tag {tag:?} has {bad:?} where it can't be: letters and digits, and after the first also . _ -"
    )]
    Character {
        /// The whole text.
        tag: String,
        /// The first wrong character.
        bad: char,
    },
}

/// A tag's archive, torrent and partial files must stay below the 255 bytes of a file name.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_letters_digits_and_inner_dots_underscores_and_dashes() {
        for good in ["a", "0", "Deploy20100101", "v1.2.3-rc_4", &"x".repeat(128)] {
            assert_eq!(good.parse::<Tag>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_tag_that_could_leave_its_folder_or_look_like_an_option_is_refused() {
        for bad in ["", ".", "..", "-x", ".hidden", "a/b", "a b", "é", &"x".repeat(129)] {
            assert!(bad.parse::<Tag>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_error_names_the_character() {
        assert_eq!(
            "a/b".parse::<Tag>().unwrap_err().to_string(),
            "the tag \"a/b\" has '/' where it can't be: letters and digits, and after the first also . _ -"
        );
    }

    #[test]
    fn a_bad_tag_does_not_come_in_through_json() {
        assert!(serde_json::from_str::<Tag>("\"../etc\"").is_err());
    }
}
