//! The first 68 bytes each way on a new connection (BEP 3), with deadlines.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use murder_swarm::torrent::{Direction, Link};
use murder_swarm::wire::{Handshake, HandshakeError, InfoHash, PeerId, Reserved};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// A connection whose handshakes were exchanged.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) stream: TcpStream,
    pub(super) link: Link,
}

/// Why a connection did not get there.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("no answer in time")]
    Deadline,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("the other side wants the torrent {0}")]
    OtherTorrent(InfoHash),
    #[error("the other side is this agent itself")]
    Myself,
}

/// What this agent says first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Greeting {
    pub(super) info_hash: InfoHash,
    pub(super) me: PeerId,
}

impl Greeting {
    /// Connects to a peer, from `local` if that is given.
    pub(super) async fn dial(
        self,
        addr: SocketAddr,
        local: Option<IpAddr>,
    ) -> Result<Opened, OpenError> {
        let mut stream = timeout(DIAL, connect(addr, local)).await.map_err(late)??;
        let exchange = async {
            stream.write_all(&self.ours().encode()).await?;
            let mut bytes = [0; Handshake::LEN];
            stream.read_exact(&mut bytes).await?;
            self.check(Handshake::decode(&bytes)?)
        };
        let theirs = timeout(HANDSHAKE, exchange).await.map_err(late)??;
        Ok(self.opened(stream, addr, Direction::Outbound, &theirs))
    }

    /// Answers a peer that called. Nothing is said to one that does not know the torrent.
    pub(super) async fn answer(
        self,
        mut stream: TcpStream,
        addr: SocketAddr,
    ) -> Result<Opened, OpenError> {
        tune(&stream)?;
        let exchange = async {
            let mut bytes = [0; Handshake::LEN];
            stream.read_exact(&mut bytes).await?;
            let theirs = self.check(Handshake::decode(&bytes)?)?;
            stream.write_all(&self.ours().encode()).await?;
            Ok::<_, OpenError>(theirs)
        };
        let theirs = timeout(HANDSHAKE, exchange).await.map_err(late)??;
        // A dual-stack socket shows IPv4 callers as mapped addresses.
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        Ok(self.opened(stream, addr, Direction::Inbound, &theirs))
    }

    const fn ours(self) -> Handshake {
        Handshake { reserved: Reserved::OURS, info_hash: self.info_hash, peer_id: self.me }
    }

    fn check(self, theirs: Handshake) -> Result<Handshake, OpenError> {
        if theirs.info_hash != self.info_hash {
            return Err(OpenError::OtherTorrent(theirs.info_hash));
        }
        if theirs.peer_id == self.me {
            return Err(OpenError::Myself);
        }
        Ok(theirs)
    }

    fn opened(
        self,
        stream: TcpStream,
        addr: SocketAddr,
        direction: Direction,
        theirs: &Handshake,
    ) -> Opened {
        let Handshake { reserved, peer_id, .. } = *theirs;
        Opened { stream, link: Link { addr, direction, peer_id, reserved } }
    }
}

async fn connect(addr: SocketAddr, local: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(local) = local.filter(|local| local.is_ipv4() == addr.is_ipv4()) {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    let stream = socket.connect(addr).await?;
    tune(&stream)?;
    Ok(stream)
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    // Requests are small and somebody waits for each of them.
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

fn late(_: tokio::time::error::Elapsed) -> OpenError {
    OpenError::Deadline
}

/// How long a TCP connection may take: two lost SYNs (1 s and 2 s, RFC 6298) and some.
const DIAL: Duration = Duration::from_secs(5);

/// How long the two handshakes may take. They are one round trip.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How long sent bytes may stay unacknowledged before the peer counts as dead.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn greeting(torrent: u8, me: u8) -> Greeting {
        Greeting { info_hash: InfoHash([torrent; 20]), me: PeerId([me; 20]) }
    }

    async fn meet(caller: Greeting, called: Greeting) -> [Result<Opened, OpenError>; 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let answering = async {
            let (stream, from) = listener.accept().await.unwrap();
            called.answer(stream, from).await
        };
        let (one, two) = tokio::join!(caller.dial(addr, None), answering);
        [one, two]
    }

    #[tokio::test]
    async fn two_members_of_a_swarm_learn_each_others_names() {
        let [caller, called] = meet(greeting(1, 2), greeting(1, 3)).await;
        let (caller, called) = (caller.unwrap().link, called.unwrap().link);
        assert_eq!((caller.peer_id, called.peer_id), (PeerId([3; 20]), PeerId([2; 20])));
        assert_eq!((caller.direction, called.direction), (Direction::Outbound, Direction::Inbound));
        assert!(caller.reserved.fast() && called.reserved.extended());
    }

    #[tokio::test]
    async fn a_caller_for_another_torrent_hears_nothing() {
        let [caller, called] = meet(greeting(1, 2), greeting(4, 3)).await;
        assert!(matches!(caller.unwrap_err(), OpenError::Io(_)));
        let wanted = InfoHash([1; 20]);
        assert!(matches!(called.unwrap_err(), OpenError::OtherTorrent(hash) if hash == wanted));
    }

    #[tokio::test]
    async fn an_agent_does_not_talk_to_itself() {
        let [_, called] = meet(greeting(1, 2), greeting(1, 2)).await;
        assert!(matches!(called.unwrap_err(), OpenError::Myself));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (dialled, silent) = tokio::join!(greeting(1, 2).dial(addr, None), listener.accept());
        assert!(matches!(dialled.unwrap_err(), OpenError::Deadline | OpenError::Io(_)));
        drop(silent);
    }
}
