//! What a file's metadata say of it, as far as an archive has it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Identity, shape and time of one file of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) links: u64,
    /// Type and permissions, as in `st_mode`.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) mtime: Mtime,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            links: metadata.nlink(),
            mode: metadata.mode(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            size: metadata.size(),
            mtime: Mtime {
                seconds: metadata.mtime(),
                nanos: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
            },
        }
    }

    /// Whether an archive of the one would be an archive of the other.
    pub(super) fn is_same_content(&self, other: &Self) -> bool {
        let key = |stamp: &Self| (stamp.dev, stamp.ino, stamp.mode, stamp.size, stamp.mtime);
        key(self) == key(other)
    }
}

/// A file's time of last change. Nanoseconds count forward from the second, before 1970 too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mtime {
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

impl Mtime {
    /// The number as PAX has it (POSIX pax, "mtime"): decimal seconds with a fraction.
    pub(super) fn to_pax(self) -> String {
        if self.seconds < 0 && self.nanos > 0 {
            let nanos = NANOS - self.nanos;
            format!("-{}.{nanos:09}", -(self.seconds + 1))
        } else {
            format!("{}.{:09}", self.seconds, self.nanos)
        }
    }

    /// Reads the number of a PAX record. Digits after the ninth are of no use to any kernel.
    pub(super) fn from_pax(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let seconds: i64 = whole.parse().ok()?;
        let nanos: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
        Some(match (negative, nanos) {
            (false, _) => Self { seconds, nanos },
            (true, 0) => Self { seconds: -seconds, nanos },
            (true, _) => Self { seconds: -seconds - 1, nanos: NANOS - nanos },
        })
    }
}

const NANOS: u32 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_1970_survive_pax() {
        for (seconds, nanos, text) in [
            (0, 0, "0.000000000"),
            (1_700_000_000, 1, "1700000000.000000001"),
            (-1, 500_000_000, "-0.500000000"),
            (-2, 0, "-2.000000000"),
            (-2, 999_999_999, "-1.000000001"),
        ] {
            let mtime = Mtime { seconds, nanos };
            assert_eq!(mtime.to_pax(), text);
            assert_eq!(Mtime::from_pax(text), Some(mtime), "{text}");
        }
        assert_eq!(Mtime::from_pax("7"), Some(Mtime { seconds: 7, nanos: 0 }));
        assert_eq!(Mtime::from_pax("7.25"), Some(Mtime { seconds: 7, nanos: 250_000_000 }));
        for bad in ["", "-", "x", "1.x", ".5", "1e9", "+1"] {
            assert_eq!(Mtime::from_pax(bad), None, "{bad}");
        }
    }
}
