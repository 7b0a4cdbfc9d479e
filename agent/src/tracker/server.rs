//! The tracker's TCP port: announces and scrapes of any client, and our agents' connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use murder_swarm::tracker::http::{Query, encode_answer, encode_failure, encode_scrape};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::guests::{Guests, Place};
use super::shared::Shared;
use super::{agents, http};
use crate::channel::{PATH, PROTOCOL_NAME};

/// Takes connections for ever.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener, guests: Guests) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                // An IPv4 client of a socket for both is seen as ::ffff:10.0.0.1.
                let from = from.ip().to_canonical();
                if let Some(place) = guests.admit(from) {
                    tokio::spawn(converse(Arc::clone(&shared), stream, from, place));
                }
            }
            Err(error) => {
                shared.log.line(format_args!("could not take a connection: {error}"));
                // Out of file descriptors, most likely: they come back as others leave.
                sleep(AFTER_ERROR).await;
            }
        }
    }
}

async fn converse(shared: Arc<Shared>, mut stream: TcpStream, from: IpAddr, place: Place) {
    let head = match http::read(&mut stream).await {
        Ok(head) => head,
        Err(bad) => {
            let body = encode_failure(bad.status());
            return http::answer(&mut stream, bad.status(), &body).await;
        }
    };
    if head.target == PATH {
        if head.upgrade.as_deref() == Some(PROTOCOL_NAME) {
            agents::serve(shared, stream, head.rest, from).await;
        } else {
            let body = encode_failure("this address is for murder's own agents of protocol 1");
            http::answer(&mut stream, "426 Upgrade Required", &body).await;
        }
    } else {
        let (status, body) = query(&shared, &head.target, from);
        http::answer(&mut stream, status, &body).await;
    }
    drop(place);
}

/// The answer to `/announce` or `/scrape`. A refusal has status 200 as well, since clients read
/// the reason only then (BEP 3).
fn query(shared: &Shared, target: &str, from: IpAddr) -> (&'static str, Vec<u8>) {
    let body = match Query::parse(target) {
        Ok(Query::Announce(query)) => {
            let announce = query.announce(from);
            match shared.with(|state, now| state.announce(now, &announce)) {
                Ok(answer) => encode_answer(&answer, query.form),
                Err(error) => encode_failure(&error.to_string()),
            }
        }
        Ok(Query::Scrape(wanted)) => encode_scrape(&shared.with(|state, _| state.scrape(&wanted))),
        Err(error @ murder_swarm::tracker::http::QueryError::NoSuchPath) => {
            return ("404 Not Found", encode_failure(&error.to_string()));
        }
        Err(error) => encode_failure(&error.to_string()),
    };
    ("200 OK", body)
}

/// Listens on one address, or with none on all of this host's.
pub(super) fn listen(address: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    let Some(ip) = address else {
        let all = SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port);
        return match open(all) {
            // A kernel without IPv6.
            Err(error) if error.raw_os_error() == Some(NO_SUCH_FAMILY) => {
                open(SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), port))
            }
            other => other,
        };
    };
    match open(SocketAddr::new(ip, port)) {
        // The fleet's name for a host behind address translation is not an address of its own.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => listen(None, port),
        other => other,
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    use tokio::net::TcpSocket;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A tracker that is started again must not wait for connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// `EAFNOSUPPORT` of Linux.
const NO_SUCH_FAMILY: i32 = 97;

/// A whole fleet may come at once; the kernel cuts it to net.core.somaxconn (4096).
const BACKLOG: u32 = 4096;
const AFTER_ERROR: Duration = Duration::from_millis(100);
