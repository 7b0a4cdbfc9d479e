//! Bytes on their way.
//!
//! A host's uplink sends one block at a time, in turns between its connections. A block is at its
//! receiver when the last byte has come the way, and when the receiver's downlink has taken in all
//! that came before. While as much waits before a downlink as its queue holds (`network.rs`), others
//! hold back, as TCP does. Messages take their bytes of both links, with the headers of their packet,
//! and wait in the same queues. They go before blocks that have not begun, as in the agent
//! (`agent/src/engine/writer.rs`), and never overtake one that has.

use murder_swarm::Block;
use murder_swarm::torrent::BlockUse;
use murder_swarm::wire::Span;

use super::{Kind, World};
use crate::HostId;
use crate::agenda::Event;
use crate::connection::{EndId, Item, Part, Quality, Uplink};
use crate::host::State;
use crate::network::{Journey, QueueId, Reach, Waits};

impl World<'_> {
    /// Puts something into what an end has to send.
    pub(super) fn queue(&mut self, end: EndId, item: Item) {
        if self.connections.goes_first(end, &item) {
            return self.transmit(end.other(), item);
        }
        self.connections.queue(end, item);
        self.flush(end);
        self.pump(self.connections.host(end));
    }

    /// Brings something to an end, after the way through the network.
    pub(super) fn transmit(&mut self, to: EndId, item: Item) {
        let (from_host, to_host) = (self.connections.host(to.other()), self.connections.host(to));
        let bytes = item.bytes() + self.headers(to.other());
        let reaches = self.network.talk(self.now, from_host, to_host, bytes);
        self.deliver(reaches, to, item);
    }

    /// All that has come over the links that racks share by now.
    pub(super) fn cross(&mut self, end: EndId) {
        while let Some(at) = self.connections.comes(end, Part::Crossing) {
            if at > self.now {
                return self.agenda.add(at, Event::Crossed(end));
            }
            if let Some(item) = self.connections.take_coming(end, Part::Crossing) {
                let to = self.connections.host(end);
                let at = self.network.enter(self.now, to, item.bytes() + HEADERS);
                self.deliver(Reach::Receiver(at), end, item);
            }
        }
    }

    /// All that has come to an end by now.
    pub(super) fn arrive(&mut self, end: EndId) {
        while let Some(at) = self.connections.comes(end, Part::Coming) {
            if at > self.now {
                return self.agenda.add(at, Event::Arrival(end));
            }
            if let Some(item) = self.connections.take_coming(end, Part::Coming) {
                self.take(end, item);
            }
        }
    }

    /// A block has left its host.
    pub(super) fn depart(&mut self, id: HostId, end: EndId) {
        self.host_mut(id).sending = None;
        let sender = &mut self.connections[end];
        sender.uplink = Uplink::Idle;
        let conn = sender.id;
        if let (Some(conn), Some(Item::Block { block, .. })) =
            (conn, self.connections.take_next(end))
        {
            let now = self.now;
            let host = self.host_mut(id);
            host.carried.sent += u64::from(block.len);
            if let Some(torrent) = &mut host.torrent {
                torrent.handle_block_sent(now, conn, block);
            }
            self.drain(id);
            self.flush(end);
        }
        self.pump(id);
    }

    /// A queue has room again.
    pub(super) fn make_room(&mut self, queue: QueueId) {
        for waiter in self.network.release(queue) {
            self.pump(waiter);
        }
    }

    /// Sends the messages before the next block, and waits for the uplink with that block.
    fn flush(&mut self, end: EndId) {
        while self.connections[end].uplink == Uplink::Idle {
            match self.connections.next(end) {
                None => return,
                Some(Item::Block { .. }) => {
                    self.connections[end].uplink = Uplink::Waiting;
                    let id = self.connections.host(end);
                    self.host_mut(id).turns.push_back(end);
                }
                Some(Item::Message(_) | Item::Close) => {
                    if let Some(item) = self.connections.take_next(end) {
                        self.transmit(end.other(), item);
                    }
                }
            }
        }
    }

    /// Lets the next connection that may send a block do so.
    fn pump(&mut self, id: HostId) {
        if self.host(id).sending.is_some() {
            return;
        }
        for _ in 0..self.host(id).turns.len() {
            let Some(end) = self.host_mut(id).turns.pop_front() else {
                return;
            };
            let Some(Item::Block { block, quality }) = self.connections.next(end) else {
                self.connections[end].uplink = Uplink::Idle;
                continue;
            };
            let (block, quality) = (*block, *quality);
            match self.may_send(id, end) {
                May::Send => return self.put_on_uplink(id, end, block, quality),
                May::Wait => self.host_mut(id).turns.push_back(end),
                // As into a socket whose other side acknowledges nothing.
                May::Never => {}
            }
        }
    }

    fn may_send(&mut self, id: HostId, end: EndId) -> May {
        let to = self.connections.host(end.other());
        if self.host(to).state == State::Gone {
            return May::Never;
        }
        let Some(full) = self.network.full(self.now, id, to) else {
            return May::Send;
        };
        if self.network.wait(full.queue, id) == Waits::First {
            self.agenda.add(full.until, Event::Room(full.queue));
        }
        May::Wait
    }

    fn put_on_uplink(&mut self, id: HostId, end: EndId, block: Block, quality: Quality) {
        let to = self.connections.host(end.other());
        let item = Item::Block { block, quality };
        let bytes = item.bytes() + self.headers(end);
        let Journey { departs, reaches } = self.network.send(self.now, id, to, bytes);
        self.host_mut(id).sending = Some(end);
        self.connections[end].uplink = Uplink::Sending;
        self.bytes.sent += u64::from(block.len);
        self.agenda.add(departs, Event::Departure(id, end));
        self.deliver(reaches, end.other(), item);
    }

    /// The headers of a packet, where one begins.
    fn headers(&mut self, end: EndId) -> u32 {
        let now = self.now;
        let before = self.connections[end].spoke.replace(now);
        if before == Some(now) { 0 } else { HEADERS }
    }

    fn deliver(&mut self, reaches: Reach, to: EndId, item: Item) {
        let (part, at, event) = match reaches {
            Reach::Downlink(at) => (Part::Crossing, at, Event::Crossed(to)),
            Reach::Receiver(at) => (Part::Coming, at, Event::Arrival(to)),
        };
        if let Some(at) = self.connections.bring(to, part, at, item) {
            self.agenda.add(at, event);
        }
    }

    fn take(&mut self, end: EndId, item: Item) {
        let id = self.connections.host(end);
        let Some(conn) = self.connections[end].id else {
            if let Item::Block { block, .. } = item {
                self.bytes.lost += u64::from(block.len);
            }
            return;
        };
        let now = self.now;
        match item {
            Item::Message(message) => {
                let ledger = &mut self.connections[end].ledger;
                let before = ledger.serves();
                ledger.hear(&message);
                let after = ledger.serves();
                self.count_served(id, before, after);
                if let Some(torrent) = &mut self.host_mut(id).torrent {
                    torrent.handle_message(now, conn, message);
                }
                self.note(Kind::Message, id, end.connection().into());
            }
            Item::Block { block, quality } => self.take_block(end, block, quality),
            Item::Close => {
                self.drop_end(end);
                if let Some(torrent) = &mut self.host_mut(id).torrent {
                    torrent.handle_disconnected(now, conn);
                }
            }
        }
        self.drain(id);
    }

    fn take_block(&mut self, end: EndId, block: Block, quality: Quality) {
        let (now, id) = (self.now, self.connections.host(end));
        let span = Span::from(block);
        self.connections[end].ledger.receive(&span);
        let (Some(conn), len) = (self.connections[end].id, u64::from(block.len)) else {
            return;
        };
        self.bytes.arrived += len;
        let host = self.host_mut(id);
        host.carried.received += len;
        let Some(torrent) = &mut host.torrent else {
            return;
        };
        match torrent.handle_block(now, conn, span.index, span.begin, span.len) {
            BlockUse::Keep(block) => host.store.keep(block, quality),
            BlockUse::Discard => {}
        }
        self.note(Kind::Block, id, u64::from(span.index) << 32 | u64::from(span.begin));
    }
}

enum May {
    Send,
    Wait,
    Never,
}

/// Ethernet, IPv4 and TCP with its timestamps.
const HEADERS: u32 = 66;
