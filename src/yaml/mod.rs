//! YAML as everything here reads it: a tree in which each value knows where it stands, so that a
//! message can point at it. What the values mean is for the reader of an inventory or a recipe to
//! say.

mod error;
mod node;
mod place;

pub use error::{Kind, Problem, did_you_mean, quoted};
pub use node::{Body, Entry, Node, Wrong};
pub use place::{Mark, Place};

/// The text of a file of so many bytes at most, without a byte order mark.
///
/// # Errors
///
/// It is larger than any of its kind, or no UTF-8; with the first byte that is none.
pub fn text(bytes: &[u8], kind: Kind) -> Result<&str, Wrong> {
    if bytes.len() > kind.largest() {
        return Err((Mark::START, Problem::TooLarge(kind)));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => Err((end_of(&bytes[..error.valid_up_to()]), Problem::NotUtf8(kind))),
    }
}

/// The place behind a text.
fn end_of(before: &[u8]) -> Mark {
    let before = String::from_utf8_lossy(before);
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u32 + 1;
    Mark { line, column }
}
