//! Ansible's ranges in host names: `web[01:50]`, `web[01:50:2]`, `db-[a:f].example.org`.

/// Why a range is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// A bracket without its other half.
    #[error("the range in {0} has a bracket without its other half")]
    Unclosed(String),
    /// Not two bounds.
    #[error("[{0}] is no range: expected one such as [01:50], [1:50:2] or [a:f]")]
    Syntax(String),
    /// Bounds the wrong way round.
    #[error("the range [{0}] runs backwards: its first bound is above its last")]
    Backwards(String),
    /// `[01:100]`.
    #[error("the bounds of [{0}] differ in length: with leading zeros both need as many digits")]
    Width(String),
    /// More hosts than are taken.
    #[error("the ranges in {0} make more than {1} hosts, the most that an inventory may have")]
    TooMany(String, usize),
}

/// The names that a pattern stands for, the last range counting fastest; a pattern without a range
/// is its own name. Fails before making more than `most` of them.
pub(super) fn expand(pattern: &str, most: usize) -> Result<Vec<String>, RangeError> {
    let (texts, ranges) = split(pattern)?;
    let count = ranges.iter().try_fold(1_usize, |count, range| count.checked_mul(range.count()));
    if count.is_none_or(|count| count > most) {
        return Err(RangeError::TooMany(crate::yaml::quoted(pattern), most));
    }
    let mut names = vec![texts[0].to_owned()];
    for (range, text) in ranges.iter().zip(&texts[1..]) {
        names = names
            .iter()
            .flat_map(|head| range.items().map(move |item| format!("{head}{item}{text}")))
            .collect();
    }
    Ok(names)
}

/// One `[…]`.
#[derive(Debug)]
enum Range {
    /// Numbers, padded to a width.
    Numbers { first: u64, last: u64, step: u64, width: usize },
    /// Letters, by their place in [`LETTERS`].
    Letters { first: u64, last: u64, step: u64 },
}

impl Range {
    fn parse(body: &str) -> Result<Self, RangeError> {
        let syntax = || RangeError::Syntax(body.chars().take(40).collect());
        let mut parts = body.split(':');
        let (Some(first), Some(last)) = (parts.next(), parts.next()) else {
            return Err(syntax());
        };
        let step = parts.next().map_or(Some(1), number).filter(|step| *step > 0);
        let step = step.ok_or_else(syntax)?;
        if parts.next().is_some() {
            return Err(syntax());
        }
        // Ansible lets the first bound be left out, which makes it 0.
        let first = if first.is_empty() { "0" } else { first };
        let range = match (number(first), number(last), letter(first), letter(last)) {
            (Some(from), Some(to), _, _) => {
                let padded = first.len() > 1 && first.starts_with('0');
                if padded && first.len() != last.len() {
                    return Err(RangeError::Width(body.to_owned()));
                }
                let width = if padded { first.len() } else { 0 };
                Self::Numbers { first: from, last: to, step, width }
            }
            (_, _, Some(first), Some(last)) => Self::Letters { first, last, step },
            _ => return Err(syntax()),
        };
        match range.bounds() {
            (first, last, _) if first > last => Err(RangeError::Backwards(body.to_owned())),
            _ => Ok(range),
        }
    }

    fn bounds(&self) -> (u64, u64, u64) {
        match *self {
            Self::Numbers { first, last, step, .. } | Self::Letters { first, last, step } => {
                (first, last, step)
            }
        }
    }

    fn count(&self) -> usize {
        let (first, last, step) = self.bounds();
        usize::try_from((last - first) / step).map_or(usize::MAX, |count| count.saturating_add(1))
    }

    fn items(&self) -> impl Iterator<Item = String> {
        let (first, _, step) = self.bounds();
        (0..self.count() as u64).map(move |nth| {
            let at = first + nth * step;
            match self {
                Self::Numbers { width, .. } => format!("{at:0width$}"),
                Self::Letters { .. } => LETTERS.chars().nth(at as usize).into_iter().collect(),
            }
        })
    }
}

/// Python's `string.ascii_letters`, whose order Ansible's ranges of letters follow.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The texts around the ranges, one more than there are ranges.
fn split(pattern: &str) -> Result<(Vec<&str>, Vec<Range>), RangeError> {
    let unclosed = || RangeError::Unclosed(crate::yaml::quoted(pattern));
    let (mut texts, mut ranges, mut rest) = (Vec::new(), Vec::new(), pattern);
    while let Some((head, tail)) = rest.split_once('[') {
        let (body, tail) = tail.split_once(']').ok_or_else(unclosed)?;
        texts.push(head);
        ranges.push(Range::parse(body)?);
        rest = tail;
    }
    texts.push(rest);
    match texts.iter().any(|text| text.contains(']')) {
        true => Err(unclosed()),
        false => Ok((texts, ranges)),
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 18;
    text.parse().ok().filter(|_| digits)
}

fn letter(text: &str) -> Option<u64> {
    let mut chars = text.chars();
    let found = LETTERS.find(chars.next()?)?;
    chars.next().is_none().then_some(found as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &str) -> Vec<String> {
        expand(pattern, 1000).unwrap()
    }

    #[test]
    fn a_range_counts_with_its_zeros_and_its_step() {
        assert_eq!(names("web[08:11]"), ["web08", "web09", "web10", "web11"]);
        assert_eq!(names("web[1:6:2].x"), ["web1.x", "web3.x", "web5.x"]);
        assert_eq!(names("web[:2]"), ["web0", "web1", "web2"]);
        assert_eq!(names("db-[a:c]"), ["db-a", "db-b", "db-c"]);
        assert_eq!(names("db-[a:e:2]"), ["db-a", "db-c", "db-e"]);
        assert_eq!(names("db-[y:B]"), ["db-y", "db-z", "db-A", "db-B"]);
        assert_eq!(names("plain"), ["plain"]);
    }

    #[test]
    fn several_ranges_in_a_name_multiply() {
        assert_eq!(names("r[1:2]-[a:b].x"), ["r1-a.x", "r1-b.x", "r2-a.x", "r2-b.x"]);
    }

    #[test]
    fn a_bad_range_says_what_is_wrong_with_it() {
        let message = |pattern: &str| expand(pattern, 1000).unwrap_err().to_string();
        assert_eq!(
            message("web[01:50"),
            "the range in \"web[01:50\" has a bracket without its other half"
        );
        assert_eq!(
            message("web01:50]"),
            "the range in \"web01:50]\" has a bracket without its other half"
        );
        for body in ["", "5", "1:", "1:5:0", "1:5:x", "a:5", "1:2:3:4", "aa:bb", "-1:5", "1,5"] {
            assert_eq!(
                message(&format!("web[{body}]")),
                format!("[{body}] is no range: expected one such as [01:50], [1:50:2] or [a:f]")
            );
        }
        assert_eq!(
            message("web[9:1]"),
            "the range [9:1] runs backwards: its first bound is above its last"
        );
        assert_eq!(
            message("web[01:100]"),
            "the bounds of [01:100] differ in length: with leading zeros both need as many digits"
        );
    }

    #[test]
    fn a_range_of_a_billion_hosts_is_refused_before_any_is_made() {
        for pattern in ["web[1:1000000000]", "[1:99999][1:99999][1:99999][1:99999][1:99999]"] {
            assert_eq!(
                expand(pattern, 1000).unwrap_err().to_string(),
                format!(
                    "the ranges in {pattern:?} make more than 1000 hosts, the most that an \
                     inventory may have"
                )
            );
        }
    }
}
