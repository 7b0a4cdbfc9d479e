//! Torrents joined by links with a rate and a delay, in virtual time.
//!
//! A block takes its time on the sender's uplink and the receiver's downlink, which are shared in
//! equal parts; messages behind it wait for it.

use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use murder_swarm::torrent::{
    BlockUse, Check, Config, ConnId, Direction, DisconnectReason, Link, Output, Refused, Torrent,
};
use murder_swarm::wire::{Message, PeerId, Reserved};
use murder_swarm::{Block, Lengths, PieceIndex, PieceSet, Time};

/// Bytes a second of 50 Mbit/s.
pub(crate) const MBIT_50: u64 = 50_000_000 / 8;

/// What a node does with what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Right bytes.
    Honest,
    /// Wrong bytes in every block.
    Corrupt,
    /// Blocks never leave it.
    Silent,
}

pub(crate) struct Node {
    pub(crate) torrent: Torrent,
    pub(crate) addr: SocketAddr,
    pub(crate) peer_id: PeerId,
    pub(crate) reserved: Reserved,
    pub(crate) manner: Manner,
    pub(crate) up: u64,
    pub(crate) down: u64,
    pub(crate) alive: bool,
    pub(crate) completed: Option<Time>,
    pub(crate) requests: Vec<(u32, u32, u32)>,
    pub(crate) disconnects: Vec<(SocketAddr, DisconnectReason)>,
    pub(crate) wanted_peers: u32,
    /// The tracker tells it nothing.
    pub(crate) knows_nobody: bool,
    /// Which end of which wire each connection is.
    wires: BTreeMap<ConnId, (usize, usize)>,
    cells: Vec<Vec<Option<bool>>>,
}

struct Wire {
    nodes: [usize; 2],
    conns: [Option<ConnId>; 2],
    queues: [VecDeque<Item>; 2],
    flowing: [bool; 2],
    open: bool,
}

enum Item {
    Message(Message),
    Block(Block),
}

struct Flow {
    wire: usize,
    end: usize,
    block: Block,
    left: f64,
    rate: f64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: std::cmp::Reverse<(Time, u64)>,
    what: What,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Timeout(usize),
    Dial(usize, SocketAddr),
    Deliver(u64),
    Checked(usize, u32, bool),
    Lost(usize, usize),
}

pub(crate) struct Net {
    pub(crate) now: Time,
    pub(crate) nodes: Vec<Node>,
    pub(crate) lengths: Lengths,
    pub(crate) delay: Duration,
    pub(crate) config: Config,
    pub(crate) chance: fastrand::Rng,
    wires: Vec<Wire>,
    flows: Vec<Flow>,
    flowed: Time,
    events: BinaryHeap<Event>,
    next_event: u64,
    in_flight: BTreeMap<u64, (usize, usize, Item)>,
    pub(crate) messages: u64,
}

impl Net {
    pub(crate) fn new(lengths: Lengths, seed: u64) -> Self {
        Self {
            now: Time::ZERO,
            nodes: Vec::new(),
            lengths,
            delay: Duration::from_millis(1),
            config: Config::default(),
            chance: fastrand::Rng::with_seed(seed),
            wires: Vec::new(),
            flows: Vec::new(),
            flowed: Time::ZERO,
            events: BinaryHeap::new(),
            next_event: 0,
            in_flight: BTreeMap::new(),
            messages: 0,
        }
    }

    pub(crate) fn seeder(&mut self) -> usize {
        self.node(PieceSet::full(&self.lengths), Reserved::OURS)
    }

    pub(crate) fn leech(&mut self) -> usize {
        self.node(PieceSet::empty(&self.lengths), Reserved::OURS)
    }

    pub(crate) fn node(&mut self, have: PieceSet, reserved: Reserved) -> usize {
        let index = self.nodes.len();
        let addr = SocketAddr::from(([10, 0, (index >> 8) as u8, index as u8], 6881));
        let peer_id = PeerId::ours(std::array::from_fn(|_| self.chance.u8(..)));
        let seed = self.chance.u64(..);
        let config = Config { listen_port: Some(6881), ..self.config.clone() };
        let pieces = self.lengths.iter();
        let cells =
            pieces.map(|piece| vec![None; self.lengths.size(piece).div_ceil(CELL) as usize]);
        self.nodes.push(Node {
            torrent: Torrent::new(self.lengths, have, peer_id, config, seed, self.now),
            addr,
            peer_id,
            reserved,
            manner: Manner::Honest,
            up: MBIT_50,
            down: MBIT_50,
            alive: true,
            completed: None,
            requests: Vec::new(),
            disconnects: Vec::new(),
            wanted_peers: 0,
            knows_nobody: false,
            wires: BTreeMap::new(),
            cells: cells.collect(),
        });
        index
    }

    /// Tells a node of others.
    pub(crate) fn introduce(&mut self, node: usize, others: &[usize]) {
        let addrs: Vec<_> = others.iter().map(|other| self.nodes[*other].addr).collect();
        let now = self.now;
        self.nodes[node].torrent.handle_candidates(now, &addrs);
        self.drain(node);
    }

    /// Tells every node of so many others, as a tracker does.
    pub(crate) fn introduce_all(&mut self, degree: usize) {
        for node in 0..self.nodes.len() {
            let others = self.others(node, degree);
            self.introduce(node, &others);
        }
    }

    /// Breaks one connection between two nodes; both sides notice.
    pub(crate) fn cut(&mut self, one: usize, other: usize) {
        let wires = 0..self.wires.len();
        let between = wires.filter(|wire| {
            let nodes = self.wires[*wire].nodes;
            nodes == [one, other] || nodes == [other, one]
        });
        for wire in between.collect::<Vec<_>>() {
            self.close(wire, None);
        }
    }

    /// Breaks a random connection.
    pub(crate) fn cut_any(&mut self) {
        let open: Vec<_> = (0..self.wires.len()).filter(|wire| self.wires[*wire].open).collect();
        if !open.is_empty() {
            let chosen = open[self.chance.usize(..open.len())];
            self.close(chosen, None);
        }
    }

    /// A node vanishes without a word.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].alive = false;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.nodes.iter().all(|node| !node.alive || node.torrent.is_complete())
    }

    /// Runs until every live node is complete; panics when that takes too long.
    pub(crate) fn run_until_done(&mut self, limit: Duration) {
        self.run_until(limit, Self::is_done);
    }

    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            assert!(self.step() && self.now <= end, "not done after {limit:?}: {}", self.state());
        }
    }

    /// Runs for a time.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.next_at().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    pub(crate) fn state(&self) -> String {
        let nodes = self
            .nodes
            .iter()
            .map(|node| format!("\n{} {:?}", node.addr, node.torrent.stats(self.now)));
        format!("at {:?}{}", self.now, nodes.collect::<String>())
    }

    fn step(&mut self) -> bool {
        let Some(at) = self.next_at() else { return false };
        self.advance(at);
        let finished: Vec<_> =
            (0..self.flows.len()).rev().filter(|flow| self.flows[*flow].left < 0.5).collect();
        for flow in finished {
            let flow = self.flows.remove(flow);
            self.flow_ended(&flow);
        }
        self.share();
        while let Some(event) = self.events.peek()
            && event.at.0.0 <= self.now
        {
            let what = self.events.pop().unwrap().what;
            self.happen(what);
        }
        true
    }

    fn next_at(&self) -> Option<Time> {
        let flow = self.flows.iter().map(|flow| {
            self.flowed + Duration::from_micros((flow.left / flow.rate * 1e6).ceil() as u64)
        });
        let event = self.events.peek().map(|event| event.at.0.0);
        flow.chain(event).min().map(|at| at.max(self.now))
    }

    fn advance(&mut self, to: Time) {
        let seconds = to.since(self.flowed).as_secs_f64();
        self.flows.iter_mut().for_each(|flow| flow.left -= flow.rate * seconds);
        self.flowed = to;
        self.now = to;
    }

    /// Gives each flow its part of both links.
    fn share(&mut self) {
        let mut ups = vec![0u32; self.nodes.len()];
        let mut downs = vec![0u32; self.nodes.len()];
        for flow in &self.flows {
            let [from, to] = self.ends(flow.wire, flow.end);
            ups[from] += 1;
            downs[to] += 1;
        }
        for flow in 0..self.flows.len() {
            let [from, to] = self.ends(self.flows[flow].wire, self.flows[flow].end);
            let up = self.nodes[from].up as f64 / f64::from(ups[from]);
            let down = self.nodes[to].down as f64 / f64::from(downs[to]);
            self.flows[flow].rate = up.min(down).max(1e-6);
        }
    }

    fn ends(&self, wire: usize, end: usize) -> [usize; 2] {
        let nodes = self.wires[wire].nodes;
        [nodes[end], nodes[1 - end]]
    }

    fn flow_ended(&mut self, flow: &Flow) {
        if !self.wires[flow.wire].open {
            return;
        }
        let [from, _] = self.ends(flow.wire, flow.end);
        self.deliver(flow.wire, flow.end, Item::Block(flow.block));
        self.wires[flow.wire].flowing[flow.end] = false;
        if let Some(conn) = self.wires[flow.wire].conns[flow.end] {
            self.nodes[from].torrent.handle_block_sent(self.now, conn, flow.block);
            self.drain(from);
        }
        self.push_on(flow.wire, flow.end);
    }

    fn deliver(&mut self, wire: usize, end: usize, item: Item) {
        let key = self.next_event;
        self.in_flight.insert(key, (wire, end, item));
        self.after(self.delay, What::Deliver(key));
    }

    fn after(&mut self, span: Duration, what: What) {
        let at = std::cmp::Reverse((self.now + span, self.next_event));
        self.next_event += 1;
        self.events.push(Event { at, what });
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Timeout(node) => {
                if self.nodes[node].alive {
                    self.nodes[node].torrent.handle_timeout(self.now);
                    self.drain(node);
                }
            }
            What::Dial(node, addr) => self.dial(node, addr),
            What::Deliver(key) => {
                let (wire, end, item) = self.in_flight.remove(&key).unwrap();
                self.arrive(wire, end, item);
            }
            What::Checked(node, piece, good) => {
                let piece = self.lengths.piece(piece).unwrap();
                let check = if good { Check::Good } else { Check::Bad };
                self.nodes[node].torrent.handle_piece_checked(self.now, piece, check);
                self.drain(node);
            }
            What::Lost(wire, end) => {
                let node = self.wires[wire].nodes[end];
                if let Some(conn) = self.wires[wire].conns[end].take() {
                    self.nodes[node].wires.remove(&conn);
                    self.nodes[node].torrent.handle_disconnected(self.now, conn);
                    self.drain(node);
                }
            }
        }
    }

    fn dial(&mut self, node: usize, addr: SocketAddr) {
        let other = self.nodes.iter().position(|node| node.addr == addr && node.alive);
        let now = self.now;
        let Some(other) = other else {
            self.nodes[node].torrent.handle_dial_failed(now, addr);
            return self.drain(node);
        };
        let inbound = self.link(node, other, Direction::Inbound);
        let outbound = self.link(other, node, Direction::Outbound);
        let accepted = self.nodes[other].torrent.handle_connected(now, inbound);
        let opened = match accepted {
            Ok(_) => self.nodes[node].torrent.handle_connected(now, outbound),
            Err(_) => {
                self.nodes[node].torrent.handle_dial_failed(now, addr);
                Err(Refused::Full(0))
            }
        };
        let wire = self.wires.len();
        self.wires.push(Wire {
            nodes: [node, other],
            conns: [opened.ok(), accepted.ok()],
            queues: Default::default(),
            flowing: [false; 2],
            open: opened.is_ok() && accepted.is_ok(),
        });
        for (end, index, conn) in [(0, node, opened), (1, other, accepted)] {
            if let Ok(conn) = conn {
                self.nodes[index].wires.insert(conn, (wire, end));
            }
        }
        if opened.is_err() && accepted.is_ok() {
            self.after(self.delay, What::Lost(wire, 1));
        }
        self.drain(other);
        self.drain(node);
    }

    /// What the second node sees of the first.
    fn link(&self, of: usize, to: usize, direction: Direction) -> Link {
        let mut addr = self.nodes[of].addr;
        if direction == Direction::Inbound {
            addr.set_port(40_000);
        }
        let (of, to) = (&self.nodes[of], &self.nodes[to]);
        Link { addr, direction, peer_id: of.peer_id, reserved: of.reserved.common(&to.reserved) }
    }

    fn arrive(&mut self, wire: usize, end: usize, item: Item) {
        let [from, to] = self.ends(wire, end);
        let Some(conn) = self.wires[wire].conns[1 - end] else { return };
        if !self.nodes[to].alive {
            return;
        }
        let now = self.now;
        match item {
            Item::Message(message) => {
                self.messages += 1;
                self.nodes[to].torrent.handle_message(now, conn, message);
            }
            Item::Block(block) => {
                let good = self.nodes[from].manner == Manner::Honest;
                let node = &mut self.nodes[to];
                let Block { piece, begin, len } = block;
                match node.torrent.handle_block(now, conn, piece.get(), begin, len) {
                    BlockUse::Keep(kept) => {
                        assert_eq!(kept, block);
                        let cells = (begin / CELL) as usize..(begin + len).div_ceil(CELL) as usize;
                        node.cells[piece.get() as usize][cells].fill(Some(good));
                    }
                    BlockUse::Discard => {}
                }
            }
        }
        self.drain(to);
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].torrent.poll_output() {
            if self.nodes[node].alive {
                self.perform(node, output);
            }
        }
        if let Some(deadline) = self.nodes[node].torrent.poll_deadline() {
            let span = deadline.at.since(self.now);
            self.after(span, What::Timeout(node));
        }
    }

    fn perform(&mut self, node: usize, output: Output) {
        match output {
            Output::Dial(addr) => self.after(self.delay * 2, What::Dial(node, addr)),
            Output::Send { conn, message } => {
                if let Message::Request(span) = message {
                    self.nodes[node].requests.push((span.index, span.begin, span.len));
                }
                let (wire, end) = self.nodes[node].wires[&conn];
                self.enqueue(wire, end, Item::Message(message));
            }
            Output::SendBlock { conn, block } => {
                let (wire, end) = self.nodes[node].wires[&conn];
                assert!(self.nodes[node].torrent.have().contains(block.piece));
                self.enqueue(wire, end, Item::Block(block));
            }
            Output::CheckPiece(piece) => self.check(node, piece),
            Output::Disconnect { conn, why } => {
                let (wire, end) = self.nodes[node].wires[&conn];
                let other = self.wires[wire].nodes[1 - end];
                let addr = self.nodes[other].addr;
                self.nodes[node].disconnects.push((addr, why));
                self.close(wire, Some(end));
            }
            Output::WantPeers => {
                self.nodes[node].wanted_peers += 1;
                let most = if self.nodes[node].knows_nobody { 0 } else { 8 };
                let others = self.others(node, most);
                let addrs: Vec<_> = others.iter().map(|other| self.nodes[*other].addr).collect();
                self.nodes[node].torrent.handle_candidates(self.now, &addrs);
            }
            Output::Complete => {
                assert!(self.nodes[node].completed.is_none(), "complete twice");
                self.nodes[node].completed = Some(self.now);
            }
        }
    }

    fn others(&mut self, node: usize, most: usize) -> Vec<usize> {
        let mut others: Vec<_> = (0..self.nodes.len()).filter(|other| *other != node).collect();
        self.chance.shuffle(&mut others);
        others.truncate(most);
        others
    }

    fn check(&mut self, node: usize, piece: PieceIndex) {
        let cells = &mut self.nodes[node].cells[piece.get() as usize];
        assert!(cells.iter().all(Option::is_some), "a piece is checked before it is whole");
        let good = cells.iter().all(|cell| *cell == Some(true));
        if !good {
            cells.fill(None);
        }
        self.after(Duration::from_millis(1), What::Checked(node, piece.get(), good));
    }

    fn enqueue(&mut self, wire: usize, end: usize, item: Item) {
        if self.wires[wire].open {
            self.wires[wire].queues[end].push_back(item);
            self.push_on(wire, end);
        }
    }

    fn push_on(&mut self, wire: usize, end: usize) {
        let [from, to] = self.ends(wire, end);
        while !self.wires[wire].flowing[end] {
            let blocked = !self.nodes[from].alive || !self.nodes[to].alive;
            match self.wires[wire].queues[end].pop_front() {
                None => break,
                Some(Item::Message(message)) => self.deliver(wire, end, Item::Message(message)),
                Some(Item::Block(block)) => {
                    self.wires[wire].flowing[end] = true;
                    if !blocked && self.nodes[from].manner != Manner::Silent {
                        self.advance(self.now);
                        let left = f64::from(block.len);
                        self.flows.push(Flow { wire, end, block, left, rate: 1e-6 });
                        self.share();
                    }
                }
            }
        }
    }

    /// `by` has closed its end already; the others hear of it.
    fn close(&mut self, wire: usize, by: Option<usize>) {
        self.wires[wire].open = false;
        self.wires[wire].queues.iter_mut().for_each(VecDeque::clear);
        self.flows.retain(|flow| flow.wire != wire);
        self.share();
        for end in 0..2 {
            if by == Some(end) {
                let node = self.wires[wire].nodes[end];
                if let Some(conn) = self.wires[wire].conns[end].take() {
                    self.nodes[node].wires.remove(&conn);
                }
            } else {
                self.after(self.delay, What::Lost(wire, end));
            }
        }
    }
}

const CELL: u32 = 16 * 1024;
