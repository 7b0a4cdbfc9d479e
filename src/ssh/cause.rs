//! Why a host was not reached. ssh says it in its log only, so the text decides.

use murder_protocol::{Blame, Failure};

/// A host that was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    cause: Cause,
}

/// What kept us from a host.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    NameNotFound(String),
    Refused(String),
    TimedOut,
    NoRoute(String),
    KeyUnknown,
    KeyChanged { offending: Option<String> },
    PermissionDenied(String),
    TooManyKeys,
    Dropped(String),
    BadConfig(String),
    NoSshHere,
    Other(String),
}

impl Unreachable {
    /// From what the local ssh wrote to its log before it gave up.
    pub(super) fn from_log(log: &str) -> Self {
        Self { cause: Cause::of(log) }
    }

    /// The connection was not there within its time.
    pub(super) fn timed_out() -> Self {
        Self { cause: Cause::TimedOut }
    }

    /// There is no ssh on this machine.
    pub(super) fn no_ssh() -> Self {
        Self { cause: Cause::NoSshHere }
    }

    /// Anything else, in its own words.
    pub(super) fn other(why: impl std::fmt::Display) -> Self {
        Self { cause: Cause::Other(why.to_string()) }
    }

    /// Whether the host hung up before it said anything, as sshd does when too many come at once
    /// (`MaxStartups`, 10:30:100 by default). Another try may do.
    pub fn is_worth_another_try(&self) -> bool {
        matches!(self.cause, Cause::Dropped(_))
    }

    /// Whether a jump host or another proxy hung up, which says nothing of the reason.
    pub(super) fn is_the_proxys_word(&self) -> bool {
        matches!(&self.cause, Cause::Dropped(line) if line == PROXY_HUNG_UP)
    }

    /// What the user is told.
    pub fn failure(&self) -> Failure {
        use Blame::{Host, Network, Operator};
        let told = |blame, message: String, hint: &str| Failure::new(blame, message).hint(hint);
        match &self.cause {
            Cause::NameNotFound(line) => told(
                Operator,
                format!("the name is not known: {line}"),
                "correct the name, or give the address as `ansible_host` in the inventory",
            ),
            Cause::Refused(line) => told(
                Host,
                format!("connection refused: {line}"),
                "start sshd there, or give its port as `ansible_port`",
            ),
            Cause::TimedOut => told(
                Network,
                "timed out while connecting".into(),
                "see that the host is up and that no firewall drops SSH, or raise --timeout",
            ),
            Cause::NoRoute(line) => told(
                Network,
                format!("no way to the host: {line}"),
                "see that the host is up, and that this machine has a route to it",
            ),
            Cause::KeyUnknown => told(
                Operator,
                "the host's key is not in known_hosts".into(),
                "check the key and connect once with ssh, or use --accept-new-hosts",
            ),
            Cause::KeyChanged { offending } => told(
                Operator,
                match offending {
                    Some(place) => format!("the host's key is not the one in {place}"),
                    None => "the host's key is not the one in known_hosts".into(),
                },
                "find out why; if the host was set up anew, remove the old key with ssh-keygen -R",
            ),
            Cause::PermissionDenied(methods) => told(
                Operator,
                format!("permission denied ({methods})"),
                "load the key with ssh-add, or give `ansible_user` or \
                 `ansible_ssh_private_key_file`",
            ),
            Cause::TooManyKeys => told(
                Operator,
                "the host refused after too many keys".into(),
                "give the right key as `ansible_ssh_private_key_file`",
            ),
            Cause::Dropped(line) => told(
                Host,
                format!("the host hung up during the connection's set-up: {line}"),
                "lower --forks, or raise MaxStartups in its sshd_config",
            ),
            Cause::BadConfig(line) => told(
                Operator,
                format!("ssh refuses its configuration: {line}"),
                "correct that file",
            ),
            Cause::NoSshHere => told(
                Operator,
                "there is no ssh program on this machine".into(),
                "install OpenSSH's client",
            ),
            Cause::Other(line) => told(
                Network,
                format!("not reached: {line}"),
                "see what ssh itself says, with the same name and user",
            ),
        }
    }
}

impl Cause {
    fn of(log: &str) -> Self {
        let has = |text: &str| log.contains(text);
        let line = |text: &str| line_with(log, text);
        let last = || last_line(log);
        if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            let offending = log.lines().find_map(|line| line.trim().strip_prefix("Offending "));
            let place = offending.and_then(|text| Some(text.split_once(" key in ")?.1.to_owned()));
            Self::KeyChanged { offending: place }
        } else if has("Host key verification failed") {
            Self::KeyUnknown
        } else if has("Could not resolve hostname") {
            Self::NameNotFound(line("Could not resolve hostname"))
        } else if has("Too many authentication failures") {
            Self::TooManyKeys
        } else if let Some((_, rest)) = log.split_once("Permission denied (") {
            Self::PermissionDenied(rest.split(')').next().unwrap_or_default().to_owned())
        } else if has("Connection refused") {
            Self::Refused(line("Connection refused"))
        } else if has("Connection timed out") || has("Operation timed out") {
            Self::TimedOut
        } else if has("No route to host") || has("Network is unreachable") {
            let what = if has("No route") { "No route to host" } else { "Network is unreachable" };
            Self::NoRoute(line(what))
        } else if has("Bad configuration option") || has("Bad owner or permissions") {
            Self::BadConfig(line("Bad "))
        } else if has("UNKNOWN port 65535") {
            // What ssh calls the other end of a proxy, as it knows no address of it.
            Self::Dropped(PROXY_HUNG_UP.to_owned())
        } else if DROPPED.iter().any(|text| has(text)) {
            Self::Dropped(last())
        } else if log.trim().is_empty() {
            Self::Other("ssh ended without a word".into())
        } else {
            Self::Other(last())
        }
    }
}

fn line_with(log: &str, text: &str) -> String {
    let line = log.lines().find(|line| line.contains(text)).unwrap_or(log);
    tidy(line)
}

fn last_line(log: &str) -> String {
    tidy(log.trim_end().lines().next_back().unwrap_or_default())
}

fn tidy(line: &str) -> String {
    let line = line.trim();
    let line = line.strip_prefix("ssh: ").unwrap_or(line);
    // How a jump host says it.
    let line = line.strip_prefix("channel 0: open failed: ").unwrap_or(line);
    line.trim_end_matches('.').to_owned()
}

const PROXY_HUNG_UP: &str = "the jump host or proxy closed it";

/// What ssh says when the other end goes away before the session stands.
const DROPPED: &[&str] = &[
    "kex_exchange_identification",
    "ssh_exchange_identification",
    "Connection reset by",
    "Connection closed by",
    "banner exchange",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn said(log: &str) -> String {
        Unreachable::from_log(log).failure().to_string()
    }

    #[test]
    fn each_cause_has_its_words_and_its_hint() {
        for (log, words) in [
            (
                "ssh: Could not resolve hostname web01: Name or service not known",
                "the name is not known: Could not resolve hostname web01: Name or service not \
                 known (correct the name, or give the address as `ansible_host` in the inventory)",
            ),
            (
                "ssh: connect to host web01 port 22: Connection refused",
                "connection refused: connect to host web01 port 22: Connection refused (start \
                 sshd there, or give its port as `ansible_port`)",
            ),
            (
                "ssh: connect to host web01 port 22: Connection timed out",
                "timed out while connecting (see that the host is up and that no firewall drops \
                 SSH, or raise --timeout)",
            ),
            (
                "ssh: connect to host web01 port 22: No route to host",
                "no way to the host: connect to host web01 port 22: No route to host (see that \
                 the host is up, and that this machine has a route to it)",
            ),
            (
                "No ED25519 host key is known for web01 and you have requested strict \
                 checking.\r\nHost key verification failed.",
                "the host's key is not in known_hosts (check the key and connect once with ssh, \
                 or use --accept-new-hosts)",
            ),
            (
                "root@web01: Permission denied (publickey,password).",
                "permission denied (publickey,password) (load the key with ssh-add, or give \
                 `ansible_user` or `ansible_ssh_private_key_file`)",
            ),
            (
                "/root/.ssh/config: line 3: Bad configuration option: hots",
                "ssh refuses its configuration: /root/.ssh/config: line 3: Bad configuration \
                 option: hots (correct that file)",
            ),
            (
                "something new\nand strange",
                "not reached: and strange (see what ssh itself says, with the same name and user)",
            ),
            (
                "",
                "not reached: ssh ended without a word (see what ssh itself says, with the same \
                 name and user)",
            ),
        ] {
            assert_eq!(said(log), words);
        }
    }

    #[test]
    fn what_a_jump_host_says_counts_more_than_that_it_hung_up() {
        let hung_up = "kex_exchange_identification: Connection closed by remote host\r\n\
                       Connection closed by UNKNOWN port 65535";
        assert_eq!(
            said(hung_up),
            "the host hung up during the connection's set-up: the jump host or proxy closed it \
             (lower --forks, or raise MaxStartups in its sshd_config)"
        );
        assert!(Unreachable::from_log(hung_up).is_the_proxys_word());
        let no_route = "channel 0: open failed: connect failed: No route to host\r\n\
                        stdio forwarding failed\r\n";
        assert_eq!(
            said(&format!("{no_route}{hung_up}")),
            "no way to the host: connect failed: No route to host (see that the host is up, and \
             that this machine has a route to it)"
        );
        let refused = "channel 0: open failed: connect failed: Connection refused\r\n";
        assert_eq!(
            said(&format!("{refused}{hung_up}")),
            "connection refused: connect failed: Connection refused (start sshd there, or give \
             its port as `ansible_port`)"
        );
    }

    #[test]
    fn a_changed_key_names_the_line_of_the_old_one() {
        let log = "@@@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n\
                   Offending ED25519 key in /root/.ssh/known_hosts:7\r\n\
                   Host key verification failed.";
        assert_eq!(
            said(log),
            "the host's key is not the one in /root/.ssh/known_hosts:7 (find out why; if the host \
             was set up anew, remove the old key with ssh-keygen -R)"
        );
    }

    #[test]
    fn only_a_host_that_hung_up_is_worth_another_try() {
        let dropped = "kex_exchange_identification: read: Connection reset by peer\r\nConnection \
                       reset by 10.0.0.1 port 22";
        assert!(Unreachable::from_log(dropped).is_worth_another_try());
        for other in
            ["ssh: connect to host a port 22: Connection refused", "x: Permission denied ()"]
        {
            assert!(!Unreachable::from_log(other).is_worth_another_try());
        }
    }
}
