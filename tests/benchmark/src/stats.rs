//! What several runs come to.

/// Least, middle and greatest of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// `None` without numbers. Of an even count, the median is the lower one of the middle.
    pub(crate) fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = numbers.collect();
        sorted.sort_by(f64::total_cmp);
        let median = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
        Some(Self { least: sorted[0], median, greatest: sorted[sorted.len() - 1] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_number_that_was_measured() {
        let spread = Spread::of([3.0, 1.0, 10.0, 2.0].into_iter());
        assert_eq!(spread, Some(Spread { least: 1.0, median: 2.0, greatest: 10.0 }));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }
}
