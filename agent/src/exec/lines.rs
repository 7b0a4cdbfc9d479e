//! From what a command prints to whole lines, in bounded memory.

/// The lines of one stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
}

impl Lines {
    /// Takes what was read, and gives the lines that are whole now. Of one that is very long its
    /// parts are given as if each were a line.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut whole = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (line, ends) = match piece.strip_suffix(b"\n") {
                Some(line) => (line, true),
                None => (piece, false),
            };
            self.rest.extend_from_slice(line);
            while self.rest.len() > LONGEST {
                let after = self.rest.split_off(cut(&self.rest));
                whole.push(text(&std::mem::replace(&mut self.rest, after)));
            }
            if ends {
                whole.push(text(&std::mem::take(&mut self.rest)));
            }
        }
        whole
    }

    /// The last line, if it has no line feed.
    pub(super) fn end(&mut self) -> Vec<String> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() { Vec::new() } else { vec![text(&rest)] }
    }
}

/// Where a line that is too long is cut: not within a character of UTF-8, which has up to three
/// bytes after its first.
fn cut(line: &[u8]) -> usize {
    let is_first = |at: &usize| line[*at] & 0xc0 != 0x80;
    (LONGEST - 3..=LONGEST).rev().find(is_first).unwrap_or(LONGEST)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const LONGEST: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_given_when_its_end_is_there() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"one\ntw"), ["one"]);
        assert_eq!(lines.push(b""), [""; 0]);
        assert_eq!(lines.push(b"o\n\nthree"), ["two", ""]);
        assert_eq!(lines.end(), ["three"]);
        assert_eq!(lines.end(), [""; 0]);
    }

    #[test]
    fn a_very_long_line_comes_in_parts_and_none_of_it_is_lost() {
        let long = "é☃𝄞x".repeat(10_000);
        for chunk in [1, 1000, 70_000] {
            let mut lines = Lines::default();
            let mut parts = Vec::new();
            for bytes in long.as_bytes().chunks(chunk) {
                parts.extend(lines.push(bytes));
                assert!(lines.rest.len() <= LONGEST);
            }
            parts.extend(lines.push(b"\n"));
            assert_eq!(parts.concat(), long);
            assert!(parts.iter().all(|part| part.len() <= LONGEST));
            assert_eq!(lines.end(), [""; 0]);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"caf\xe9\n\xff\xfe\n"), ["caf\u{fffd}", "\u{fffd}\u{fffd}"]);
        let parts = lines.push(&[0x80; LONGEST * 2 + 1]);
        assert_eq!(parts.iter().map(|part| part.chars().count()).sum::<usize>(), LONGEST * 2);
    }
}
