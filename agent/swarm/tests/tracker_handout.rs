//! The graph that a tracker makes of its members: connected, shallow, and nobody in it has many
//! more neighbours than others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};

use murder_swarm::Time;
use murder_swarm::tracker::{Announce, Config, Event, Store, Want};
use murder_swarm::wire::{InfoHash, PeerId};

const TORRENT: InfoHash = InfoHash([7; 20]);
const SEEDER: u32 = 0;

/// A swarm as its tracker paired it.
struct Graph {
    store: Store,
    edges: BTreeMap<u32, BTreeSet<u32>>,
}

impl Graph {
    /// A seeder, then so many peers, one after another.
    fn of_peers(peers: u32, seed: u64) -> Self {
        let mut store = Store::new(Config::default(), seed);
        store.register(TORRENT);
        let mut graph = Self { store, edges: BTreeMap::new() };
        (0..=peers).for_each(|n| graph.announce(n, Event::Started, Want::UpTo(50)));
        graph
    }

    fn announce(&mut self, n: u32, event: Event, want: Want) {
        let announce = Announce {
            info_hash: TORRENT,
            peer_id: id(n),
            addr: SocketAddr::new(Ipv4Addr::from_bits(0x0a00_0001 + n).into(), 6881),
            event,
            left: u64::from(n != SEEDER),
            want,
        };
        let answer = self.store.announce(Time::ZERO, &announce).unwrap();
        self.edges.entry(n).or_default();
        for peer in answer.peers {
            let other = number(&peer.peer_id);
            self.edges.entry(n).or_default().insert(other);
            self.edges.entry(other).or_default().insert(n);
        }
    }

    fn degree(&self, n: u32) -> usize {
        self.edges[&n].len()
    }

    fn degrees(&self) -> (usize, usize) {
        let degrees = || self.edges.values().map(BTreeSet::len);
        (degrees().min().unwrap(), degrees().max().unwrap())
    }

    /// Steps from the seeder to the member that is farthest away; `None` if not all can be reached.
    fn depth(&self) -> Option<usize> {
        let mut depths = BTreeMap::from([(SEEDER, 0)]);
        let mut queue = VecDeque::from([SEEDER]);
        while let Some(n) = queue.pop_front() {
            for other in &self.edges[&n] {
                if !depths.contains_key(other) {
                    depths.insert(*other, depths[&n] + 1);
                    queue.push_back(*other);
                }
            }
        }
        (depths.len() == self.edges.len()).then(|| depths.into_values().max().unwrap())
    }
}

fn id(n: u32) -> PeerId {
    // Spread, so that the order of names is not the order of joining.
    let mut id = [0; 20];
    id[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
    id[4..8].copy_from_slice(&n.to_be_bytes());
    PeerId(id)
}

fn number(id: &PeerId) -> u32 {
    u32::from_be_bytes([id.0[4], id.0[5], id.0[6], id.0[7]])
}

const SEEDS: std::ops::Range<u64> = 0..5;

#[test]
fn every_member_is_reached_in_few_steps() {
    for (peers, most) in [(1, 1), (2, 1), (16, 2), (64, 3), (1000, 5)] {
        for seed in SEEDS {
            let depth = Graph::of_peers(peers, seed).depth().expect("all can be reached");
            assert!(depth <= most, "{peers} peers, seed {seed}: {depth} steps");
        }
    }
}

#[test]
fn members_that_join_one_after_another_have_15_to_42_neighbours() {
    for peers in [16, 64, 1000] {
        for seed in SEEDS {
            let (least, most) = Graph::of_peers(peers, seed).degrees();
            assert!(least >= 15 && most <= 42, "{peers} peers, seed {seed}: {least} to {most}");
        }
    }
}

#[test]
fn members_that_announce_again_have_30_to_42_neighbours() {
    for seed in SEEDS {
        let mut graph = Graph::of_peers(1000, seed);
        for n in 0..=1000 {
            graph.announce(n, Event::Regular, Want::UpTo(50));
        }
        let (least, most) = graph.degrees();
        assert!(least >= 30 && most <= 42, "seed {seed}: {least} to {most}");
        let before = graph.edges.clone();
        (0..=1000).for_each(|n| graph.announce(n, Event::Regular, Want::UpTo(50)));
        assert!(graph.edges == before, "seed {seed}: who has enough is given nobody new");
    }
}

#[test]
fn members_that_ask_for_fresh_ones_are_given_those_that_they_lack() {
    for peers in [64, 1000] {
        for seed in SEEDS {
            let mut graph = Graph::of_peers(peers, seed);
            for n in 0..=peers {
                if graph.degree(n) < 30 {
                    graph.announce(n, Event::Regular, Want::Fresh(16));
                    assert_eq!(graph.degree(n), 30, "{peers} peers, seed {seed}: member {n}");
                }
            }
            let (_, most) = graph.degrees();
            assert!(most <= 42, "{peers} peers, seed {seed}: {most}");
        }
    }
}

#[test]
fn the_seeder_has_no_more_neighbours_than_others() {
    for peers in [64, 1000] {
        for seed in SEEDS {
            let degree = Graph::of_peers(peers, seed).degree(SEEDER);
            assert!((15..=42).contains(&degree), "{peers} peers, seed {seed}: {degree}");
        }
    }
}

#[test]
fn all_peers_that_begin_at_once_before_the_seeder_still_reach_it() {
    for seed in SEEDS {
        let mut store = Store::new(Config::default(), seed);
        store.register(TORRENT);
        let mut graph = Graph { store, edges: BTreeMap::new() };
        (1..=1000).for_each(|n| graph.announce(n, Event::Started, Want::UpTo(50)));
        graph.announce(SEEDER, Event::Started, Want::UpTo(50));
        assert!(graph.depth().is_some_and(|depth| depth <= 5), "seed {seed}");
        assert_eq!(graph.degree(SEEDER), 15);
    }
}

#[test]
fn members_that_ask_for_fresh_peers_again_and_again_take_nobody_far_over_the_limit() {
    for seed in SEEDS {
        let mut graph = Graph::of_peers(200, seed);
        for round in 0..3 {
            (0..=200).for_each(|n| graph.announce(n, Event::Regular, Want::Fresh(8)));
            assert!(graph.depth().is_some(), "round {round}");
        }
        let (least, most) = graph.degrees();
        assert!(least >= 54 && most <= 96, "seed {seed}: {least} to {most}");
    }
}

#[test]
fn a_late_member_is_never_locked_out() {
    let mut graph = Graph::of_peers(30, 1);
    for _ in 0..4 {
        (0..=30).for_each(|n| graph.announce(n, Event::Regular, Want::Fresh(16)));
    }
    graph.announce(31, Event::Started, Want::UpTo(50));
    assert!(graph.degree(31) >= 4, "{}", graph.degree(31));
}

/// Who joins first has few to be told of, and asks at once for more. That must not fill them up
/// among themselves, with everybody else in a chain behind them.
#[test]
fn members_that_ask_for_more_while_others_join_make_no_chain() {
    for seed in SEEDS {
        let mut graph = Graph::of_peers(20, seed);
        for n in 21..=1000 {
            graph.announce(n, Event::Started, Want::UpTo(50));
            if n % 4 == 0 {
                graph.announce(n, Event::Regular, Want::Fresh(16));
            }
        }
        let depth = graph.depth().expect("all can be reached");
        assert!(depth <= 5, "seed {seed}: {depth} steps");
    }
}

#[test]
fn the_same_seed_gives_the_same_graph() {
    assert!(Graph::of_peers(100, 5).edges == Graph::of_peers(100, 5).edges);
    assert!(Graph::of_peers(100, 5).edges != Graph::of_peers(100, 6).edges);
}
