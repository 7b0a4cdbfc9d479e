//! What is left out of an archive: names and paths by pattern.
//!
//! A pattern without `/` matches a name at any depth. One with a `/` that is not its last
//! character matches the path from the top of the tree. `?` is one character and `*` any number
//! of them, but never a `/`; `**` is any number of folders; `[a-z]` and `[!a-z]` are classes; `\`
//! takes the character after it as it is. A `/` at the end makes it match folders only. Whatever
//! is below a folder that is left out is left out too.

/// The patterns of one archive, some always among them.
#[derive(Clone, Debug)]
pub struct Exclude {
    patterns: Vec<Pattern>,
}

impl Exclude {
    /// Checks the operator's patterns.
    pub fn parse(patterns: &[String]) -> Result<Self, ExcludeError> {
        let always = ALWAYS.iter().map(|pattern| (*pattern).to_owned());
        let patterns = always.chain(patterns.iter().cloned()).map(|text| Pattern::parse(&text));
        Ok(Self { patterns: patterns.collect::<Result<_, _>>()? })
    }

    /// Whether the path, relative to the tree, is left out. What is above it was asked for before.
    pub(super) fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(path, is_dir))
    }
}

/// Why a pattern can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExcludeError {
    /// It would match nothing.
    #[error("an exclude pattern is empty")]
    Empty,
    /// A `[` without its `]`, or a `\` at the end.
    #[error("the exclude pattern {0:?} is not finished")]
    Unfinished(String),
}

#[derive(Clone, Debug)]
struct Pattern {
    text: Vec<u8>,
    whole_path: bool,
    only_dirs: bool,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, ExcludeError> {
        let inner = text.trim_end_matches('/');
        let only_dirs = inner.len() < text.len();
        let whole_path = inner.contains('/');
        let inner = inner.trim_start_matches('/');
        if inner.is_empty() {
            return Err(ExcludeError::Empty);
        }
        if !is_finished(inner.as_bytes()) {
            return Err(ExcludeError::Unfinished(text.to_owned()));
        }
        Ok(Self { text: inner.into(), whole_path, only_dirs })
    }

    fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        if self.only_dirs && !is_dir {
            return false;
        }
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        glob(&self.text, if self.whole_path { path } else { name })
    }
}

fn is_finished(mut pattern: &[u8]) -> bool {
    while let Some((first, rest)) = pattern.split_first() {
        pattern = match first {
            b'\\' if rest.is_empty() => return false,
            b'\\' => &rest[1..],
            b'[' => match class(rest, 0) {
                Some((_, rest)) => rest,
                None => return false,
            },
            _ => rest,
        };
    }
    true
}

/// Matches by going back to the last star, and past a star of the other kind if that fails too.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    if let Some(rest) = pattern.strip_prefix(b"**/") {
        let deeper = text.iter().position(|byte| *byte == b'/').map(|slash| &text[slash + 1..]);
        return glob(rest, text) || deeper.is_some_and(|text| glob(pattern, text));
    }
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) if rest == b"*" => !text.is_empty(),
        Some((b'*', rest)) => star(rest, text),
        Some((b'/', rest)) => text.strip_prefix(b"/").is_some_and(|text| glob(rest, text)),
        Some((first, rest)) => {
            let Some((byte, text)) = text.split_first().filter(|(byte, _)| **byte != b'/') else {
                return false;
            };
            match (first, rest) {
                (b'?', _) => glob(rest, text),
                (b'[', _) => class(rest, *byte).is_some_and(|(hit, rest)| hit && glob(rest, text)),
                (b'\\', [literal, rest @ ..]) => literal == byte && glob(rest, text),
                _ => first == byte && glob(rest, text),
            }
        }
    }
}

/// The shortest run that lets the rest match. Names are at most 255 bytes, and patterns are the
/// operator's own, so there is no need for more than plain backtracking.
fn star(rest: &[u8], text: &[u8]) -> bool {
    let longest = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
    (0..=longest).any(|skipped| glob(rest, &text[skipped..]))
}

/// Reads a class whose `[` was read: whether the byte is in it, and the pattern after its `]`.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match pattern {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    let mut hit = false;
    let mut first = true;
    loop {
        rest = match rest {
            [b']', rest @ ..] if !first => return Some((hit != negated, rest)),
            [low, b'-', high, rest @ ..] if *high != b']' => {
                hit |= (*low..=*high).contains(&byte);
                rest
            }
            [one, rest @ ..] => {
                hit |= *one == byte;
                rest
            }
            [] => return None,
        };
        first = false;
    }
}

/// As in the original, a checkout is distributed without its history. And a release that is
/// distributed is not complete elsewhere before it was linked there.
const ALWAYS: [&str; 2] = [".git*", crate::release::MARKER];

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(pattern: &str, path: &str) -> bool {
        let exclude = Exclude::parse(&[pattern.to_owned()]).unwrap();
        exclude.matches(path.as_bytes(), false)
    }

    #[test]
    fn git_files_and_markers_are_left_out_at_any_depth() {
        let exclude = Exclude::parse(&[]).unwrap();
        for path in [".git", ".gitignore", "a/b/.gitmodules"] {
            assert!(exclude.matches(path.as_bytes(), false), "{path}");
        }
        assert!(exclude.matches(b".murder-release", false));
        assert!(!exclude.matches(b"git", true));
        assert!(!exclude.matches(b"a.git", true));
    }

    #[test]
    fn a_pattern_without_a_slash_matches_names_at_any_depth() {
        assert!(excludes("*.o", "a/b/c.o"));
        assert!(excludes("tm?", "tmp"));
        assert!(excludes("[a-c]*[!0-9]", "dir/bx"));
        assert!(!excludes("[a-c]*[!0-9]", "dir/b7"));
        assert!(excludes("\\*", "*"));
        assert!(!excludes("\\*", "x"));
        assert!(!excludes("*.o", "a.o/b"));
        assert!(excludes("*é*", "caféteria"));
    }

    #[test]
    fn a_pattern_with_a_slash_matches_the_path_from_the_top() {
        assert!(excludes("/build", "build"));
        assert!(!excludes("/build", "a/build"));
        assert!(excludes("a/*/c", "a/b/c"));
        assert!(!excludes("a/*/c", "a/b/b/c"));
        assert!(excludes("a/**/c", "a/b/b/c"));
        assert!(excludes("a/**/c", "a/c"));
        assert!(excludes("a/**", "a/b/c"));
        assert!(!excludes("a/**", "a"));
    }

    #[test]
    fn a_slash_at_the_end_is_for_folders_only() {
        let exclude = Exclude::parse(&["cache/".to_owned()]).unwrap();
        assert!(exclude.matches(b"a/cache", true));
        assert!(!exclude.matches(b"a/cache", false));
    }

    #[test]
    fn a_pattern_that_can_not_be_meant_is_refused() {
        let refusal = |text: &str| Exclude::parse(&[text.to_owned()]).unwrap_err().to_string();
        assert_eq!(refusal(""), "an exclude pattern is empty");
        assert_eq!(refusal("/"), "an exclude pattern is empty");
        assert_eq!(refusal("a["), "the exclude pattern \"a[\" is not finished");
        assert_eq!(refusal("a\\"), "the exclude pattern \"a\\\\\" is not finished");
    }
}
