//! Bytes on their way.
//!
//! A host's uplink sends one block at a time, in turns between its connections. A block is at its
//! receiver when the last byte has come the way, and when the receiver's downlink has taken in all
//! that came before. While more than [`WINDOW`] waits before a downlink, others hold back, as TCP
//! does. Messages take their bytes of both links, with the headers of their packet. They do not
//! wait in these queues, but never overtake a block of their connection.

use std::time::Duration;

use murder_swarm::torrent::BlockUse;
use murder_swarm::wire::Span;
use murder_swarm::{Block, Time};

use super::{Kind, World};
use crate::HostId;
use crate::agenda::Event;
use crate::connection::{EndId, Item, Quality, Uplink};
use crate::host::State;

impl World<'_> {
    /// Puts something at the end of what an end has to send.
    pub(super) fn queue(&mut self, end: EndId, item: Item) {
        self.connections[end].queue.push_back(item);
        self.flush(end);
        self.pump(self.connections.host(end));
    }

    /// Brings something to an end, after the way through the network.
    pub(super) fn transmit(&mut self, to: EndId, item: Item) {
        let (from_host, to_host) = (self.connections.host(to.other()), self.connections.host(to));
        let bytes = item.bytes() + self.headers(to.other());
        let sender = self.host_mut(from_host);
        sender.talked += span(bytes, sender.access.up);
        let receiver = self.host_mut(to_host);
        receiver.received_by = receiver.received_by + span(bytes, receiver.access.down);
        let at = self.now + self.delay(from_host, to_host);
        self.deliver_at(at, to, item);
    }

    /// All that has come to an end by now.
    pub(super) fn arrive(&mut self, end: EndId) {
        while let Some((at, item)) = self.connections[end].coming.pop_front() {
            if at > self.now {
                self.connections[end].coming.push_front((at, item));
                return self.agenda.add(at, Event::Arrival(end));
            }
            self.take(end, item);
        }
    }

    /// A block has left its host.
    pub(super) fn depart(&mut self, id: HostId, end: EndId) {
        self.host_mut(id).sending = None;
        let sender = &mut self.connections[end];
        sender.uplink = Uplink::Idle;
        if let (Some(conn), Some(Item::Block { block, .. })) = (sender.id, sender.queue.pop_front())
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

    /// A downlink has room again.
    pub(super) fn make_room(&mut self, id: HostId) {
        for waiter in std::mem::take(&mut self.host_mut(id).waiters) {
            self.pump(waiter);
        }
    }

    /// Sends the messages before the next block, and waits for the uplink with that block.
    fn flush(&mut self, end: EndId) {
        while self.connections[end].uplink == Uplink::Idle {
            match self.connections[end].queue.front() {
                None => return,
                Some(Item::Block { .. }) => {
                    self.connections[end].uplink = Uplink::Waiting;
                    let id = self.connections.host(end);
                    self.host_mut(id).turns.push_back(end);
                }
                Some(Item::Message(_) | Item::Close) => {
                    if let Some(item) = self.connections[end].queue.pop_front() {
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
            let Some(Item::Block { block, quality }) = self.connections[end].queue.front() else {
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
        let now = self.now;
        let free = now + self.delay(id, to) + WINDOW;
        let receiver = self.host_mut(to);
        if receiver.received_by <= free {
            return May::Send;
        }
        if !receiver.waiters.contains(&id) {
            receiver.waiters.push(id);
            if receiver.waiters.len() == 1 {
                let at = now + (receiver.received_by - free);
                self.agenda.add(at, Event::Room(to));
            }
        }
        May::Wait
    }

    fn put_on_uplink(&mut self, id: HostId, end: EndId, block: Block, quality: Quality) {
        let (now, to) = (self.now, self.connections.host(end.other()));
        let item = Item::Block { block, quality };
        let bytes = item.bytes() + self.headers(end);
        let sender = self.host_mut(id);
        let departs = now + span(bytes, sender.access.up) + std::mem::take(&mut sender.talked);
        let comes = departs + self.delay(id, to);
        let receiver = self.host_mut(to);
        let taken_in = receiver.received_by + span(bytes, receiver.access.down);
        let at = comes.max(taken_in);
        receiver.received_by = at;
        self.host_mut(id).sending = Some(end);
        self.connections[end].uplink = Uplink::Sending;
        self.bytes.sent += u64::from(block.len);
        self.agenda.add(departs, Event::Departure(id, end));
        self.deliver_at(at, end.other(), item);
    }

    /// The headers of a packet, where one begins.
    fn headers(&mut self, end: EndId) -> u32 {
        let now = self.now;
        let before = self.connections[end].spoke.replace(now);
        if before == Some(now) { 0 } else { HEADERS }
    }

    fn deliver_at(&mut self, at: Time, to: EndId, item: Item) {
        let receiver = &mut self.connections[to];
        let is_first = receiver.coming.is_empty();
        let at = at.max(receiver.latest);
        receiver.latest = at;
        receiver.coming.push_back((at, item));
        if is_first {
            self.agenda.add(at, Event::Arrival(to));
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
                self.connections[end].ledger.hear(&message);
                if let Some(torrent) = &mut self.host_mut(id).torrent {
                    torrent.handle_message(now, conn, message);
                }
                self.note(Kind::Message, id, end.connection.into());
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

/// The time that bytes take at a rate.
fn span(bytes: u32, rate: u64) -> Duration {
    Duration::from_micros(u64::from(bytes) * 1_000_000 / rate.max(1))
}

/// Ethernet, IPv4 and TCP with its timestamps.
const HEADERS: u32 = 66;
/// What a switch's queue holds.
const WINDOW: Duration = Duration::from_millis(30);
