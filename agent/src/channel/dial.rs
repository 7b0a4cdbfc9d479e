//! A TCP connection to a tracker, whatever its make.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

/// Takes no longer than the kernel does; callers give it [`CONNECTING`].
///
/// On a fleet of loopback addresses each host speaks from its own, as it would on a network.
pub(super) async fn dial(
    tracker: SocketAddr,
    announce_ip: Option<IpAddr>,
) -> std::io::Result<TcpStream> {
    let socket = if tracker.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    match announce_ip {
        Some(ip) if ip.is_loopback() && tracker.ip().is_loopback() => {
            // A family that does not fit is the inventory's affair; the connection works without.
            let _ = socket.bind(SocketAddr::new(ip, 0));
        }
        _ => {}
    }
    socket.connect(tracker).await
}

/// A TCP connection within a fleet takes milliseconds; three seconds bear one lost SYN and its
/// retransmission (RFC 6298: one second).
pub(super) const CONNECTING: Duration = Duration::from_secs(3);
