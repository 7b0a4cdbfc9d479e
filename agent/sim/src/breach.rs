//! What must never happen, and where it did.

use murder_swarm::wire::Span;
use murder_swarm::{PieceIndex, Time};

use crate::HostId;

/// The first wrong thing of a run. The seed and the scenario lead there again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, event {event}, {:.6} s: {host} {wrong}", .at.as_micros() as f64 / 1e6)]
pub struct Breach {
    /// The scenario's.
    pub seed: u64,
    /// Number of the event.
    pub event: u64,
    /// Its time.
    pub at: Time,
    /// Who did it.
    pub host: HostId,
    /// What.
    pub wrong: Wrong,
}

/// What must never happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Completeness is a claim about verified pieces.
    #[error("says that it is complete with {verified} of {pieces} pieces verified")]
    CompleteTooEarly {
        /// Pieces whose hash was right.
        verified: u32,
        /// Pieces of the torrent.
        pieces: u32,
    },
    /// What it counts as its own was never checked, or was bad.
    #[error("counts {claimed} pieces as its own where {verified} are verified")]
    UnverifiedPiece {
        /// Pieces that it counts.
        claimed: u32,
        /// Pieces whose hash was right.
        verified: u32,
    },
    /// It has everything, and said nothing.
    #[error("has every piece and did not say that it is complete")]
    CompleteUnsaid,
    /// A block that was not requested, or not any more.
    #[error("sends block {0:?} to {1}, who did not ask for it")]
    UnaskedBlock(Span, HostId),
    /// A request that was answered before, or never made.
    #[error("rejects block {0:?} of {1}, who did not ask for it")]
    UnaskedReject(Span, HostId),
    /// A block it does not have.
    #[error("sends block {0:?}, which it does not have")]
    MissingBlock(Span),
    /// A piece that the other side does not have.
    #[error("asks {1} for block {0:?}, which it is not known to have")]
    AskedInVain(Span, HostId),
    /// A choked peer asks for nothing (BEP 3), but for allowed pieces (BEP 6).
    #[error("asks {1} for block {0:?} while choked")]
    AskedWhileChoked(Span, HostId),
    /// A piece that it has.
    #[error("asks for block {0:?}, whose piece it has")]
    AskedForNothing(Span),
    /// Twice the same request on one connection.
    #[error("asks {1} twice for block {0:?}")]
    AskedTwice(Span, HostId),
    /// More upload slots than configured.
    #[error("serves {served} peers at once where {slots} are allowed")]
    TooManyServed {
        /// Peers that are unchoked and interested.
        served: usize,
        /// What the configuration allows.
        slots: usize,
    },
    /// More connections than configured.
    #[error("has {0} connections, more than are allowed")]
    TooManyConnections(usize),
    /// A piece to check whose blocks are not all there.
    #[error("wants piece {} checked with {kept} of its {size} bytes kept", .piece.get())]
    PieceWithHoles {
        /// The piece.
        piece: PieceIndex,
        /// Bytes that were kept.
        kept: u32,
        /// Bytes of the piece.
        size: u32,
    },
    /// A piece that is being checked, or has been.
    #[error("wants piece {} checked, which is verified or being checked", .0.get())]
    CheckedTwice(PieceIndex),
    /// Something was said on a connection that is closed.
    #[error("speaks on a connection that is closed")]
    ClosedConnection,
    /// Who is banned is not dialled.
    #[error("dials {0}, whom it has banned")]
    DialledBanned(HostId),
    /// Who is banned is not let in.
    #[error("lets {0} in, whom it has banned")]
    ConnectedBanned(HostId),
    /// Only who sent wrong bytes is banned.
    #[error("bans {0}, who sent nothing wrong")]
    BannedHonest(HostId),
    /// A peer of ours never breaks the protocol.
    #[error("says that {0} broke the protocol: it {1}")]
    Accused(HostId, String),
    /// An address where nobody lives.
    #[error("dials {0}, where no host is")]
    DialledNobody(std::net::SocketAddr),
    /// What was counted is not what was carried.
    #[error("counts {counted} bytes {which} where {carried} were carried")]
    Miscounted {
        /// Which counter.
        which: &'static str,
        /// By the torrent.
        counted: u64,
        /// By the network.
        carried: u64,
    },
    /// Time does not go on.
    #[error("wants to be called again and again without time going on")]
    Spins,
    /// More handed to the kernel than agreed.
    #[error("has {0} bytes handed over and unsent on one connection")]
    TooFarAhead(u64),
}
