//! The checked values of our variables. All checking of what a user may write is here.

use std::net::IpAddr;

use murder_protocol::Tag;

use super::key::Key;
use super::name;

/// What a variable of ours says, once it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A path, host name or user name.
    Text(String),
    /// A TCP port, never 0.
    Port(u16),
    /// TCP ports.
    Ports(PortRange),
    /// An address that is not the unspecified one.
    Ip(IpAddr),
    /// A tag.
    Tag(Tag),
    /// Yes or no.
    Flag(bool),
    /// How a host is reached.
    Connection(Connection),
    /// A number that only orders.
    Number(i64),
}

/// TCP ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest one; never 0.
    pub first: u16,
    /// The highest one; not below `first`.
    pub last: u16,
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// How a host is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// By the system's ssh.
    Ssh,
    /// It is this machine.
    Local,
}

impl Value {
    /// Checks what was written for `key`; `None` if it is not what `key` takes.
    pub(super) fn parse(key: Key, text: &str) -> Option<Self> {
        match key {
            Key::Host => name::host(text).map(|host| Self::Text(host.to_owned())),
            Key::User => name::is_user(text).then(|| Self::Text(text.to_owned())),
            Key::Port | Key::TrackerPort => port(text).map(Self::Port),
            Key::PeerPort => ports(text).map(Self::Ports),
            Key::Connection => connection(text).map(Self::Connection),
            Key::KeyFile => key_file(text),
            Key::RemoteMurderPath => remote_murder_path(text),
            Key::AnnounceIp => {
                text.parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified()).map(Self::Ip)
            }
            Key::DefaultTag => text.parse().ok().map(Self::Tag),
            Key::DefaultSeederFilesPath
            | Key::DefaultDestinationPath
            | Key::DefaultTempPath
            | Key::TempPath => remote_path(text),
            Key::NoRelease => flag(text).map(Self::Flag),
            Key::GroupPriority => text.parse().ok().map(Self::Number),
        }
    }
}

/// Decimal digits without a leading zero, which YAML 1.1 would read as octal.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

fn ports(text: &str) -> Option<PortRange> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first.trim())?, port(last.trim())?),
        None => (port(text)?, port(text)?),
    };
    (first <= last).then_some(PortRange { first, last })
}

/// Ansible's `smart` is ssh wherever there is an ssh; its plugins also go by their full names.
fn connection(text: &str) -> Option<Connection> {
    match text.strip_prefix("ansible.builtin.").unwrap_or(text) {
        "ssh" | "smart" => Some(Connection::Ssh),
        "local" => Some(Connection::Local),
        _ => None,
    }
}

fn key_file(text: &str) -> Option<Value> {
    let good = !text.is_empty() && !text.starts_with('-') && !text.chars().any(char::is_control);
    good.then(|| Value::Text(text.to_owned()))
}

/// The only variable in a line that a remote shell reads, and a folder that `uninstall` removes:
/// so no character that any shell knows, no way up, and nothing as short as `/tmp`.
fn remote_murder_path(text: &str) -> Option<Value> {
    let text = text.trim_end_matches('/');
    let below_home = text.strip_prefix("~/");
    let parts = below_home.or_else(|| text.strip_prefix('/'))?;
    let safe = |c: char| c.is_ascii_alphanumeric() || "._-+/".contains(c);
    let whole = |part: &str| !matches!(part, "" | "." | "..") && !part.starts_with('-');
    let good = parts.chars().all(safe)
        && parts.split('/').all(whole)
        && (below_home.is_some() || parts.contains('/'));
    good.then(|| Value::Text(text.to_owned()))
}

/// Agents get paths as JSON, so any character will do that a person can see.
fn remote_path(text: &str) -> Option<Value> {
    let rooted = text.starts_with('/') || text == "~" || text.starts_with("~/");
    (rooted && !text.chars().any(char::is_control)).then(|| Value::Text(text.to_owned()))
}

/// YAML 1.1's words, which Ansible takes, and the original's 1 and 0.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "1" => Some(true),
        "false" | "no" | "off" | "n" | "0" => Some(false),
        _ => None,
    }
}
