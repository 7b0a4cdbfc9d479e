//! The one place where something of ours becomes part of a shell's command line.
//!
//! sshd hands a command to the user's login shell, which may be a Bourne shell, csh or fish. They
//! agree on little: single quotes mean different things to each. What all of them take literally
//! is a run of harmless characters, and a backslash before any single special one.

/// A path as one word for any login shell. `~/x` becomes `./x`, since a login shell begins in the
/// home directory; other relative paths begin there too.
pub fn quote_path(path: &str) -> Result<String, QuoteError> {
    let refused = |why| Err(QuoteError { path: path.to_owned(), why });
    let relative = path.strip_prefix("~/").or_else(|| (path == "~").then_some(""));
    if relative.is_none() && path.starts_with('~') {
        return refused("begins with another user's home");
    }
    if path.is_empty() {
        return refused("is empty");
    }
    let rest = relative.unwrap_or(path);
    let mut word = String::with_capacity(rest.len() + 2);
    if !rest.starts_with('/') {
        word.push_str("./");
    }
    for c in rest.chars() {
        match c {
            c if c.is_control() => return refused("has a control character"),
            c if is_harmless(c) => {}
            _ => word.push('\\'),
        }
        word.push(c);
    }
    Ok(word)
}

/// Whether no shell gives the character a meaning in the midst of a word.
fn is_harmless(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-+,:@".contains(c) || !c.is_ascii()
}

/// Why a path can't be put on a command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path {path:?} {why}")]
pub struct QuoteError {
    path: String,
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_plain_path_stays_as_it_is() {
        assert_eq!(quote_path("/opt/murder-1.0/x_y").unwrap(), "/opt/murder-1.0/x_y");
    }

    #[test]
    fn a_home_path_becomes_relative_to_the_login_directory() {
        assert_eq!(quote_path("~/.murder").unwrap(), "./.murder");
        assert_eq!(quote_path("~").unwrap(), "./");
        assert_eq!(quote_path("-x").unwrap(), "./-x");
    }

    #[test]
    fn special_characters_are_escaped_one_by_one() {
        assert_eq!(quote_path("/a b'c\"d$e`f").unwrap(), "/a\\ b\\'c\\\"d\\$e\\`f");
        assert_eq!(quote_path("/a;b|c&d!e").unwrap(), "/a\\;b\\|c\\&d\\!e");
    }

    #[test]
    fn what_no_shell_can_be_told_is_refused() {
        assert_eq!(
            quote_path("~root/x").unwrap_err().to_string(),
            "the path \"~root/x\" begins with another user's home"
        );
        assert_eq!(
            quote_path("/a\nb").unwrap_err().to_string(),
            "the path \"/a\\nb\" has a control character"
        );
        assert_eq!(quote_path("").unwrap_err().to_string(), "the path \"\" is empty");
    }

    #[test]
    fn every_shell_of_this_machine_reads_back_the_same_path() {
        let all: String = (' '..='~').filter(|c| *c != '~').collect();
        let path = format!("/é{all}~");
        for shell in ["sh", "dash", "bash", "zsh", "ksh", "fish", "csh", "tcsh"] {
            let line = format!("/usr/bin/printf %s {}", quote_path(&path).unwrap());
            // A shell that is not installed can't be asked.
            let Ok(output) = Command::new(shell).args(["-c", &line]).output() else { continue };
            assert_eq!(String::from_utf8_lossy(&output.stdout), path, "{shell}");
        }
    }
}
