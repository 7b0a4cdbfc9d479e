//! A host's cable: in or out, its rate, and what went over it.

use std::fs;
use std::net::SocketAddrV4;
use std::ops::Sub;
use std::process::Command;

use crate::host::{Host, enter};
use crate::setup::run;

/// Whether a host's cable is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is.
    Up,
    /// It is not.
    Down,
}

/// Bytes that went over a host's cable, with the headers of Ethernet, IP and TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// What the host got.
    pub received: u64,
    /// What the host sent.
    pub sent: u64,
}

impl Sub for Traffic {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { received: self.received - before.received, sent: self.sent - before.sent }
    }
}

impl Host {
    /// Cuts the host off, or joins it again.
    pub fn set_link(&self, state: Link) {
        let state = match state {
            Link::Up => "up",
            Link::Down => "down",
        };
        run(enter(self.init, &["-n"]).args(["ip", "link", "set", "eth0", state]));
    }

    /// Loses all that the host sends, until [`Host::unmute`]; what others send still gets there.
    pub fn mute(&self) {
        let mut tc = enter(self.init, &["-n"]);
        // A queue that no packet fits into.
        run(tc.args(["tc", "qdisc", "replace", "dev", "eth0", "root", "bfifo", "limit", "1"]));
    }

    /// Lets the host send again, as fast as its cable is.
    pub fn unmute(&self) {
        run(enter(self.init, &["-n"]).args(["tc", "qdisc", "del", "dev", "eth0", "root"]));
    }

    /// Limits what the host can send, in Mbit/s.
    pub fn limit_uplink(&self, mbit: u32) {
        shape(enter(self.init, &["-n"]), "eth0", mbit);
    }

    /// Limits what the host can receive, in Mbit/s.
    pub fn limit_downlink(&self, mbit: u32) {
        // What the switch's end of the cable sends.
        shape(enter(self.fleet, &["-n"]), self.name(), mbit);
    }

    /// What went over the host's cable since the fleet came up.
    pub fn traffic(&self) -> Traffic {
        let path = format!("/proc/{}/net/dev", self.init);
        let text = fs::read_to_string(path).expect("the host is up");
        let line = text.lines().find_map(|line| line.trim().strip_prefix("eth0:"));
        // Sixteen numbers: eight of what was received, then eight of what was sent.
        let numbers: Vec<u64> =
            line.unwrap_or_default().split_whitespace().flat_map(str::parse).collect();
        Traffic { received: numbers[0], sent: numbers[8] }
    }

    /// The host's TCP sockets, as the kernel lists them.
    pub fn sockets(&self) -> Vec<Socket> {
        self.sockets_of("tcp")
    }

    /// The host's UDP sockets; an unconnected one is [`State::Other`].
    pub fn udp_sockets(&self) -> Vec<Socket> {
        self.sockets_of("udp")
    }

    /// Whether somebody on the host waits for TCP connections on a port.
    pub fn listens(&self, port: u16) -> bool {
        let mut sockets = self.sockets().into_iter();
        sockets.any(|socket| socket.state == State::Listening && socket.local.port() == port)
    }

    fn sockets_of(&self, protocol: &str) -> Vec<Socket> {
        let path = format!("/proc/{}/net/{protocol}", self.init);
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().skip(1).filter_map(Socket::parse).collect()
    }
}

/// One line of `/proc/net/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// This end.
    pub local: SocketAddrV4,
    /// The other end.
    pub remote: SocketAddrV4,
    /// What it is at.
    pub state: State,
}

/// What a TCP socket is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for connections.
    Listening,
    /// Has one.
    Established,
    /// Had one, and closed it.
    TimeWait,
    /// Something in between.
    Other,
}

impl Socket {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace().skip(1);
        let mut end = || {
            let (address, port) = fields.next()?.split_once(':')?;
            let address = u32::from_str_radix(address, 16).ok()?.to_le_bytes();
            Some(SocketAddrV4::new(address.into(), u16::from_str_radix(port, 16).ok()?))
        };
        let (local, remote) = (end()?, end()?);
        let state = match fields.next()? {
            "01" => State::Established,
            "06" => State::TimeWait,
            "0A" => State::Listening,
            _ => State::Other,
        };
        Some(Self { local, remote, state })
    }
}

/// A token bucket with about 30 ms of queue: deeper ones make every request wait for hundreds of
/// milliseconds, and with this one a TCP flow still gets 0.956 of the rate as payload.
fn shape(mut tc: Command, device: &str, mbit: u32) {
    let rate = format!("{mbit}mbit");
    run(tc
        .args(["tc", "qdisc", "replace", "dev", device, "root", "tbf", "rate", &rate])
        .args(["burst", "128k", "latency", "30ms"]));
}
