//! Where the fleet may find the tracker.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What is known of this host's addresses.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// From the inventory.
    pub announce_ip: Option<IpAddr>,
    /// The address that the workstation reached this host at.
    pub ssh: Option<IpAddr>,
    /// Those of its network interfaces.
    pub interfaces: Vec<IpAddr>,
}

impl Known {
    /// Asks the kernel and sshd.
    pub fn here(announce_ip: Option<IpAddr>) -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let mut interfaces = ipv4(&read("/proc/self/net/fib_trie"));
        interfaces.extend(ipv6(&read("/proc/self/net/if_inet6")));
        let ssh = std::env::var("SSH_CONNECTION").ok().and_then(|text| ssh_server(&text));
        Self { announce_ip, ssh, interfaces }
    }

    /// The addresses, best first. A tracker that listens on one address has only that.
    pub fn addresses(&self, listening: SocketAddr) -> Vec<SocketAddr> {
        let ip = listening.ip().to_canonical();
        let fits = |candidate: &IpAddr| {
            // A socket on 0.0.0.0 takes no IPv6 connection.
            candidate.is_ipv4() || listening.is_ipv6()
        };
        let mut ips = Vec::new();
        if ip.is_unspecified() {
            ips.extend(self.announce_ip);
            ips.extend(self.ssh.filter(|ip| !ip.is_loopback()));
            ips.extend(self.interfaces.iter().filter(|ip| !ip.is_loopback()));
            ips.retain(fits);
            ips.push(Ipv4Addr::LOCALHOST.into());
        } else {
            ips.push(ip);
        }
        let mut seen = std::collections::BTreeSet::new();
        ips.retain(|ip| seen.insert(*ip));
        ips.into_iter().map(|ip| SocketAddr::new(ip, listening.port())).collect()
    }
}

/// The third word of sshd's `SSH_CONNECTION`: client, its port, server, its port.
fn ssh_server(text: &str) -> Option<IpAddr> {
    let server = text.split_ascii_whitespace().nth(2)?;
    // A link-local address has its interface behind a percent sign, and means nothing elsewhere.
    server.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// The local addresses of the kernel's routing tables: a line with an address, and below it one
/// that says `/32 host LOCAL`. Each address is in two tables.
fn ipv4(fib_trie: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let mut leaf = None;
    for line in fib_trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(ip) = leaf
            && !found.contains(&ip.into())
        {
            found.push(ip.into());
        }
    }
    found
}

/// One line an address: its 32 digits, and as the fourth word its scope. Only global ones (00)
/// mean something on another host.
fn ipv6(if_inet6: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [digits, _, _, "00", ..] = words.as_slice() else { return None };
        let bits = u128::from_str_radix(digits, 16).ok()?;
        Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
    };
    if_inet6.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIB_TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.1.0.0/16 2 0 2
        |-- 10.1.0.0
           /16 link UNICAST
        |-- 10.1.2.3
           /32 host LOCAL
        |-- 10.1.255.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
Local:
  +-- 0.0.0.0/0 3 0 5
        |-- 10.1.2.3
           /32 host LOCAL
";

    fn texts(addresses: Vec<SocketAddr>) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn local_addresses_are_read_from_the_kernels_tables() {
        assert_eq!(
            ipv4(FIB_TRIE),
            ["10.1.2.3", "127.0.0.1"].map(|ip| ip.parse::<IpAddr>().unwrap())
        );
        let if_inet6 = "\
00000000000000000000000000000001 01 80 10 80       lo
fe800000000000000000000000000001 02 40 20 80     eth0
fd000000000000000000000000000007 02 40 00 80     eth0
";
        assert_eq!(ipv6(if_inet6), ["fd00::7".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn the_inventorys_address_comes_first_and_loopback_last() {
        let known = Known {
            announce_ip: Some("192.0.2.1".parse().unwrap()),
            ssh: ssh_server("10.9.9.9 50000 10.1.2.3 22"),
            interfaces: [ipv4(FIB_TRIE), vec!["fd00::7".parse().unwrap()]].concat(),
        };
        assert_eq!(
            texts(known.addresses("[::]:8998".parse().unwrap())),
            ["192.0.2.1:8998", "10.1.2.3:8998", "[fd00::7]:8998", "127.0.0.1:8998"]
        );
        assert_eq!(
            texts(known.addresses("0.0.0.0:8998".parse().unwrap())),
            ["192.0.2.1:8998", "10.1.2.3:8998", "127.0.0.1:8998"]
        );
    }

    #[test]
    fn a_tracker_that_listens_on_one_address_is_nowhere_else() {
        let known = Known { interfaces: ipv4(FIB_TRIE), ..Known::default() };
        assert_eq!(texts(known.addresses("127.0.0.5:1".parse().unwrap())), ["127.0.0.5:1"]);
    }

    #[test]
    fn an_ssh_connection_without_a_usable_server_address_is_passed_over() {
        assert_eq!(ssh_server("fe80::1%eth0 1 fe80::2%eth0 22"), None);
        assert_eq!(ssh_server(""), None);
        assert_eq!(ssh_server("::1 1 ::ffff:10.1.2.3 22"), Some("10.1.2.3".parse().unwrap()));
    }
}
