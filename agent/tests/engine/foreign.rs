//! A member with a mind of its own: BEP 3 by hand, and as much of it as a test needs.

use std::net::SocketAddr;

use murder_swarm::wire::{
    Decoded, Handshake, InfoHash, Limits, Message, PeerId, Reserved, Span, decode, encode,
    encode_block_header,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::hosts::Swarm;

/// Listens for one caller, and seems to have everything.
pub(crate) struct Foreign {
    listener: TcpListener,
    info_hash: InfoHash,
    limits: Limits,
}

impl Foreign {
    pub(crate) async fn new(swarm: &Swarm) -> Self {
        Self {
            listener: TcpListener::bind("127.92.0.1:0").await.unwrap(),
            info_hash: swarm.metainfo.info_hash(),
            limits: Limits::new(&swarm.metainfo.lengths(), 1 << 20),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Takes the next call, says that it has every piece, and that requests are welcome.
    pub(crate) async fn accept(&self, pieces: u32) -> Caller {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut greeting = [0; Handshake::LEN];
        stream.read_exact(&mut greeting).await.unwrap();
        let ours = Handshake {
            reserved: Reserved::default(),
            info_hash: self.info_hash,
            peer_id: PeerId(*b"-XX0000-............"),
        };
        stream.write_all(&ours.encode()).await.unwrap();
        let mut caller = Caller { stream, limits: self.limits, inbox: Vec::new() };
        let mut bits = vec![0xff; pieces.div_ceil(8) as usize];
        let spare = bits.len() as u32 * 8 - pieces;
        *bits.last_mut().unwrap() = 0xff << spare;
        caller.say(&Message::Bitfield(bits)).await;
        caller.say(&Message::Unchoke).await;
        caller
    }
}

/// An agent of ours at the other end.
pub(crate) struct Caller {
    stream: TcpStream,
    limits: Limits,
    inbox: Vec<u8>,
}

impl Caller {
    /// The next block that it asks for, or nothing once it has closed the connection.
    pub(crate) async fn request(&mut self) -> Option<Span> {
        loop {
            match decode(&self.inbox, &self.limits).unwrap() {
                Decoded::Message { message, consumed } => {
                    self.inbox.drain(..consumed);
                    if let Message::Request(span) = message {
                        return Some(span);
                    }
                }
                Decoded::NeedMore => match self.stream.read_buf(&mut self.inbox).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                },
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends a block. A connection that was closed meanwhile is seen by the next request.
    pub(crate) async fn block(&mut self, span: Span, bytes: &[u8]) {
        let header = encode_block_header(span.index, span.begin, span.len);
        let _ = self.stream.write_all(&header).await;
        let _ = self.stream.write_all(bytes).await;
    }

    async fn say(&mut self, message: &Message) {
        let mut bytes = Vec::new();
        encode(message, &mut bytes);
        let _ = self.stream.write_all(&bytes).await;
    }
}
