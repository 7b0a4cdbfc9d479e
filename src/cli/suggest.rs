//! What somebody who mistyped a name most likely meant.

/// The candidate nearest to what was typed, unless all are far from it.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&typed, &candidate.replace('-', "_")), candidate)
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= tolerance(candidate))
        .map(|(_, candidate)| candidate)
}

/// One slip in a short name, and one more for every third letter of a long one.
fn tolerance(candidate: &str) -> usize {
    (candidate.len() / 3).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: [&str; 4] = ["peer", "start_tracker", "stop_tracker", "status"];

    #[test]
    fn a_slip_is_recognised() {
        assert_eq!(nearest("pere", TASKS), Some("peer"));
        assert_eq!(nearest("start-tracker", TASKS), Some("start_tracker"));
        assert_eq!(nearest("Status", TASKS), Some("status"));
    }

    #[test]
    fn something_else_altogether_gets_no_suggestion() {
        assert_eq!(nearest("kubernetes", TASKS), None);
        assert_eq!(nearest("", TASKS), None);
    }
}
