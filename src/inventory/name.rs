//! What a host, a user and a group may be called. ssh would take a leading `-` for an option, and
//! a `%` or a quote in a user name for more than that, so only what is known to be harmless passes.

use std::net::Ipv6Addr;

/// A host name or address: letters, digits and `. _ -`, or an IPv6 address, which may have a zone
/// and stand in brackets. What comes back is without brackets, as ssh takes it.
pub(super) fn host(text: &str) -> Option<&str> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(address) => is_ipv6(address).then_some(address),
        None if text.contains(':') => is_ipv6(text).then_some(text),
        None => is_plain_host(text).then_some(text),
    }
}

/// Splits `name:port`, where an IPv6 address has to be in brackets to have a port. Ranges such as
/// `web[01:50]` may stand in the name.
pub(super) fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && is_ipv6(address)
    {
        return match rest.strip_prefix(':') {
            Some(port) => (address, Some(port)),
            None if rest.is_empty() => (address, None),
            None => (text, None),
        };
    }
    let mut depth = 0;
    let mut colons = text.char_indices().filter(|&(_, c)| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == ':' && depth == 0
    });
    match (colons.next(), colons.next()) {
        (Some((at, _)), None) => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    }
}

/// A user name: letters, digits and `. _ - @ + \`, `$` as its last, and no `-` in front.
pub(super) fn is_user(text: &str) -> bool {
    let stem = text.strip_suffix('$').unwrap_or(text);
    text.len() <= LONGEST
        && begins_well(stem)
        && stem.chars().all(|c| word(c) || "@+\\".contains(c))
}

/// A group's name: letters, digits and `. _ -`, and no `-` in front. Everything else means
/// something in a `--limit`.
pub(super) fn is_group(text: &str) -> bool {
    text.len() <= LONGEST && begins_well(text) && text.chars().all(word)
}

fn is_plain_host(text: &str) -> bool {
    is_group(text) && text.chars().any(|c| c.is_ascii_alphanumeric())
}

fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok() && begins_well(zone) && zone.chars().all(word)
}

fn begins_well(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-')
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

/// The longest name of a host in DNS (RFC 1035, section 2.3.4); nothing here needs to be longer.
const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_of_harmless_characters() {
        for good in ["web1", "web-1.example.org", "10.0.0.1", "_x", "::1", "fe80::1%eth0", "1"] {
            assert_eq!(host(good), Some(good));
        }
        assert_eq!(host("[fe80::1%eth0]"), Some("fe80::1%eth0"));
        let long = "a".repeat(256);
        for bad in
            ["", "-oProxyCommand=x", "a b", "a;b", "a%h", "[a]", "a:b", "[::1", "...", "é", &long]
        {
            assert_eq!(host(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn users_are_names_of_harmless_characters() {
        for good in ["root", "a.b@example.org", "CORP\\bob", "machine$", "a+b-c_d"] {
            assert!(is_user(good), "{good:?}");
        }
        for bad in ["", "$", "-l", "a$b", "a%h", "a b", "a'b", "`id`", "a/b"] {
            assert!(!is_user(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_port_is_told_from_an_address_and_a_range() {
        assert_eq!(split_port("web1:2222"), ("web1", Some("2222")));
        assert_eq!(split_port("web[01:50]"), ("web[01:50]", None));
        assert_eq!(split_port("web[01:50].x:22"), ("web[01:50].x", Some("22")));
        assert_eq!(split_port("[a:f]:22"), ("[a:f]", Some("22")));
        assert_eq!(split_port("::1"), ("::1", None));
        assert_eq!(split_port("[::1]"), ("::1", None));
        assert_eq!(split_port("[fe80::1%eth0]:22"), ("fe80::1%eth0", Some("22")));
    }
}
