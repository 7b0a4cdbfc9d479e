//! The port that an agent listens on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use murder_protocol::Blame;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};

use crate::blamed::Blamed;

/// A listening socket, and the address that outgoing connections leave from.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: TcpListener,
    pub(super) local: Option<IpAddr>,
    address: SocketAddr,
}

impl Listener {
    /// Listens on the first free port of the range. An `announce_ip` that belongs to this host is
    /// the only address listened on and dialled from; with one that does not, as behind an
    /// address translation, or with none, it is every address.
    pub fn bind(announce_ip: Option<IpAddr>, ports: (u16, u16)) -> Result<Self, BindError> {
        let (first, last) = ports;
        let mut busy = None;
        for port in first..=last {
            match bind_port(announce_ip, port) {
                Ok(listener) => return Ok(listener),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => busy = Some(error),
                Err(source) => return Err(BindError::Port { port, source }),
            }
        }
        let source = busy.unwrap_or_else(|| io::ErrorKind::InvalidInput.into());
        Err(BindError::Busy { first, last, source })
    }

    /// Where it listens. The address may be the unspecified one.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Why there is no port to listen on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody has each of them.
    #[error("none of the TCP ports {first}-{last} is free")]
    Busy {
        /// The first port that was tried.
        first: u16,
        /// The last one.
        last: u16,
        /// What the system said of the last one.
        source: io::Error,
    },
    /// A port that the system does not let us have.
    #[error("can't listen on TCP port {port}")]
    Port {
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
}

impl Blamed for BindError {
    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn hint(&self) -> Option<String> {
        Some("set peer_port to a range of free ports above 1023".to_owned())
    }
}

fn bind_port(announce_ip: Option<IpAddr>, port: u16) -> io::Result<Listener> {
    if let Some(ip) = announce_ip {
        match listen(SocketAddr::new(ip, port), Some(ip)) {
            // Not an address of this host.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            other => return other,
        }
    }
    match listen((Ipv6Addr::UNSPECIFIED, port).into(), None) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            // A kernel without IPv6.
            listen((Ipv4Addr::UNSPECIFIED, port).into(), None)
        }
        other => other,
    }
}

fn listen(address: SocketAddr, local: Option<IpAddr>) -> io::Result<Listener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if address.is_ipv6() && local.is_none() {
        SockRef::from(&socket).set_only_v6(false)?;
    }
    // A port whose last connections are in TIME_WAIT is free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let socket = socket.listen(BACKLOG)?;
    let address = socket.local_addr()?;
    Ok(Listener { socket, local, address })
}

/// In a flash crowd every peer that was told of us may call in the same moment.
const BACKLOG: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(127, 77, 0, 1)));

    #[tokio::test]
    async fn the_first_free_port_is_taken_and_a_full_range_is_an_error() {
        let one = Listener::bind(HERE, (16_881, 16_882)).unwrap();
        let two = Listener::bind(HERE, (16_881, 16_882)).unwrap();
        assert_eq!((one.address().port(), two.address().port()), (16_881, 16_882));
        assert_eq!(
            Listener::bind(HERE, (16_881, 16_882)).unwrap_err().failure().to_string(),
            "none of the TCP ports 16881-16882 is free: Address already in use (os error 98) \
             (set peer_port to a range of free ports above 1023)"
        );
    }

    #[tokio::test]
    async fn an_address_of_another_host_means_to_listen_on_all() {
        let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let listener = Listener::bind(Some(elsewhere), (0, 0)).unwrap();
        assert!(listener.address().ip().is_unspecified());
        assert_eq!(listener.local, None);
    }
}
