//! `doctor`: looks for whatever could stop a run on this host, and on the way to others.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use murder_protocol::verbs::{Doctor, DoctorEvent, DoctorReply, FileSystem};
use murder_protocol::{Blame, Failure};
use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

use super::Replies;
use crate::home::{Home, expand};
use crate::status::read_all;
use crate::tracker::address::Known;

/// With `listen` it says where it listens, and waits until the workstation closes stdin.
pub(super) fn run(
    request: Doctor,
    home: &Home,
    replies: &mut Replies<Doctor>,
) -> Result<DoctorReply, Failure> {
    let ports = request.listen.map(|range| Ports::look(home, range, request.announce_ip));
    let listening = ports.as_ref().and_then(|ports| ports.listener.as_ref()).map(|listener| {
        let address = listener.local_addr();
        address.map(|address| Known::here(request.announce_ip).addresses(address))
    });
    if ports.is_some() {
        let listening = listening.and_then(Result::ok).unwrap_or_default();
        // If nobody listens any more, stdin ends at once.
        let _ = replies.event(DoctorEvent { listening });
    }
    let file_systems = file_systems(home, &request.paths)?;
    let dialled = dial_all(&request.dial);
    if ports.is_some() {
        // However it ends, it is over.
        let _ = replies.wait_for_end_of_input();
    }
    let (busy_ports, port_error) = ports.map(|ports| (ports.busy, ports.error)).unwrap_or_default();
    Ok(DoctorReply { clock_unix_ms: clock(), file_systems, dialled, busy_ports, port_error })
}

/// What became of a range of ports.
struct Ports {
    /// On the first free one.
    listener: Option<TcpListener>,
    /// Held by somebody else.
    busy: Vec<u16>,
    /// Why others can't be listened on: a low port, or an address that is not this host's.
    error: Option<String>,
}

impl Ports {
    fn look(home: &Home, (first, last): (u16, u16), announce_ip: Option<IpAddr>) -> Self {
        let ours: Vec<u16> =
            read_all(home).iter().filter_map(|role| role.address.map(|it| it.port())).collect();
        let ip = announce_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let mut ports = Self { listener: None, busy: Vec::new(), error: None };
        for port in first..=last {
            match TcpListener::bind((ip, port)) {
                Ok(listener) => {
                    ports.listener.get_or_insert(listener);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    if !ours.contains(&port) {
                        ports.busy.push(port);
                    }
                }
                Err(error) => ports.error = Some(error.to_string()),
            }
        }
        ports
    }
}

fn file_systems(home: &Home, paths: &[String]) -> Result<Vec<FileSystem>, Failure> {
    let own = home.root().to_string_lossy().into_owned();
    let all = std::iter::once(&own).chain(paths);
    all.map(|path| {
        look(path).map_err(|error| {
            let text = format!("could not look at the file system of {path}: {error}");
            Failure::new(Blame::Host, text)
        })
    })
    .collect()
}

fn look(path: &str) -> io::Result<FileSystem> {
    let full = expand(path).map_err(io::Error::other)?;
    let nearest = full.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let room = statvfs(nearest)?;
    Ok(FileSystem {
        path: path.to_owned(),
        nearest: nearest.to_string_lossy().into_owned(),
        free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
        free_inodes: (room.f_files > 0).then_some(room.f_favail),
        noexec: room.f_flag.contains(StatVfsMountFlags::NOEXEC),
        read_only: room.f_flag.contains(StatVfsMountFlags::RDONLY),
        writable: access(nearest, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
    })
}

/// Opens a connection to each address, all at the same time.
fn dial_all(addresses: &[SocketAddr]) -> Vec<(SocketAddr, Option<String>)> {
    thread::scope(|scope| {
        let dials: Vec<_> =
            addresses.iter().map(|address| (*address, scope.spawn(|| dial(*address)))).collect();
        let join = |(address, dial): (SocketAddr, thread::ScopedJoinHandle<'_, Option<String>>)| {
            (address, dial.join().unwrap_or_else(|_| Some("the attempt failed".to_owned())))
        };
        dials.into_iter().map(join).collect()
    })
}

fn dial(address: SocketAddr) -> Option<String> {
    let error = TcpStream::connect_timeout(&address, PATIENCE).err()?;
    Some(match error.kind() {
        io::ErrorKind::TimedOut => {
            format!("no answer within {} s: a firewall, perhaps", PATIENCE.as_secs())
        }
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        _ => error.to_string(),
    })
}

fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A lost SYN is sent again after one and after three seconds (RFC 6298).
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dial_says_what_went_wrong_if_anything_did() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(
            dial_all(&[open, closed]),
            [(open, None), (closed, Some("nothing listens there".to_owned()))]
        );
    }

    #[test]
    fn a_busy_port_is_told_unless_a_role_of_ours_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let ports = Ports::look(&home, (port, port), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(ports.busy, [port]);
        assert!(ports.listener.is_none() && ports.error.is_none());
    }

    #[test]
    fn an_address_of_another_host_is_told_apart_from_a_busy_port() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        // TEST-NET-1 (RFC 5737) is nobody's.
        let ports = Ports::look(&home, (6881, 6882), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(ports.busy, [0; 0]);
        let error = "Cannot assign requested address (os error 99)";
        assert_eq!(ports.error.as_deref(), Some(error));
    }

    #[test]
    fn a_file_system_is_seen_from_the_nearest_folder_that_exists() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("not/there");
        let seen = look(path.to_str().unwrap()).unwrap();
        assert_eq!(Path::new(&seen.nearest), dir.path());
        assert!(seen.free_bytes > 0 && seen.writable && !seen.read_only);
        assert!(look("/proc/sys").unwrap().free_bytes == 0);
    }
}
