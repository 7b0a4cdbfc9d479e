//! Addresses that could be dialled, and when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::Time;

/// What is known of each address.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    known: BTreeMap<SocketAddr, Candidate>,
    ready: VecDeque<SocketAddr>,
    later: BTreeSet<(Time, SocketAddr)>,
    dialling: BTreeSet<SocketAddr>,
    banned: BTreeSet<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    state: State,
    /// Failures in a row.
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Dialling,
    Connected,
    Later(Time),
    /// Forgotten at that time, unless it is heard of again.
    Gone(Time),
    Never,
}

/// How a connection to an address ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was of use.
    Useful,
    /// It was of no use, or there was none.
    Useless,
    /// There is nothing to be had there for a long time.
    Pointless,
    /// It needs nobody, or has left: not to be dialled unless the tracker names it again later.
    Done,
}

impl Candidates {
    /// Adds addresses that are new.
    pub(crate) fn add(&mut self, peers: &[SocketAddr]) {
        for addr in peers {
            let is_new = !self.known.contains_key(addr) && !self.banned.contains(&addr.ip());
            if self.known.len() < MOST && is_new {
                self.known.insert(*addr, Candidate { state: State::Ready, failures: 0 });
                self.ready.push_back(*addr);
            }
        }
    }

    /// Takes the next address to dial.
    pub(crate) fn next(&mut self, now: Time) -> Option<SocketAddr> {
        while let Some((at, addr)) = self.later.first().copied()
            && at <= now
        {
            if self.known.get(&addr).is_some_and(|known| known.state == State::Gone(at)) {
                self.known.remove(&addr);
                self.later.remove(&(at, addr));
                continue;
            }
            self.set(addr, State::Ready);
            self.ready.push_back(addr);
        }
        loop {
            let addr = self.ready.pop_front()?;
            if self.known.get(&addr).is_some_and(|known| known.state == State::Ready) {
                self.set(addr, State::Dialling);
                return Some(addr);
            }
        }
    }

    /// There is a connection to the peer that listens there.
    pub(crate) fn connected(&mut self, addr: SocketAddr) {
        if self.known.len() < MOST || self.known.contains_key(&addr) {
            self.set(addr, State::Connected);
        }
    }

    /// A seed's dial failed. Who lacks pieces dials seeds, so a few of them are enough.
    pub(crate) fn seed_failed(&mut self, now: Time, addr: SocketAddr, chance: &mut fastrand::Rng) {
        let failures = self.known.get(&addr).map_or(0, |known| known.failures);
        let how = if failures + 1 < ENOUGH { Ended::Useless } else { Ended::Done };
        self.ended(now, addr, how, chance);
    }

    /// There is no connection to it any more, or the dial failed.
    pub(crate) fn ended(
        &mut self,
        now: Time,
        addr: SocketAddr,
        how: Ended,
        chance: &mut fastrand::Rng,
    ) {
        let Some(known) = self.known.get_mut(&addr) else { return };
        if known.state == State::Never {
            return;
        }
        known.failures = if how == Ended::Useful { 0 } else { known.failures + 1 };
        let span = match how {
            Ended::Pointless | Ended::Done => LONGEST,
            _ => (FIRST * (1 << known.failures.min(8))).min(LONGEST),
        };
        // Half of it is chance, or everybody whom one peer lost would come back at once.
        let micros = span.as_micros() as u64;
        let at = now + Duration::from_micros(micros / 2 + chance.u64(..=micros / 2));
        self.set(addr, if how == Ended::Done { State::Gone(at) } else { State::Later(at) });
        self.later.insert((at, addr));
    }

    /// The address is never to be dialled again.
    pub(crate) fn never(&mut self, addr: SocketAddr) {
        self.set(addr, State::Never);
    }

    /// No address of this host is to be dialled again, whoever names it.
    pub(crate) fn ban(&mut self, host: IpAddr) {
        self.banned.insert(host);
        let banned: Vec<_> = self.known.keys().filter(|addr| addr.ip() == host).copied().collect();
        banned.into_iter().for_each(|addr| self.set(addr, State::Never));
    }

    /// How many dials are under way.
    pub(crate) fn dialling(&self) -> usize {
        self.dialling.len()
    }

    /// When the next address can be dialled again.
    pub(crate) fn next_at(&self) -> Option<Time> {
        self.later.first().map(|(at, _)| *at)
    }

    fn set(&mut self, addr: SocketAddr, state: State) {
        let new = Candidate { state, failures: 0 };
        let known = self.known.entry(addr).or_insert(new);
        if let State::Later(at) | State::Gone(at) = known.state {
            self.later.remove(&(at, addr));
        }
        known.state = state;
        match state {
            State::Dialling => self.dialling.insert(addr),
            _ => self.dialling.remove(&addr),
        };
    }
}

/// More addresses than this are not remembered. A tracker hands out some dozens at a time.
const MOST: usize = 2000;
/// How long an address rests after a connection that was of use.
const FIRST: Duration = Duration::from_millis(500);
/// How long an address rests at the most.
const LONGEST: Duration = Duration::from_secs(60);
/// How many failures in a row are enough for a seed.
const ENOUGH: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 6881))
    }

    fn chance() -> fastrand::Rng {
        fastrand::Rng::with_seed(1)
    }

    #[test]
    fn a_banned_host_is_not_dialled_when_the_tracker_names_it_later() {
        let mut candidates = Candidates::default();
        candidates.ban(addr(1).ip());
        candidates.add(&[addr(1), addr(2)]);
        assert_eq!(candidates.next(Time::ZERO), Some(addr(2)));
        assert_eq!(candidates.next(Time::ZERO), None);
    }

    #[test]
    fn an_address_is_dialled_once_at_a_time() {
        let mut candidates = Candidates::default();
        candidates.add(&[addr(1), addr(1)]);
        candidates.add(&[addr(1)]);
        assert_eq!(candidates.next(Time::ZERO), Some(addr(1)));
        assert_eq!((candidates.next(Time::ZERO), candidates.dialling()), (None, 1));
        candidates.connected(addr(1));
        assert_eq!((candidates.next(Time::ZERO), candidates.dialling()), (None, 0));
    }

    #[test]
    fn each_failure_doubles_the_rest() {
        let mut candidates = Candidates::default();
        candidates.add(&[addr(1)]);
        let mut now = Time::ZERO;
        let mut rests = Vec::new();
        for _ in 0..9 {
            candidates.next(now).unwrap();
            candidates.ended(now, addr(1), Ended::Useless, &mut chance());
            let at = candidates.next_at().unwrap();
            rests.push((at - now).as_millis());
            now = at;
        }
        assert!(rests[0] <= 1000 && rests.is_sorted() && rests[8] <= 60_000, "{rests:?}");
        assert!(rests[8] >= 30_000, "{rests:?}");
    }

    #[test]
    fn a_connection_that_was_of_use_is_soon_tried_again() {
        let mut candidates = Candidates::default();
        candidates.connected(addr(1));
        candidates.ended(Time::ZERO, addr(1), Ended::Useful, &mut chance());
        let soon = Time::ZERO + FIRST;
        assert_eq!(candidates.next(soon), Some(addr(1)));
    }

    #[test]
    fn one_that_is_done_is_forgotten_until_the_tracker_names_it_again_later() {
        let mut candidates = Candidates::default();
        candidates.connected(addr(1));
        candidates.ended(Time::ZERO, addr(1), Ended::Done, &mut chance());
        candidates.add(&[addr(1)]);
        let at = candidates.next_at().unwrap();
        assert!(at - Time::ZERO >= LONGEST / 2);
        assert_eq!((candidates.next(at), candidates.next_at()), (None, None));
        candidates.add(&[addr(1)]);
        assert_eq!(candidates.next(at), Some(addr(1)));
    }

    #[test]
    fn a_seed_dials_who_never_answers_three_times() {
        let mut candidates = Candidates::default();
        candidates.add(&[addr(1)]);
        let mut now = Time::ZERO;
        let mut dials = 0;
        while candidates.next(now).is_some() {
            dials += 1;
            candidates.seed_failed(now, addr(1), &mut chance());
            now = candidates.next_at().unwrap();
        }
        assert_eq!((dials, candidates.next_at()), (3, None));
    }

    #[test]
    fn a_banned_host_is_not_dialled_on_any_port() {
        let mut candidates = Candidates::default();
        let other = SocketAddr::new(addr(1).ip(), 7000);
        candidates.add(&[addr(1), other]);
        candidates.ban(addr(1).ip());
        candidates.ended(Time::ZERO, other, Ended::Useful, &mut chance());
        assert_eq!((candidates.next(Time::ZERO), candidates.next_at()), (None, None));
    }
}
