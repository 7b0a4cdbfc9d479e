//! One torrent and a peer whose every word the test says.

use std::net::SocketAddr;
use std::time::Duration;

use murder_swarm::torrent::{
    BlockUse, Check, Config, ConnId, Direction, DisconnectReason, Link, Output, Refused, Torrent,
};
use murder_swarm::wire::extended::{ExtendedHandshake, Murder, Wants};
use murder_swarm::wire::{Message, PeerId, Reserved, Span};
use murder_swarm::{Lengths, PieceSet, Time};

const CELL: u32 = 16 * 1024;
const ME: PeerId = PeerId([7; 20]);

/// A torrent of 8 pieces of 4 blocks.
struct Stage {
    torrent: Torrent,
    now: Time,
    lengths: Lengths,
}

impl Stage {
    fn leech() -> Self {
        Self::with(PieceSet::empty)
    }

    fn seed() -> Self {
        Self::with(PieceSet::full)
    }

    fn with(have: impl Fn(&Lengths) -> PieceSet) -> Self {
        Self::of(Lengths::new(u64::from(8 * 4 * CELL), 4 * CELL).unwrap(), have)
    }

    fn of(lengths: Lengths, have: impl Fn(&Lengths) -> PieceSet) -> Self {
        let torrent = Torrent::new(lengths, have(&lengths), ME, Config::default(), 1, Time::ZERO);
        Self { torrent, now: Time::ZERO, lengths }
    }

    fn connect(&mut self, number: u8, reserved: Reserved) -> ConnId {
        self.try_connect(number, reserved).unwrap()
    }

    /// A peer that says it is an agent like ourselves.
    fn connect_agent(&mut self, number: u8) -> ConnId {
        let conn = self.connect(number, Reserved::OURS);
        let murder = Some(Murder { block: 64 * 1024 });
        let handshake = ExtendedHandshake { murder, ..Default::default() };
        self.say(conn, Message::Extended { id: 0, payload: handshake.encode() });
        conn
    }

    fn try_connect(&mut self, number: u8, reserved: Reserved) -> Result<ConnId, Refused> {
        let link = Link {
            addr: addr(number),
            direction: Direction::Inbound,
            peer_id: PeerId([100 + number; 20]),
            reserved,
        };
        self.torrent.handle_connected(self.now, link)
    }

    /// Says something and returns what comes back.
    fn say(&mut self, conn: ConnId, message: Message) -> Vec<Output> {
        self.torrent.handle_message(self.now, conn, message);
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.torrent.poll_output()).collect()
    }

    fn pass(&mut self, span: Duration) -> Vec<Output> {
        let end = self.now + span;
        let mut outputs = Vec::new();
        while let Some(deadline) = self.torrent.poll_deadline()
            && deadline.at <= end
        {
            self.now = deadline.at.max(self.now);
            self.torrent.handle_timeout(self.now);
            outputs.extend(self.outputs());
        }
        self.now = end;
        outputs
    }

    /// A seed that has opened its gate; what it was asked for.
    fn open_seed(&mut self, number: u8) -> (ConnId, Vec<Span>) {
        let conn = self.connect(number, Reserved::OURS);
        self.say(conn, Message::HaveAll);
        let asked = requests(&self.say(conn, Message::Unchoke));
        (conn, asked)
    }

    /// Lets a peer answer requests until a piece is there; what is said then.
    fn fetch(&mut self, from: ConnId, asked: &mut Vec<Span>) -> (u32, Vec<Output>) {
        loop {
            let next = asked.remove(0);
            self.torrent.handle_block(self.now, from, next.index, next.begin, next.len);
            let outputs = self.outputs();
            asked.extend(requests(&outputs));
            let whole = |output: &Output| match output {
                Output::CheckPiece(piece) => Some(*piece),
                _ => None,
            };
            if let Some(piece) = outputs.iter().find_map(whole) {
                self.torrent.handle_piece_checked(self.now, piece, Check::Good);
                let outputs = self.outputs();
                asked.extend(requests(&outputs));
                return (piece.get(), outputs);
            }
        }
    }
}

fn addr(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 6881))
}

fn requests(outputs: &[Output]) -> Vec<Span> {
    let of = |output: &Output| match output {
        Output::Send { message: Message::Request(span), .. } => Some(*span),
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

fn said(outputs: &[Output]) -> Vec<Message> {
    let of = |output: &Output| match output {
        Output::Send { message, .. } => Some(message.clone()),
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

/// The pieces that a peer is told of.
fn heard(outputs: &[Output], by: ConnId) -> Vec<u32> {
    let of = |output: &Output| match output {
        Output::Send { conn, message: Message::Have(piece) } if *conn == by => Some(*piece),
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

fn goodbye(outputs: &[Output]) -> String {
    let of = |output: &Output| match output {
        Output::Disconnect { why, .. } => Some(why.to_string()),
        _ => None,
    };
    outputs.iter().find_map(of).expect("the connection is closed")
}

fn span(index: u32, begin: u32, len: u32) -> Span {
    Span { index, begin, len }
}

#[test]
fn a_peer_that_breaks_the_protocol_is_told_off_by_name_of_its_deed() {
    let cases: [(&str, &[Message]); 8] = [
        (
            "the peer sent a bitfield that does not fit the torrent",
            &[Message::Bitfield(vec![0, 0])],
        ),
        ("the peer spoke of piece 8, which does not exist", &[Message::Have(8)]),
        ("the peer spoke of piece 9, which does not exist", &[Message::SuggestPiece(9)]),
        ("the peer spoke of piece 10, which does not exist", &[Message::AllowedFast(10)]),
        (
            "the peer asked for 16384 bytes at 65536 of piece 1, which it can't have",
            &[Message::Request(span(1, 4 * CELL, CELL))],
        ),
        (
            "the peer asked for 0 bytes at 0 of piece 1, which it can't have",
            &[Message::Request(span(1, 0, 0))],
        ),
        (
            "the peer asked for 16384 bytes at 0 of piece 77, which it can't have",
            &[Message::Request(span(77, 0, CELL))],
        ),
        (
            "the peer sent an extension handshake (BEP 10) that can't be read",
            &[Message::Extended { id: 0, payload: b"nonsense".to_vec() }],
        ),
    ];
    for (text, messages) in cases {
        let mut stage = Stage::seed();
        let conn = stage.connect(1, Reserved::OURS);
        let outputs: Vec<_> =
            messages.iter().flat_map(|message| stage.say(conn, message.clone())).collect();
        assert_eq!(goodbye(&outputs), text);
    }
}

#[test]
fn a_bitfield_in_mid_stream_adds_to_what_the_peer_has() {
    let mut stage = Stage::leech();
    let conn = stage.connect(1, Reserved::OURS);
    stage.say(conn, Message::HaveNone);
    let interest = stage.say(conn, Message::Bitfield(vec![0b0100_0000]));
    assert!(said(&interest).contains(&Message::Interested));
    let asked = requests(&stage.say(conn, Message::Unchoke));
    assert!(!asked.is_empty() && asked.iter().all(|span| span.index == 1), "{asked:?}");
}

#[test]
fn the_fast_extension_is_only_for_who_has_said_so() {
    let mut stage = Stage::leech();
    let conn = stage.connect(1, Reserved::default());
    assert_eq!(
        goodbye(&stage.say(conn, Message::HaveAll)),
        "the peer used the fast extension (BEP 6) without having said so"
    );
}

#[test]
fn a_peer_may_not_have_any_number_of_requests_waiting() {
    let mut stage = Stage::seed();
    let conn = stage.connect(1, Reserved::OURS);
    stage.say(conn, Message::HaveNone);
    stage.say(conn, Message::Interested);
    let mut outputs = Vec::new();
    for _ in 0..600 {
        outputs.extend(stage.say(conn, Message::Request(span(1, 0, CELL))));
    }
    assert_eq!(goodbye(&outputs), "the peer has more than 512 requests waiting");
}

#[test]
fn blocks_that_nobody_asked_for_are_dropped_and_then_so_is_the_peer() {
    let mut stage = Stage::leech();
    let conn = stage.connect(1, Reserved::OURS);
    let mut outputs = Vec::new();
    for _ in 0..2000 {
        let used = stage.torrent.handle_block(stage.now, conn, 1, 0, CELL);
        assert_eq!(used, BlockUse::Discard);
        outputs.extend(stage.outputs());
    }
    assert_eq!(goodbye(&outputs), "the peer sent 16793600 bytes that nobody had asked for");
}

#[test]
fn a_seed_says_so_in_one_message_where_it_may_and_in_a_bitfield_elsewhere() {
    let mut stage = Stage::seed();
    stage.connect(1, Reserved::OURS);
    assert_eq!(said(&stage.outputs())[0], Message::HaveAll);
    stage.connect(2, Reserved::default());
    assert_eq!(said(&stage.outputs()), [Message::Bitfield(vec![0xff])]);
    let mut stage = Stage::leech();
    stage.connect(1, Reserved::OURS);
    assert_eq!(said(&stage.outputs())[0], Message::HaveNone);
    stage.connect(2, Reserved::default());
    assert_eq!(said(&stage.outputs()), []);
}

#[test]
fn a_choked_peer_gets_its_requests_rejected_one_by_one_or_dropped_without_the_extension() {
    for (reserved, rejected) in [(Reserved::OURS, 1), (Reserved::default(), 0)] {
        let mut stage = Stage::seed();
        let conn = stage.connect(1, reserved);
        stage.outputs();
        let answer = stage.say(conn, Message::Request(span(1, 0, CELL)));
        assert_eq!(answer.len(), rejected);
        if rejected == 1 {
            assert_eq!(said(&answer), [Message::RejectRequest(span(1, 0, CELL))]);
        }
    }
}

#[test]
fn a_cancelled_request_is_not_served_any_more() {
    let mut stage = Stage::seed();
    let conn = stage.connect(1, Reserved::OURS);
    stage.say(conn, Message::HaveNone);
    stage.say(conn, Message::Interested);
    for index in 0..3 {
        stage.say(conn, Message::Request(span(index, 0, 4 * CELL)));
    }
    let answer = stage.say(conn, Message::Cancel(span(2, 0, 4 * CELL)));
    assert_eq!(said(&answer), [Message::RejectRequest(span(2, 0, 4 * CELL))]);
}

#[test]
fn a_reject_while_the_gate_is_open_is_not_answered_by_the_same_request_at_once() {
    let mut stage = Stage::leech();
    let (conn, asked) = stage.open_seed(1);
    let answer = stage.say(conn, Message::RejectRequest(asked[0]));
    assert_eq!(requests(&answer), []);
    assert!(!requests(&stage.pass(Duration::from_secs(2))).is_empty());
}

#[test]
fn without_the_fast_extension_a_choke_means_that_everything_must_be_asked_again() {
    let mut stage = Stage::leech();
    let conn = stage.connect(1, Reserved::default());
    stage.say(conn, Message::Bitfield(vec![0xff]));
    let mut first = requests(&stage.say(conn, Message::Unchoke));
    assert!(!first.is_empty());
    stage.say(conn, Message::Choke);
    let mut again = requests(&stage.say(conn, Message::Unchoke));
    first.sort_unstable();
    again.sort_unstable();
    assert_eq!(again, first);
}

#[test]
fn a_piece_that_is_allowed_fast_is_asked_for_while_choked() {
    let mut stage = Stage::leech();
    let conn = stage.connect(1, Reserved::OURS);
    stage.say(conn, Message::HaveAll);
    let asked = requests(&stage.say(conn, Message::AllowedFast(5)));
    assert!(!asked.is_empty() && asked.iter().all(|span| span.index == 5));
}

#[test]
fn a_suggested_piece_is_fetched_first() {
    for index in 0..8 {
        let mut stage = Stage::leech();
        let conn = stage.connect(1, Reserved::OURS);
        stage.say(conn, Message::HaveAll);
        stage.say(conn, Message::SuggestPiece(index));
        let asked = requests(&stage.say(conn, Message::Unchoke));
        assert_eq!(asked[0].index, index);
    }
}

#[test]
fn a_seeder_suggests_to_each_peer_other_pieces() {
    let mut stage = Stage::seed();
    let mut suggested = Vec::new();
    for number in 1..=2 {
        let conn = stage.connect(number, Reserved::OURS);
        stage.say(conn, Message::HaveNone);
        for message in said(&stage.say(conn, Message::Interested)) {
            if let Message::SuggestPiece(index) = message {
                suggested.push(index);
            }
        }
    }
    suggested.sort_unstable();
    suggested.dedup();
    assert_eq!(suggested.len(), 4);
}

#[test]
fn who_alone_sent_a_bad_piece_may_not_come_back_from_any_port() {
    let mut stage = Stage::leech();
    let (conn, mut asked) = stage.open_seed(1);
    let mut outputs = Vec::new();
    while !outputs.iter().any(|output| matches!(output, Output::CheckPiece(_))) {
        let next = asked.remove(0);
        let used = stage.torrent.handle_block(stage.now, conn, next.index, next.begin, next.len);
        assert!(matches!(used, BlockUse::Keep(_)));
        outputs = stage.outputs();
        asked.extend(requests(&outputs));
    }
    let piece = outputs.iter().find_map(|output| match output {
        Output::CheckPiece(piece) => Some(*piece),
        _ => None,
    });
    stage.torrent.handle_piece_checked(stage.now, piece.unwrap(), Check::Bad);
    let why = DisconnectReason::BadPiece(piece.unwrap());
    assert!(stage.outputs().contains(&Output::Disconnect { conn, why }));
    assert!(
        goodbye(&[Output::Disconnect { conn, why }]).ends_with("with wrong bytes, and is banned")
    );
    assert_eq!(stage.try_connect(1, Reserved::OURS), Err(Refused::Banned));
    assert!(stage.try_connect(2, Reserved::OURS).is_ok());
}

#[test]
fn a_connection_to_oneself_or_twice_to_the_same_peer_is_refused() {
    let mut stage = Stage::leech();
    stage.connect(1, Reserved::OURS);
    assert_eq!(stage.try_connect(1, Reserved::OURS), Err(Refused::AlreadyConnected));
    let link = Link {
        addr: addr(9),
        direction: Direction::Outbound,
        peer_id: ME,
        reserved: Reserved::OURS,
    };
    assert_eq!(stage.torrent.handle_connected(stage.now, link), Err(Refused::Myself));
    stage.torrent.handle_candidates(stage.now, &[addr(9)]);
    assert!(!stage.outputs().contains(&Output::Dial(addr(9))));
}

#[test]
fn there_is_an_end_to_the_number_of_connections() {
    let mut stage = Stage::leech();
    for number in 1..=60 {
        stage.connect(number, Reserved::OURS);
    }
    let refused = stage.try_connect(61, Reserved::OURS).unwrap_err();
    assert_eq!(refused.to_string(), "there are 60 connections already");
}

#[test]
fn a_seed_drops_whoever_wants_nothing() {
    let mut stage = Stage::seed();
    let conn = stage.connect(1, Reserved::OURS);
    let handshake = ExtendedHandshake { wants: Wants::Nothing, ..Default::default() };
    let message = Message::Extended { id: 0, payload: handshake.encode() };
    assert_eq!(goodbye(&stage.say(conn, message)), "both sides have every piece");
}

#[test]
fn a_seed_does_not_dial_who_has_left_it_until_the_tracker_names_it_again() {
    let dials = |outputs: &[Output]| outputs.contains(&Output::Dial(addr(1)));
    let mut stage = Stage::seed();
    stage.torrent.handle_candidates(stage.now, &[addr(1)]);
    assert!(dials(&stage.outputs()));
    let (direction, peer_id) = (Direction::Outbound, PeerId([101; 20]));
    let link = Link { addr: addr(1), direction, peer_id, reserved: Reserved::OURS };
    let conn = stage.torrent.handle_connected(stage.now, link).unwrap();
    stage.torrent.handle_disconnected(stage.now, conn);
    assert!(!dials(&stage.pass(Duration::from_secs(600))));
    stage.torrent.handle_candidates(stage.now, &[addr(1)]);
    assert!(dials(&stage.outputs()));
}

#[test]
fn block_lengths_are_the_shorter_of_what_both_agents_serve() {
    let lengths = Lengths::new(64 << 20, 4 << 20).unwrap();
    let have = PieceSet::empty(&lengths);
    let mut stage = Stage::leech();
    stage.torrent = Torrent::new(lengths, have, ME, Config::default(), 1, Time::ZERO);
    let conn = stage.connect_agent(1);
    stage.say(conn, Message::HaveAll);
    let mut asked = requests(&stage.say(conn, Message::Unchoke));
    for _ in 0..1000 {
        stage.now = stage.now + Duration::from_micros(500);
        let next = asked.remove(0);
        stage.torrent.handle_block(stage.now, conn, next.index, next.begin, next.len);
        asked.extend(requests(&stage.outputs()));
    }
    assert!(asked.iter().all(|span| span.len <= 64 * 1024));
    assert!(asked.iter().any(|span| span.len == 64 * 1024));
}

#[test]
fn an_agent_that_waits_and_knows_of_another_piece_hears_of_new_ones_together() {
    let mut stage = Stage::leech();
    let agent = stage.connect_agent(1);
    let foreign = stage.connect(2, Reserved::OURS);
    let (seed, mut asked) = stage.open_seed(3);
    let (first, outputs) = stage.fetch(seed, &mut asked);
    assert_eq!((heard(&outputs, agent), heard(&outputs, foreign)), (vec![first], vec![first]));
    let mut later = Vec::new();
    for _ in 0..3 {
        let (piece, outputs) = stage.fetch(seed, &mut asked);
        assert_eq!((heard(&outputs, agent), heard(&outputs, foreign)), (vec![], vec![piece]));
        later.push(piece);
    }
    stage.say(agent, Message::Have(later.remove(1)));
    let outputs = stage.pass(Duration::from_millis(250));
    assert_eq!((heard(&outputs, agent), heard(&outputs, foreign)), (later, vec![]));
}

/// It counts copies, and would have to acknowledge a packet for each piece of each of its peers.
#[test]
fn a_seeder_hears_of_several_pieces_together() {
    let mut stage = Stage::leech();
    let seeder = stage.connect_agent(1);
    stage.say(seeder, Message::HaveAll);
    let (foreign, mut asked) = stage.open_seed(2);
    let mut pieces = Vec::new();
    for _ in 0..3 {
        let (piece, outputs) = stage.fetch(foreign, &mut asked);
        assert_eq!((heard(&outputs, seeder), heard(&outputs, foreign)), (vec![], vec![piece]));
        pieces.push(piece);
    }
    let outputs = stage.pass(Duration::from_millis(250));
    assert_eq!((heard(&outputs, seeder), heard(&outputs, foreign)), (pieces, vec![]));
}

#[test]
fn on_a_slow_link_an_agent_that_waits_hears_of_new_pieces_less_often() {
    let mut stage = Stage::of(Lengths::new(u64::from(200 * CELL), CELL).unwrap(), PieceSet::empty);
    let agent = stage.connect_agent(1);
    let (seed, mut asked) = stage.open_seed(3);
    let mut news = Vec::new();
    for _ in 0..120 {
        let at = stage.now;
        let outputs = stage.pass(Duration::from_millis(25));
        news.extend(heard(&outputs, agent).first().map(|_| at));
        stage.fetch(seed, &mut asked);
    }
    let pause = |at: usize| news[at + 1].since(news[at]);
    let (early, late) = (pause(1), pause(news.len() - 2));
    assert!((200..300).contains(&early.as_millis()), "{early:?}");
    // What 640 KiB a second bring of 512.
    assert!((700..900).contains(&late.as_millis()), "{late:?}");
}

#[test]
fn a_quiet_connection_is_kept_alive_and_one_that_stays_mute_is_dropped() {
    let mut stage = Stage::leech();
    let conn = stage.connect(1, Reserved::OURS);
    stage.outputs();
    let early = stage.pass(Duration::from_secs(120));
    assert!(early.contains(&Output::Send { conn, message: Message::KeepAlive }));
    let late = stage.pass(Duration::from_secs(120));
    assert_eq!(goodbye(&late), "nothing was heard of the peer for minutes");
}

#[test]
fn a_peer_that_does_not_read_what_it_asked_for_is_dropped() {
    let mut stage = Stage::seed();
    let conn = stage.connect(1, Reserved::OURS);
    stage.say(conn, Message::HaveNone);
    stage.say(conn, Message::Interested);
    stage.say(conn, Message::Request(span(1, 0, CELL)));
    let outputs = stage.pass(Duration::from_secs(30));
    assert_eq!(goodbye(&outputs), "the peer did not read what it had asked for");
}

#[test]
fn who_has_too_few_peers_asks_for_more_but_not_all_the_time() {
    let mut stage = Stage::leech();
    stage.torrent.handle_candidates(stage.now, &[addr(1)]);
    assert!(stage.outputs().contains(&Output::Dial(addr(1))));
    stage.torrent.handle_dial_failed(stage.now, addr(1));
    let outputs = stage.pass(Duration::from_secs(60));
    let asked = outputs.iter().filter(|output| **output == Output::WantPeers).count();
    let dialled = outputs.iter().filter(|output| **output == Output::Dial(addr(1))).count();
    assert!((3..=8).contains(&asked), "{asked}");
    assert_eq!(dialled, 1);
}

/// Nobody comes later who would be told of it, and with half as many neighbours it would get less.
#[test]
fn who_comes_last_asks_for_the_peers_that_it_lacks_after_a_while() {
    for (peers, asks) in [(10, [0, 1]), (29, [0, 1]), (30, [0, 0])] {
        let mut stage = Stage::leech();
        for number in 1..=peers {
            stage.connect(number, Reserved::OURS);
        }
        let mut asked = |span| {
            let outputs = stage.pass(Duration::from_millis(span));
            outputs.iter().filter(|output| **output == Output::WantPeers).count()
        };
        assert_eq!([asked(1900), asked(1000)], asks, "{peers} neighbours");
    }
}

#[test]
fn words_about_a_connection_that_is_gone_are_ignored() {
    let mut stage = Stage::leech();
    let (conn, asked) = stage.open_seed(1);
    stage.torrent.handle_disconnected(stage.now, conn);
    stage.outputs();
    stage.torrent.handle_disconnected(stage.now, conn);
    assert_eq!(stage.say(conn, Message::Unchoke), []);
    let Span { index, begin, len } = asked[0];
    let used = stage.torrent.handle_block(stage.now, conn, index, begin, len);
    assert_eq!(used, BlockUse::Discard);
    let block = stage.lengths.block(0, 0, CELL).unwrap();
    stage.torrent.handle_block_sent(stage.now, conn, block);
    stage.torrent.handle_piece_checked(stage.now, block.piece, Check::Good);
    assert!(stage.torrent.have().is_empty());
}
