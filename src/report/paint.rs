//! Colours: a few, on terminals that have them and people who want them.

use std::ffi::OsStr;

use crate::settings::Color;

/// Paints words, or leaves them as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    colours: bool,
}

impl Paint {
    /// Leaves words as they are.
    pub const OFF: Self = Self { colours: false };
    /// Paints them.
    pub const ON: Self = Self { colours: true };

    /// As `--color` says, for a stream that is a terminal or not. `no_color` is the variable
    /// NO_COLOR (no-color.org: any value but the empty one), `term` is TERM.
    pub fn decide(
        color: Color,
        terminal: bool,
        no_color: Option<&OsStr>,
        term: Option<&OsStr>,
    ) -> Self {
        let wanted = no_color.is_none_or(OsStr::is_empty);
        let able = terminal && term.is_none_or(|term| term != "dumb");
        match color {
            Color::Always => Self::ON,
            Color::Never => Self::OFF,
            Color::Auto => Self { colours: able && wanted },
        }
    }

    /// For what went well.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For what went wrong.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// For what to look at twice.
    pub fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// For names.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what matters less.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        // ECMA-48, "select graphic rendition".
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_need_a_terminal_that_has_them_and_nobody_against_them() {
        let os = |text: &'static str| Some(OsStr::new(text));
        let auto = |terminal, no_color, term| Paint::decide(Color::Auto, terminal, no_color, term);
        assert_eq!(auto(true, None, os("xterm")), Paint::ON);
        assert_eq!(auto(false, None, os("xterm")), Paint::OFF);
        assert_eq!(auto(true, os("1"), os("xterm")), Paint::OFF);
        assert_eq!(auto(true, os(""), os("xterm")), Paint::ON);
        assert_eq!(auto(true, None, os("dumb")), Paint::OFF);
        assert_eq!(Paint::decide(Color::Always, false, os("1"), None), Paint::ON);
        assert_eq!(Paint::decide(Color::Never, true, None, None), Paint::OFF);
    }

    #[test]
    fn a_painted_word_ends_its_colour() {
        assert_eq!(Paint::ON.bad("no"), "\x1b[31mno\x1b[0m");
        assert_eq!(Paint::OFF.bad("no"), "no");
    }
}
