//! Why a host was not reached. ssh says it in its log only, so the text decides.

use std::time::Duration;

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
    Silent(String),
    TooSlow(Duration),
    NoRoute(String),
    KeyUnknown,
    KeyChanged { offending: Option<String> },
    PermissionDenied(String),
    TooManyKeys,
    HungUp { said: String, tries: u32 },
    Closed { said: String, tries: u32 },
    NotSsh(String),
    NothingInCommon(String),
    BadConfig(String),
    NoSshHere,
    Other(String),
}

impl Unreachable {
    /// From what the local ssh wrote to its log before it gave up.
    pub(super) fn from_log(log: &str) -> Self {
        Self { cause: Cause::of(log) }
    }

    /// The log-in had not ended after so long.
    pub(super) fn too_slow(limit: Duration) -> Self {
        Self { cause: Cause::TooSlow(limit) }
    }

    /// The same, after so many tries.
    pub(super) fn after(mut self, so_many: u32) -> Self {
        if let Cause::HungUp { tries, .. } | Cause::Closed { tries, .. } = &mut self.cause {
            *tries = so_many;
        }
        self
    }

    /// There is no ssh on this machine.
    pub(super) fn no_ssh() -> Self {
        Self { cause: Cause::NoSshHere }
    }

    /// Anything else, in its own words.
    pub(super) fn other(why: impl std::fmt::Display) -> Self {
        Self { cause: Cause::Other(why.to_string()) }
    }

    /// Whether another try may do, after so many.
    ///
    /// sshd hangs up before its first word when too many come at once (`MaxStartups`, 10:30:100 by
    /// default). One that hangs up later may have been overloaded, or means it.
    pub(super) fn is_worth_another_try(&self, tries: u32) -> bool {
        match self.cause {
            Cause::HungUp { .. } => true,
            Cause::Closed { .. } => tries < TRIES_IN_EARNEST,
            _ => false,
        }
    }

    /// Whether a jump host or another proxy hung up, which says nothing of the reason.
    pub(super) fn is_the_proxys_word(&self) -> bool {
        matches!(&self.cause, Cause::HungUp { said, .. } if said == PROXY_HUNG_UP)
    }

    /// What the user is told.
    pub fn failure(&self) -> Failure {
        Failure::new(self.cause.blame(), self.cause.message()).hint(self.cause.hint())
    }
}

impl Cause {
    fn blame(&self) -> Blame {
        match self {
            Self::Refused(_)
            | Self::Silent(_)
            | Self::TooSlow(_)
            | Self::HungUp { .. }
            | Self::Closed { .. } => Blame::Host,
            Self::TimedOut | Self::NoRoute(_) | Self::Other(_) => Blame::Network,
            Self::NameNotFound(_)
            | Self::KeyUnknown
            | Self::KeyChanged { .. }
            | Self::PermissionDenied(_)
            | Self::TooManyKeys
            | Self::NotSsh(_)
            | Self::NothingInCommon(_)
            | Self::BadConfig(_)
            | Self::NoSshHere => Blame::Operator,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::NameNotFound(line) => format!("the name is not known: {line}"),
            Self::Refused(line) => format!("connection refused: {line}"),
            Self::TimedOut => "timed out while connecting".into(),
            Self::Silent(line) => format!("it takes connections and says nothing: {line}"),
            Self::TooSlow(limit) => {
                format!("the log-in had not ended after {} s", limit.as_secs())
            }
            Self::NoRoute(line) => format!("no way to the host: {line}"),
            Self::KeyUnknown => "the host's key is not in known_hosts".into(),
            Self::KeyChanged { offending: Some(place) } => {
                format!("the host's key is not the one in {place}")
            }
            Self::KeyChanged { offending: None } => {
                "the host's key is not the one in known_hosts".into()
            }
            Self::PermissionDenied(methods) => format!("permission denied ({methods})"),
            Self::TooManyKeys => "the host refused after too many keys".into(),
            Self::HungUp { said, tries } => {
                format!("it hung up before its first word, {}: {said}", times(*tries))
            }
            Self::Closed { said, tries } => {
                format!("it hung up during the log-in, {}: {said}", times(*tries))
            }
            Self::NotSsh(line) => format!("what answers there is no sshd: {line}"),
            Self::NothingInCommon(line) => {
                format!("it and this ssh have too little in common: {line}")
            }
            Self::BadConfig(line) => format!("ssh refuses its configuration: {line}"),
            Self::NoSshHere => "there is no ssh program on this machine".into(),
            Self::Other(line) => format!("not reached: {line}"),
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::NameNotFound(_) => {
                "correct the name, or give the address as `ansible_host` in the inventory"
            }
            Self::Refused(_) => "start sshd there, or give its port as `ansible_port`",
            Self::TimedOut => {
                "see that the host is up and that no firewall drops SSH, or raise --timeout"
            }
            Self::Silent(_) => "see that sshd is well there, and that the port is sshd's",
            Self::TooSlow(_) => {
                "see with `ssh -v` where it hangs: a loaded host, its name service or a home \
                 directory on a network that is down"
            }
            Self::NoRoute(_) => "see that the host is up, and that this machine has a route to it",
            Self::KeyUnknown => {
                "check the key and connect once with ssh, or use --accept-new-hosts"
            }
            Self::KeyChanged { .. } => {
                "find out why; if the host was set up anew, remove the old key with ssh-keygen -R"
            }
            Self::PermissionDenied(_) => {
                "load the key with ssh-add, or give `ansible_user` or \
                 `ansible_ssh_private_key_file`"
            }
            Self::TooManyKeys => "give the right key as `ansible_ssh_private_key_file`",
            Self::HungUp { .. } => {
                "raise MaxStartups in its sshd_config or a bastion's, or see whether a firewall \
                 or hosts.deny ends connections"
            }
            Self::Closed { .. } => "look at its sshd's log: it says why",
            Self::NotSsh(_) => "give sshd's port as `ansible_port`",
            Self::NothingInCommon(_) => "allow what it offers for this host in ~/.ssh/config",
            Self::BadConfig(_) => "correct that file",
            Self::NoSshHere => "install OpenSSH's client",
            Self::Other(_) => "see what ssh itself says, with the same name and user",
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
        } else if has("banner exchange") && has("timed out") {
            Self::Silent(line("banner exchange"))
        } else if has("Connection timed out") || has("Operation timed out") {
            Self::TimedOut
        } else if has("No route to host") || has("Network is unreachable") {
            let what = if has("No route") { "No route to host" } else { "Network is unreachable" };
            Self::NoRoute(line(what))
        } else if has("Bad configuration option") || has("Bad owner or permissions") {
            Self::BadConfig(line("Bad "))
        } else if let Some(text) = NOT_SSH.iter().find(|text| has(text)) {
            Self::NotSsh(line(text))
        } else if has(OF_A_PROXY) {
            of_proxy(log)
        } else if has("Unable to negotiate with") {
            Self::NothingInCommon(line("Unable to negotiate with"))
        } else if let Some(text) = HUNG_UP.iter().find(|text| has(text)) {
            Self::HungUp { said: line(text), tries: 1 }
        } else if let Some(text) = CLOSED.iter().find(|text| has(text)) {
            Self::Closed { said: line(text), tries: 1 }
        } else if log.trim().is_empty() {
            Self::Other("ssh ended without a word".into())
        } else {
            Self::Other(last())
        }
    }
}

/// What ssh wrote when the other end of a proxy went away. It is said last; whatever a proxy that
/// is an ssh says comes before it, and counts more.
fn of_proxy(log: &str) -> Cause {
    let outer = |line: &str| {
        line.contains(OF_A_PROXY)
            || line.starts_with("kex_exchange_identification: Connection closed by remote host")
    };
    let said = log.lines().map(tidy).find(|line| !line.is_empty() && !outer(line));
    let hung_up = log.matches("_exchange_identification: ").count() > 1;
    match said {
        Some(said) if !hung_up => Cause::Closed { said, tries: 1 },
        said => Cause::HungUp { said: said.unwrap_or_else(|| PROXY_HUNG_UP.into()), tries: 1 },
    }
}

fn line_with(log: &str, text: &str) -> String {
    let line = log.lines().find(|line| line.contains(text)).unwrap_or(log);
    tidy(line)
}

fn last_line(log: &str) -> String {
    tidy(log.trim_end().lines().next_back().unwrap_or_default())
}

fn times(tries: u32) -> String {
    if tries == 1 { "once".to_owned() } else { format!("{tries} times") }
}

fn tidy(line: &str) -> String {
    let line = line.trim();
    let line = line.strip_prefix("ssh: ").unwrap_or(line);
    // How a jump host says it.
    let line = line.strip_prefix("channel 0: open failed: ").unwrap_or(line);
    line.trim_end_matches('.').to_owned()
}

/// What ssh calls the other end of a proxy, as it knows no address of it.
const OF_A_PROXY: &str = "UNKNOWN port 65535";
const PROXY_HUNG_UP: &str = "the jump host or proxy closed it";

/// What ssh says when the other end speaks something else.
const NOT_SSH: &[&str] = &[
    "banner line contains invalid characters",
    "banner line too long",
    "Exceeded MAX_PRE_BANNER_LINES",
    "No SSH version received",
    "Bad packet length",
    "message authentication code incorrect",
];

/// What ssh says when the other end goes away before it has said who it is; the second is
/// what versions before 7.9 say.
const HUNG_UP: &[&str] =
    &["kex_exchange_identification: ", "ssh_exchange_identification: ", "banner exchange: "];

/// What ssh says when the other end goes away before somebody is logged in.
const CLOSED: &[&str] = &[
    "Connection reset by",
    "Connection closed by",
    "closed by remote host",
    "Broken pipe",
    "Received disconnect from",
];

/// A host that hangs up in mid-log-in so often means it.
const TRIES_IN_EARNEST: u32 = 3;

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
    fn a_server_that_does_not_talk_as_sshd_should_is_told_apart() {
        for (log, words) in [
            (
                "kex_exchange_identification: Connection closed by remote host\r\nConnection \
                 closed by 10.0.0.1 port 22",
                "it hung up before its first word, once: kex_exchange_identification: Connection \
                 closed by remote host (raise MaxStartups in its sshd_config or a bastion's, or \
                 see whether a firewall or hosts.deny ends connections)",
            ),
            (
                "Connection closed by 10.0.0.1 port 22",
                "it hung up during the log-in, once: Connection closed by 10.0.0.1 port 22 (look \
                 at its sshd's log: it says why)",
            ),
            (
                "Connection timed out during banner exchange\r\nConnection to 10.0.0.1 port 22 \
                 timed out",
                "it takes connections and says nothing: Connection timed out during banner \
                 exchange (see that sshd is well there, and that the port is sshd's)",
            ),
            (
                "kex_exchange_identification: banner line contains invalid characters\r\nbanner \
                 exchange: Connection to 10.0.0.1 port 80: invalid format",
                "what answers there is no sshd: kex_exchange_identification: banner line contains \
                 invalid characters (give sshd's port as `ansible_port`)",
            ),
            (
                "Bad packet length 1734439522.\r\nssh_dispatch_run_fatal: Connection to 10.0.0.1 \
                 port 22: message authentication code incorrect",
                "what answers there is no sshd: Bad packet length 1734439522 (give sshd's port as \
                 `ansible_port`)",
            ),
            (
                "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. \
                 Their offer: ssh-rsa",
                "it and this ssh have too little in common: Unable to negotiate with 10.0.0.1 \
                 port 22: no matching host key type found. Their offer: ssh-rsa (allow what it \
                 offers for this host in ~/.ssh/config)",
            ),
            (
                "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r\n\
                 Disconnected from 10.0.0.1 port 22",
                "the host refused after too many keys (give the right key as \
                 `ansible_ssh_private_key_file`)",
            ),
        ] {
            assert_eq!(said(log), words);
        }
    }

    #[test]
    fn what_a_jump_host_says_counts_more_than_that_it_hung_up() {
        let hung_up = "kex_exchange_identification: Connection closed by remote host\r\n\
                       Connection closed by UNKNOWN port 65535";
        let behind = |inner: &str| Unreachable::from_log(&format!("{inner}{hung_up}"));
        assert!(behind("").is_the_proxys_word());
        for (inner, words, is_worth_more_than_three) in [
            ("", "it hung up before its first word, once: the jump host or proxy closed it", true),
            (
                "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset \
                 by 10.0.0.1 port 22\r\n",
                "it hung up before its first word, once: kex_exchange_identification: read: \
                 Connection reset by peer",
                true,
            ),
            (
                "nc: connection failed, SOCKS error 5\n",
                "it hung up during the log-in, once: nc: connection failed, SOCKS error 5",
                false,
            ),
            (
                "channel 0: open failed: connect failed: No route to host\r\nstdio forwarding \
                 failed\r\n",
                "no way to the host: connect failed: No route to host",
                false,
            ),
            (
                "channel 0: open failed: connect failed: Connection refused\r\n",
                "connection refused: connect failed: Connection refused",
                false,
            ),
        ] {
            let error = behind(inner);
            assert_eq!(error.failure().message, words);
            assert_eq!(error.is_worth_another_try(3), is_worth_more_than_three, "{words}");
        }
    }

    #[test]
    fn a_log_in_that_hangs_says_how_long_it_had() {
        assert_eq!(
            Unreachable::too_slow(Duration::from_secs(50)).failure().message,
            "the log-in had not ended after 50 s"
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
        for (log, after_one, after_three) in [
            ("kex_exchange_identification: Connection closed by remote host", true, true),
            ("kex_exchange_identification: read: Connection reset by peer", true, true),
            ("ssh_exchange_identification: Connection closed by remote host", true, true),
            ("banner exchange: Connection to 10.0.0.1 port 22: Broken pipe", true, true),
            ("Connection closed by 10.0.0.1 port 22", true, false),
            ("Connection reset by 10.0.0.1 port 22", true, false),
            ("Connection timed out during banner exchange", false, false),
            ("kex_exchange_identification: banner line contains invalid characters", false, false),
            ("ssh: connect to host a port 22: Connection refused", false, false),
            ("ops@a: Permission denied (publickey).", false, false),
        ] {
            let worth = |tries| Unreachable::from_log(log).is_worth_another_try(tries);
            assert_eq!((worth(1), worth(3)), (after_one, after_three), "{log}");
        }
    }

    #[test]
    fn a_host_that_hangs_up_says_how_often_it_did() {
        let log = "kex_exchange_identification: read: Connection reset by peer\r\n\
                   Connection reset by 10.0.0.1 port 22";
        assert_eq!(
            Unreachable::from_log(log).after(17).failure().message,
            "it hung up before its first word, 17 times: kex_exchange_identification: read: \
             Connection reset by peer"
        );
    }
}
