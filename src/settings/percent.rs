//! `--max-fail-percentage`.

/// From 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// Whether `part` of `whole` is no more than this.
    pub fn covers(self, part: usize, whole: usize) -> bool {
        part as f64 * 100.0 <= self.0 * whole as f64
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::str::FromStr for Percent {
    type Err = PercentError;

    fn from_str(text: &str) -> Result<Self, PercentError> {
        let number = text.strip_suffix('%').unwrap_or(text);
        match number.parse::<f64>() {
            Ok(value) if (0.0..=100.0).contains(&value) => Ok(Self(value)),
            _ => Err(PercentError(text.to_owned())),
        }
    }
}

/// Why a text is no percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a percentage from 0 to 100")]
pub struct PercentError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_may_have_its_sign_and_a_fraction() {
        assert_eq!("2.5%".parse(), Ok(Percent(2.5)));
        assert!(Percent(2.5).covers(25, 1000));
        assert!(!Percent(2.5).covers(26, 1000));
    }

    #[test]
    fn what_is_no_percentage_is_refused() {
        for bad in ["", "-1", "101", "many", "NaN", "inf"] {
            assert!(bad.parse::<Percent>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "many".parse::<Percent>().unwrap_err().to_string(),
            "\"many\" is not a percentage from 0 to 100"
        );
    }
}
