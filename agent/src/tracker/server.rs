//! The tracker's TCP port: announces and scrapes of any client, and our agents' connections.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use murder_swarm::tracker::http::{Query, encode_answer, encode_failure, encode_scrape};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{Shutdown, SocketFlags, acceptfrom_with, shutdown};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::agents;
use super::guests::{Guests, Place};
use super::http::{self, Early};
use super::shared::Shared;
use crate::channel::{PATH, PROTOCOL_NAME};

/// Takes connections in threads of its own until it is dropped.
///
/// A client's announce has most often come by the time that its connection is taken. It is
/// answered at once then, by four system calls: the kernel is not asked to watch the connection,
/// and the runtime does not hear of it. Whatever takes longer is left to a task.
#[derive(Debug)]
pub(super) struct Doors {
    listener: Arc<TcpListener>,
    threads: Vec<JoinHandle<()>>,
}

impl Doors {
    /// Opens them. Must be called within a tokio runtime.
    pub(super) fn open(shared: &Arc<Shared>, listener: TcpListener, guests: &Guests) -> Self {
        let listener = Arc::new(listener);
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let open = |_| {
            let door = Door {
                shared: Arc::clone(shared),
                listener: Arc::clone(&listener),
                guests: guests.clone(),
                runtime: Handle::current(),
            };
            std::thread::spawn(move || door.serve())
        };
        let threads = (0..cores.min(MOST_DOORS)).map(open).collect();
        Self { listener, threads }
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        // It wakes who waits for a connection (accept(2) fails with EINVAL), and frees the port.
        let _ = shutdown(&self.listener, Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

struct Door {
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
    guests: Guests,
    runtime: Handle,
}

impl Door {
    fn serve(self) {
        let _inside = self.runtime.enter();
        let mut buffer = vec![0; EARLY];
        let mut wait = Wait::AMoment;
        loop {
            match accept(&self.listener) {
                Ok((stream, from)) => {
                    if let Some(place) = self.guests.admit(from) {
                        wait = take(&self.shared, stream, from, place, &mut buffer, wait);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
                Err(error) => {
                    self.shared.log.line(format_args!("could not take a connection: {error}"));
                    // Out of file descriptors, most likely: they come back as others leave.
                    std::thread::sleep(AFTER_ERROR);
                }
            }
        }
    }
}

fn accept(listener: &TcpListener) -> io::Result<(std::net::TcpStream, IpAddr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, from) = acceptfrom_with(listener, flags)?;
    let from = from.and_then(|from| SocketAddr::try_from(from).ok());
    let from = from.ok_or(io::ErrorKind::AddrNotAvailable)?;
    // An IPv4 client of a socket for both is seen as ::ffff:10.0.0.1.
    Ok((socket.into(), from.ip().to_canonical()))
}

/// Answers what can be answered now, and leaves the rest to a task. Says whether to wait for the
/// next request if it is not there yet.
fn take(
    shared: &Arc<Shared>,
    mut stream: std::net::TcpStream,
    from: IpAddr,
    place: Place,
    buffer: &mut [u8],
    wait: Wait,
) -> Wait {
    let (read, wait) = match http::peek(&mut stream, buffer) {
        Early::Nothing if wait == Wait::AMoment && comes_soon(&stream) => {
            (http::peek(&mut stream, buffer), Wait::AMoment)
        }
        Early::Nothing => (Early::Nothing, Wait::No),
        read => (read, Wait::AMoment),
    };
    let part = match read {
        Early::End => return wait,
        Early::Nothing => 0,
        Early::Part(count) => count,
        Early::Request(count) => match http::parse(&buffer[..count]) {
            Ok(Some(head)) if head.target != PATH => {
                let (status, body) = query(shared, head.target, from);
                if let Some(rest) = http::answer_at_once(&mut stream, status, &body) {
                    tokio::spawn(finish(stream, rest, place));
                }
                return wait;
            }
            _ => count,
        },
    };
    let read = buffer[..part].to_vec();
    tokio::spawn(converse(Arc::clone(shared), stream, read, from, place));
    wait
}

/// Whether a door waits for a request that has not come with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// It is likely to be under way, and to wait for it costs less than a task.
    AMoment,
    /// The last one that was waited for did not come, and nobody has been quicker since.
    No,
}

fn comes_soon(stream: &std::net::TcpStream) -> bool {
    let mut waiting = [PollFd::new(stream, PollFlags::IN)];
    poll(&mut waiting, Some(&A_MOMENT)) == Ok(1)
}

async fn finish(stream: std::net::TcpStream, rest: Vec<u8>, place: Place) {
    if let Ok(mut stream) = TcpStream::from_std(stream) {
        http::finish(&mut stream, &rest).await;
    }
    drop(place);
}

async fn converse(
    shared: Arc<Shared>,
    stream: std::net::TcpStream,
    mut read: Vec<u8>,
    from: IpAddr,
    place: Place,
) {
    let Ok(mut stream) = TcpStream::from_std(stream) else { return };
    if let Err(bad) = http::read(&mut stream, &mut read).await {
        let body = encode_failure(bad.status());
        return http::answer(&mut stream, bad.status(), &body).await;
    }
    let Ok(Some(head)) = http::parse(&read) else { return };
    if head.target != PATH {
        let (status, body) = query(&shared, head.target, from);
        http::answer(&mut stream, status, &body).await;
    } else if head.upgrade == Some(PROTOCOL_NAME.as_bytes()) {
        let rest = read[head.length..].to_vec();
        drop(read);
        agents::serve(shared, stream, rest, from).await;
    } else {
        let body = encode_failure("this address is for murder's own agents of protocol 1");
        http::answer(&mut stream, "426 Upgrade Required", &body).await;
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
    let listener = socket.listen(BACKLOG)?.into_std()?;
    listener.set_nonblocking(false)?;
    Ok(listener)
}

/// `EAFNOSUPPORT` of Linux.
const NO_SUCH_FAMILY: i32 = 97;

/// A whole fleet may come at once; the kernel cuts it to net.core.somaxconn (4096).
const BACKLOG: u32 = 4096;
/// A request that fits in one packet comes in whole.
const EARLY: usize = 2048;
/// Between a handshake's end and a request that is sent at once.
const A_MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// More than the lock around the state lets work.
const MOST_DOORS: usize = 4;
const AFTER_ERROR: Duration = Duration::from_millis(100);
