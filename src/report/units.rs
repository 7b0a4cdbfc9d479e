//! Numbers for people: bytes in powers of 1,024, times in seconds, minutes and hours.

use std::time::Duration;

use murder_protocol::Size;

/// "512 B", "46.9 GiB".
pub fn bytes(bytes: u64) -> String {
    Size(bytes).to_string()
}

/// "45.1 MiB/s".
pub fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", bytes(bytes_per_second.max(0.0) as u64))
}

/// "0.4s", "42.1s", "3m07s", "2h05m".
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    if seconds < 59.95 {
        return format!("{seconds:.1}s");
    }
    whole_duration(span)
}

/// As [`duration`], but in whole seconds: "42s", "3m07s", for numbers that change all the time.
pub fn whole_duration(span: Duration) -> String {
    let seconds = span.as_secs_f64().round() as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// "1 host", "16 hosts".
pub fn hosts(number: usize) -> String {
    match number {
        1 => "1 host".to_owned(),
        _ => format!("{number} hosts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_never_negative() {
        assert_eq!(rate(1_500_000.0), "1.4 MiB/s");
        assert_eq!(rate(-1.0), "0 B/s");
    }

    #[test]
    fn times_change_their_units_as_they_grow() {
        for (seconds, text, whole) in [
            (0.04, "0.0s", "0s"),
            (42.12, "42.1s", "42s"),
            (59.97, "1m00s", "1m00s"),
            (187.0, "3m07s", "3m07s"),
            (7500.0, "2h05m", "2h05m"),
        ] {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
            assert_eq!(whole_duration(Duration::from_secs_f64(seconds)), whole);
        }
    }
}
