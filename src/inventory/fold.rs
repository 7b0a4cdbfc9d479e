//! Many names in few words: `web[01:50]` for web01, web02 and so on.

/// Folds names that count upwards into Ansible's ranges, in the order of the names; `most` is the
/// number of ranges and single names that are shown before the rest is only counted.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let runs = runs(names);
    let mut shown: Vec<String> = runs.iter().take(most).map(Run::show).collect();
    let rest: u64 = runs.iter().skip(most).map(|run| run.count).sum();
    if rest > 0 {
        shown.push(format!("and {rest} more"));
    }
    shown.join(", ")
}

/// The same ranges and single names, each with how many names it stands for.
pub fn ranges<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<(String, usize)> {
    runs(names).iter().map(|run| (run.show(), run.count as usize)).collect()
}

fn runs<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'a>> = Vec::new();
    for name in names {
        if !runs.last_mut().is_some_and(|run| run.take(name)) {
            runs.push(Run::new(name));
        }
    }
    runs
}

/// Names that differ in one number, which counts upwards.
struct Run<'a> {
    first: Parts<'a>,
    count: u64,
}

/// A name around its last number.
#[derive(Clone, Copy)]
struct Parts<'a> {
    head: &'a str,
    digits: &'a str,
    tail: &'a str,
    number: u64,
}

impl<'a> Run<'a> {
    fn new(name: &'a str) -> Self {
        Self { first: Parts::of(name), count: 1 }
    }

    /// Whether the name comes next.
    fn take(&mut self, name: &str) -> bool {
        let (first, next) = (&self.first, Parts::of(name));
        let follows = !first.digits.is_empty()
            && (first.head, first.tail) == (next.head, next.tail)
            && Some(next.number) == first.number.checked_add(self.count)
            && next.digits == first.counted(next.number);
        self.count += u64::from(follows);
        follows
    }

    fn show(&self) -> String {
        let Parts { head, digits, tail, number } = &self.first;
        match self.count {
            1 => format!("{head}{digits}{tail}"),
            count => format!("{head}[{digits}:{}]{tail}", self.first.counted(number + count - 1)),
        }
    }
}

impl<'a> Parts<'a> {
    fn of(name: &'a str) -> Self {
        let end = name.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
        let start = name[..end].rfind(|c: char| !c.is_ascii_digit());
        let start = start.map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
        let start = start.min(end);
        let digits = &name[start..end];
        match digits.parse() {
            Ok(number) => Self { head: &name[..start], digits, tail: &name[end..], number },
            Err(_) => Self { head: name, digits: "", tail: "", number: 0 },
        }
    }

    /// A number as the run has it: with zeros to its width if its first has them.
    fn counted(&self, number: u64) -> String {
        let width = if self.digits.starts_with('0') { self.digits.len() } else { 0 };
        format!("{number:0width$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(names: &[&str]) -> String {
        fold(names.iter().copied(), 4)
    }

    #[test]
    fn names_that_count_upwards_become_a_range() {
        assert_eq!(folded(&["web1", "web2", "web3", "db"]), "web[1:3], db");
        assert_eq!(folded(&["web08", "web09", "web10"]), "web[08:10]");
        assert_eq!(folded(&["web8", "web9", "web10"]), "web[8:10]");
        assert_eq!(folded(&["10.0.0.1", "10.0.0.2"]), "10.0.0.[1:2]");
        assert_eq!(folded(&["w1.x", "w2.x", "w3.y"]), "w[1:2].x, w3.y");
        assert_eq!(folded(&["a"]), "a");
        assert_eq!(folded(&[]), "");
    }

    #[test]
    fn what_does_not_count_upwards_stays_as_it_is() {
        assert_eq!(folded(&["web2", "web1"]), "web2, web1");
        assert_eq!(folded(&["web09", "web010"]), "web09, web010");
        assert_eq!(folded(&["web9", "web010"]), "web9, web010");
        assert_eq!(folded(&["x18446744073709551615", "é"]), "x18446744073709551615, é");
    }

    #[test]
    fn what_is_too_much_is_counted() {
        assert_eq!(folded(&["a", "b", "c", "d", "e1", "e2"]), "a, b, c, d, and 2 more");
    }
}
