//! What the process's exit code means. Scripts read it, so it is an interface.

use crate::settings::Percent;

/// How a run of `murder` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// Every host is ok, or there was nothing to do for it.
    Ok,
    /// The command line, the inventory or the request is refused; nothing was done.
    Refused,
    /// At least one host failed or was unreachable.
    HostsFailed,
    /// Hosts failed or were unreachable, but no more than `--max-fail-percentage` allows.
    WithinLimit,
    /// Ctrl-C; agents that run on their own go on.
    Interrupted,
}

impl Exit {
    /// Every exit code, in the order of the numbers.
    pub const ALL: [Self; 5] =
        [Self::Ok, Self::Refused, Self::HostsFailed, Self::WithinLimit, Self::Interrupted];

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Refused => 2,
            Self::HostsFailed => 3,
            Self::WithinLimit => 4,
            // 128 + SIGINT, as shells have it.
            Self::Interrupted => 130,
        }
    }

    /// One line for the help text.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "every host is ok",
            Self::Refused => {
                "the command line, the inventory or the request is refused; nothing was done"
            }
            Self::HostsFailed => "some host failed or was unreachable",
            Self::WithinLimit => "some host did, but no more than --max-fail-percentage allows",
            Self::Interrupted => "interrupted with Ctrl-C; agents that run on their own go on",
        }
    }

    /// The exit of a run in which `bad` of `hosts` hosts failed or were unreachable.
    pub fn of(bad: usize, hosts: usize, allowed: Option<Percent>) -> Self {
        match (bad, allowed) {
            (0, _) => Self::Ok,
            (bad, Some(allowed)) if allowed.covers(bad, hosts) => Self::WithinLimit,
            _ => Self::HostsFailed,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> Option<Percent> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn no_bad_host_is_ok() {
        assert_eq!(Exit::of(0, 10, None), Exit::Ok);
        assert_eq!(Exit::of(0, 0, percent("0")), Exit::Ok);
    }

    #[test]
    fn bad_hosts_within_the_limit_are_told_apart_from_too_many() {
        assert_eq!(Exit::of(1, 10, None), Exit::HostsFailed);
        assert_eq!(Exit::of(1, 10, percent("10")), Exit::WithinLimit);
        assert_eq!(Exit::of(2, 10, percent("10")), Exit::HostsFailed);
        assert_eq!(Exit::of(1, 3, percent("33")), Exit::HostsFailed);
    }

    #[test]
    fn the_numbers_are_those_of_the_documentation() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 2, 3, 4, 130]);
    }
}
