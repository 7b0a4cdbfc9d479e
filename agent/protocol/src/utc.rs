//! Dates and times of day, in UTC.

/// RFC 3339 without what ends it: `2026-11-25T10:30:00`.
///
/// Days to dates as in the Gregorian calendar, whose eras of 400 years all have 146,097 days;
/// years are counted from March so that a leap day is the last of its year.
pub fn date_time(unix: u64) -> String {
    let (days, rest) = (unix / 86_400, unix % 86_400);
    let day = days + DAYS_TO_1970;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}")
}

/// The same in digits alone, as Capistrano names releases: `20261125103000`.
pub fn digits(unix: u64) -> String {
    date_time(unix).replace(['-', ':', 'T'], "")
}

/// Seconds since 1970-01-01 UTC of what [`date_time`] writes, with the `Z` that ends it.
pub fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let is_possible = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_possible {
        return None;
    }
    let (year, from_march) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5 + day;
    let day = days - 1 - DAYS_TO_1970;
    Some(day * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut next = || parts.next()?.parse::<u32>().ok().map(u64::from);
    let all = [next()?, next()?, next()?];
    parts.next().is_none().then_some(all)
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_798_761_600, "2027-01-01T00:00:00"),
        ] {
            assert_eq!(date_time(unix), text);
            assert_eq!(digits(unix).len(), "20261125103000".len());
            assert_eq!(parse(&format!("{text}Z")), Some(unix), "{text}");
        }
        assert_eq!(digits(1_795_602_600), "20261125103000");
    }

    #[test]
    fn every_day_can_be_read_back() {
        for day in 0..60_000 {
            let unix = day * 86_400 + 3_661;
            assert_eq!(parse(&format!("{}Z", date_time(unix))), Some(unix));
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "Z",
            "2026-11-25T10:30:00",
            "2026-11-25 10:30:00Z",
            "2026-13-01T00:00:00Z",
            "0000-00-00T00:00:00Z",
            "2026-11-25T24:00:00Z",
            "2026-11-25-1T00:00:00Z",
            "4294967295-01-01T00:00:00Z",
            "-1-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
