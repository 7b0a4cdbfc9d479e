//! What a torrent wants done, done.

use std::time::Duration;

use murder_swarm::torrent::{Check, ConnId, DisconnectReason, Output};
use murder_swarm::wire::{Message, Span};
use murder_swarm::{Block, PieceIndex};

use super::{Kind, World};
use crate::agenda::{Event, Life};
use crate::connection::{EndId, Item, Quality};
use crate::tracker::Word;
use crate::{HostId, Wrong};

impl World<'_> {
    /// Does all that a torrent wants after it was called, and sets its alarm.
    pub(super) fn drain(&mut self, id: HostId) {
        while self.breach.is_none() {
            let torrent = self.host_mut(id).torrent.as_mut();
            let Some(output) = torrent.and_then(|torrent| torrent.poll_output()) else {
                break;
            };
            self.carry_out(id, output);
        }
        self.check_pieces(id);
        self.set_alarm(id);
    }

    pub(super) fn hashed(&mut self, life: Life, piece: PieceIndex) {
        let now = self.now;
        let Some(host) = self.living(life) else {
            return;
        };
        let Some(quality) = host.store.hashed(piece) else {
            return;
        };
        let check = if quality == Quality::Right { Check::Good } else { Check::Bad };
        if let Some(torrent) = &mut host.torrent {
            torrent.handle_piece_checked(now, piece, check);
        }
        self.note(Kind::Check, life.host, piece.get().into());
        self.drain(life.host);
    }

    fn carry_out(&mut self, id: HostId, output: Output) {
        match output {
            Output::Dial(addr) => self.dial(id, addr),
            Output::Send { conn, message } => self.send(id, conn, message),
            Output::SendBlock { conn, block } => self.send_block(id, conn, block),
            Output::CheckPiece(piece) => self.check(id, piece),
            Output::Disconnect { conn, why } => self.disconnect(id, conn, &why),
            Output::WantPeers => self.ask_tracker(id, Word::WantPeers),
            Output::Complete => self.complete(id),
        }
    }

    fn send(&mut self, id: HostId, conn: ConnId, message: Message) {
        let Some(end) = self.end_of(id, conn) else {
            return;
        };
        let to = self.connections.host(end.other());
        let have = &self.hosts[id.index()].store.verified;
        let ledger = &mut self.connections[end].ledger;
        let before = ledger.serves();
        if let Err(wrong) = ledger.say(&message, to, have) {
            return self.wrong(id, wrong);
        }
        let after = ledger.serves();
        self.count_served(id, before, after);
        self.queue(end, Item::Message(message));
    }

    fn send_block(&mut self, id: HostId, conn: ConnId, block: Block) {
        let Some(end) = self.end_of(id, conn) else {
            return;
        };
        let to = self.connections.host(end.other());
        let host = &self.hosts[id.index()];
        let sent = self.connections[end].ledger.send(Span::from(block), to, &host.store.verified);
        if let Err(wrong) = sent {
            return self.wrong(id, wrong);
        }
        let spoils = host.spoils;
        let spoiled = spoils > 0 && self.chance.u32(0..1000) < spoils;
        let quality = if spoiled { Quality::Spoiled } else { Quality::Right };
        self.queue(end, Item::Block { block, quality });
        let ahead = self.connections[end].ahead;
        let config = &self.scenario.config;
        if ahead > u64::from(config.send_ahead) + u64::from(config.block) {
            self.wrong(id, Wrong::TooFarAhead(ahead));
        }
    }

    fn check(&mut self, id: HostId, piece: PieceIndex) {
        let bytes = self.scenario.lengths.size(piece);
        let host = self.host_mut(id);
        if let Err(wrong) = host.store.hash(piece) {
            return self.wrong(id, wrong);
        }
        let life = host.life();
        let span = Duration::from_nanos(u64::from(bytes) * 1000 / HASHED_PER_MICRO);
        self.agenda.add(self.now + span, Event::Hashed { life, piece });
    }

    fn disconnect(&mut self, id: HostId, conn: ConnId, why: &DisconnectReason) {
        let Some(end) = self.end_of(id, conn) else {
            return;
        };
        let other = self.connections.host(end.other());
        match why {
            DisconnectReason::BadPiece(_) => {
                self.host_mut(id).banned.insert(other);
                if self.host(other).spoils == 0 {
                    self.wrong(id, Wrong::BannedHonest(other));
                }
            }
            DisconnectReason::Violation(violation) => {
                self.wrong(id, Wrong::Accused(other, violation.to_string()));
            }
            _ => {}
        }
        self.drop_end(end);
        self.transmit(end.other(), Item::Close);
    }

    fn complete(&mut self, id: HostId) {
        let now = self.now;
        let host = self.host_mut(id);
        let verified = host.store.verified.len();
        let pieces = self.scenario.lengths.pieces();
        if verified != pieces {
            return self.wrong(id, Wrong::CompleteTooEarly { verified, pieces });
        }
        self.host_mut(id).completed.get_or_insert(now);
        self.note(Kind::Complete, id, 0);
        self.check_counts(id);
        self.ask_tracker(id, Word::Complete);
        self.count_unfinished(id);
    }

    /// The end that a torrent speaks of.
    fn end_of(&mut self, id: HostId, conn: ConnId) -> Option<EndId> {
        let end = self.host(id).ends.get(conn);
        if end.is_none() {
            self.wrong(id, Wrong::ClosedConnection);
        }
        end
    }

    /// Counts whom a host serves, when that has changed on one of its connections.
    pub(super) fn count_served(&mut self, id: HostId, before: bool, after: bool) {
        if before == after {
            return;
        }
        // Peers that take slowly fill no slot, as many as there are slots. The next peer is let in
        // before the one before it has to go.
        let slots = 2 * self.scenario.config.upload_slots + 1;
        let served = &mut self.host_mut(id).served;
        *served = if after { *served + 1 } else { *served - 1 };
        let served = *served;
        if after && served > slots {
            self.wrong(id, Wrong::TooManyServed { served, slots });
        }
    }

    /// What a torrent counts as its own is what was verified.
    fn check_pieces(&mut self, id: HostId) {
        let host = self.host(id);
        let Some(torrent) = &host.torrent else {
            return;
        };
        let (claimed, verified) = (torrent.have().len(), host.store.verified.len());
        if claimed != verified {
            self.wrong(id, Wrong::UnverifiedPiece { claimed, verified });
        } else if host.store.verified.is_full() && host.completed.is_none() && id != HostId::SEEDER
        {
            self.wrong(id, Wrong::CompleteUnsaid);
        }
    }

    fn set_alarm(&mut self, id: HostId) {
        let now = self.now;
        let host = self.host_mut(id);
        let Some(deadline) = host.torrent.as_ref().and_then(|torrent| torrent.poll_deadline())
        else {
            return;
        };
        host.spins = if deadline.at <= now { host.spins + 1 } else { 0 };
        if host.spins > MAX_SPINS {
            return self.wrong(id, Wrong::Spins);
        }
        let at = deadline.at.max(now);
        if host.alarm.is_none_or(|alarm| at < alarm) {
            host.alarm = Some(at);
            let life = host.life();
            self.agenda.add(at, Event::Timeout(life));
        }
    }
}

/// SHA-1 with the processor's instructions does 1.5 GB/s.
const HASHED_PER_MICRO: u64 = 1500;
/// Deadlines that are already over when they are set, in a row.
const MAX_SPINS: u32 = 1000;
