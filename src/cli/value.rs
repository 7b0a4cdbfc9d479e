//! The types of the values in `KEY=VALUE`, and the answers to values that are none of them.

use std::time::Duration;

use murder_protocol::{Tag, TagError};

/// What a key's value has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tag.
    Tag,
    /// A path on a host, absolute or in the home of the user that logs in.
    Path,
    /// A path on this machine, or nothing.
    LocalPath,
    /// A text of one line that is not empty.
    Text,
    /// One of 0, 1, true, false, yes, no.
    Switch,
    /// A number of something, from 1.
    Count,
    /// "90s", "5m", "1h30m"; a bare number is seconds.
    Duration,
    /// "300M", "1.5G"; a bare number is bytes, and k, M, G, T are powers of 1,024.
    Size,
    /// Several texts with commas between them.
    List,
    /// An IP address.
    Address,
    /// A TCP port.
    Port,
    /// A TCP port, or a range of them.
    Ports,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// A value that is what its key wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// For [`Kind::Tag`].
    Tag(Tag),
    /// For paths, addresses, ports and words.
    Text(String),
    /// For [`Kind::Switch`].
    Switch(bool),
    /// For [`Kind::Count`] and [`Kind::Size`].
    Number(u64),
    /// For [`Kind::Duration`].
    Duration(Duration),
    /// For [`Kind::List`].
    List(Vec<String>),
}

impl Kind {
    /// The placeholder in help texts.
    pub fn placeholder(self) -> String {
        match self {
            Self::Tag => "TAG".into(),
            Self::Path | Self::LocalPath => "PATH".into(),
            Self::Text => "TEXT".into(),
            Self::Switch => "0|1".into(),
            Self::Count => "N".into(),
            Self::Duration => "DURATION".into(),
            Self::Size => "SIZE".into(),
            Self::List => "A,B,...".into(),
            Self::Address => "IP".into(),
            Self::Port => "PORT".into(),
            Self::Ports => "PORT[-PORT]".into(),
            Self::Word(words) => words.join("|"),
        }
    }

    /// Reads a value.
    pub fn parse(self, text: &str) -> Result<Value, ValueError> {
        let wrong = |expected: &'static str| ValueError::Wrong { got: text.to_owned(), expected };
        match self {
            Self::Tag => Ok(Value::Tag(text.parse()?)),
            Self::Path | Self::Text if text.is_empty() => Err(ValueError::Empty),
            Self::Text | Self::LocalPath if text.chars().any(char::is_control) => {
                Err(wrong("a text of one line"))
            }
            Self::Text | Self::LocalPath => Ok(Value::Text(text.to_owned())),
            Self::Path => match text.chars().find(|c| c.is_control()) {
                Some(_) => Err(wrong("a path without control characters")),
                None if text.starts_with('/') || text.starts_with("~/") => {
                    Ok(Value::Text(text.to_owned()))
                }
                None => Err(wrong("a path that begins with / or ~/")),
            },
            Self::Switch => switch(text).map(Value::Switch).ok_or_else(|| wrong(SWITCH)),
            Self::Count => match text.parse::<u32>() {
                Ok(number) if number > 0 => Ok(Value::Number(number.into())),
                _ => Err(wrong("a whole number from 1")),
            },
            Self::Duration => duration(text).map(Value::Duration).ok_or_else(|| wrong(DURATION)),
            Self::Size => size(text).map(Value::Number).ok_or_else(|| wrong(SIZE)),
            Self::List => Ok(Value::List(list(text))),
            Self::Address => match text.parse::<std::net::IpAddr>() {
                Ok(_) => Ok(Value::Text(text.to_owned())),
                Err(_) => Err(wrong("an IP address")),
            },
            Self::Port if port(text).is_some() => Ok(Value::Text(text.to_owned())),
            Self::Port => Err(wrong("a port from 1 to 65535")),
            Self::Ports if ports(text) => Ok(Value::Text(text.to_owned())),
            Self::Ports => Err(wrong("a port from 1 to 65535, or a range such as 6881-6889")),
            Self::Word(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
            Self::Word(words) => {
                Err(ValueError::NotOneOf { got: text.to_owned(), words: words.join(", ") })
            }
        }
    }
}

/// Why a text is not the value that its key wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Nothing after the equals sign.
    #[error("the value is empty")]
    Empty,
    /// No tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// Something else than expected.
    #[error("{got:?} is not {expected}")]
    Wrong {
        /// What was typed.
        got: String,
        /// What it should have been, with its article.
        expected: &'static str,
    },
    /// None of a few words.
    #[error("{got:?} is not one of {words}")]
    NotOneOf {
        /// What was typed.
        got: String,
        /// The words, with commas.
        words: String,
    },
}

/// Reads "90", "90s", "5m", "1h30m", "2d".
pub fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let mut seconds = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let number = u64::from(rest[..unit_at].parse::<u32>().ok()?);
        let mut after = rest[unit_at..].chars();
        let unit = match after.next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = after.as_str();
    }
    (!text.is_empty()).then(|| Duration::from_secs(seconds))
}

fn size(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..unit_at].parse().ok()?;
    let power = match text[unit_at..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 1,
        "m" | "mib" => 2,
        "g" | "gib" => 3,
        "t" | "tib" => 4,
        _ => return None,
    };
    let bytes = number * 1024_f64.powi(power);
    // Above this an f64 no longer counts single bytes.
    (bytes >= 1.0 && bytes < 2_f64.powi(53)).then_some(bytes as u64)
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Some(true),
        "0" | "false" | "no" => Some(false),
        _ => None,
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

fn ports(text: &str) -> bool {
    match text.split_once('-') {
        Some((first, last)) => match (port(first), port(last)) {
            (Some(first), Some(last)) => first <= last,
            _ => false,
        },
        None => port(text).is_some(),
    }
}

const SWITCH: &str = "one of 0, 1, true, false, yes, no";
const DURATION: &str = "a duration such as 90s, 5m or 1h30m";
const SIZE: &str = "a size such as 500k, 300M or 1.5G";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_takes_the_words_for_yes_and_no() {
        for yes in ["1", "true", "yes", "YES"] {
            assert_eq!(Kind::Switch.parse(yes), Ok(Value::Switch(true)));
        }
        for no in ["0", "false", "no", "False"] {
            assert_eq!(Kind::Switch.parse(no), Ok(Value::Switch(false)));
        }
        assert_eq!(
            Kind::Switch.parse("maybe").unwrap_err().to_string(),
            "\"maybe\" is not one of 0, 1, true, false, yes, no"
        );
    }

    #[test]
    fn a_duration_is_a_number_of_seconds_or_has_units() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172_800)]
        {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "m", "5 m", "1h30", "-5", "5w", "99999999999h"] {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_size_counts_in_powers_of_1024() {
        for (text, bytes) in
            [("1", 1), ("2k", 2048), ("300M", 314_572_800), ("1.5GiB", 1_610_612_736)]
        {
            assert_eq!(Kind::Size.parse(text), Ok(Value::Number(bytes)), "{text}");
        }
        for bad in ["", "0", "M", "-1", "1X", "1.2.3", "1e9", "99999999T"] {
            assert!(Kind::Size.parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_list_drops_what_is_empty() {
        assert_eq!(
            Kind::List.parse(" *.o,,target "),
            Ok(Value::List(vec!["*.o".into(), "target".into()]))
        );
    }

    #[test]
    fn ports_are_one_or_a_range_that_goes_up() {
        for good in ["1", "65535", "6881-6889", "7-7"] {
            assert!(Kind::Ports.parse(good).is_ok(), "{good}");
        }
        for bad in ["", "0", "65536", "9-8", "a-b", "1-2-3"] {
            assert!(Kind::Ports.parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_is_not_empty_and_has_no_control_characters() {
        assert_eq!(Kind::Path.parse(""), Err(ValueError::Empty));
        assert_eq!(
            Kind::Path.parse("/tmp/a\nb").unwrap_err().to_string(),
            "\"/tmp/a\\nb\" is not a path without control characters"
        );
        assert_eq!(
            Kind::Path.parse("tmp").unwrap_err().to_string(),
            "\"tmp\" is not a path that begins with / or ~/"
        );
        assert!(Kind::Path.parse("~/files").is_ok());
    }
}
