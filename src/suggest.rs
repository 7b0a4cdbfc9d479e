//! What somebody who mistyped a name most likely meant.

/// The candidate nearest to what was typed, unless all are far from it. Case and the choice between
/// `-` and `_` don't count.
pub fn nearest<S: AsRef<str>>(typed: &str, candidates: impl IntoIterator<Item = S>) -> Option<S> {
    // The distance takes the product of the lengths, and no name of ours or of a host is that long.
    if typed.len() > LONGEST {
        return None;
    }
    let typed = alike(typed);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&typed, &alike(candidate.as_ref())), candidate))
        .filter(|(distance, candidate)| *distance <= tolerance(candidate.as_ref()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn alike(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// One slip in a short name, and one more for every third letter of a long one.
fn tolerance(candidate: &str) -> usize {
    (candidate.len() / 3).max(1)
}

const LONGEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: [&str; 4] = ["peer", "start_tracker", "stop_tracker", "status"];

    #[test]
    fn a_slip_is_recognised() {
        assert_eq!(nearest("pere", TASKS), Some("peer"));
        assert_eq!(nearest("start-tracker", TASKS), Some("start_tracker"));
        assert_eq!(nearest("Status", TASKS), Some("status"));
        assert_eq!(nearest("web_01", ["DB-01", "Web-01"]), Some("Web-01"));
    }

    #[test]
    fn something_else_altogether_gets_no_suggestion() {
        assert_eq!(nearest("kubernetes", TASKS), None);
        assert_eq!(nearest("", TASKS), None);
        assert_eq!(nearest(&"peer".repeat(100), TASKS), None);
    }
}
