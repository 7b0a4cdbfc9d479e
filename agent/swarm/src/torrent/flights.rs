//! The blocks that one peer was asked for.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{Block, Time};

/// Requests to one peer, oldest first.
#[derive(Debug, Default)]
pub(super) struct Flights {
    requests: VecDeque<Request>,
    /// How many of them are counted on.
    counted: usize,
    /// Bytes of those.
    bytes: u64,
}

/// One block that a peer was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) block: Block,
    pub(super) asked: Time,
    /// When it should be here at the peer's rate.
    expected: Time,
    /// When it is no longer counted on.
    deadline: Time,
    pub(super) state: State,
    /// Another peer was asked too.
    again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is counted on.
    Asked,
    /// Its deadline has passed; it is still of use if it comes.
    Late,
    /// It was taken back, but may be on its way.
    Cancelled,
}

impl Flights {
    /// A block was asked for, and should take so long.
    pub(super) fn push(&mut self, now: Time, block: Block, span: Duration) {
        self.counted += 1;
        self.bytes += u64::from(block.len);
        self.requests.push_back(Request {
            block,
            asked: now,
            expected: now + span,
            deadline: now + span * PATIENCE + GRACE,
            state: State::Asked,
            again: false,
        });
    }

    /// Takes the request that a block answers.
    pub(super) fn answer(&mut self, block: Block) -> Option<Request> {
        // A block that was called off and asked for again is here twice.
        let wanted =
            |request: &Request| request.block == block && request.state != State::Cancelled;
        let any = |request: &Request| request.block == block;
        let mut requests = self.requests.iter();
        let at = requests.position(wanted).or_else(|| self.requests.iter().position(any))?;
        let request = self.requests.remove(at)?;
        self.uncount(&request);
        Some(request)
    }

    /// Takes every request.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Request> + use<> {
        self.counted = 0;
        self.bytes = 0;
        std::mem::take(&mut self.requests).into_iter()
    }

    /// Calls off what overlaps the block; says what has to be cancelled on the wire.
    pub(super) fn cancel(&mut self, useless: impl Fn(Block) -> bool) -> Vec<Request> {
        let mut cancelled = Vec::new();
        for request in &mut self.requests {
            if request.state != State::Cancelled && useless(request.block) {
                if request.state == State::Asked {
                    self.counted -= 1;
                    self.bytes -= u64::from(request.block.len);
                }
                cancelled.push(*request);
                request.state = State::Cancelled;
            }
        }
        cancelled
    }

    /// The blocks that are no longer counted on as of this time.
    pub(super) fn expire(&mut self, now: Time) -> Vec<Block> {
        let mut late = Vec::new();
        for request in &mut self.requests {
            if request.state == State::Asked && request.deadline <= now {
                request.state = State::Late;
                self.counted -= 1;
                self.bytes -= u64::from(request.block.len);
                late.push(request.block);
            }
        }
        late
    }

    /// Forgets cancelled requests that were never answered.
    pub(super) fn forget(&mut self, before: Time) {
        self.requests.retain(|request| {
            request.state != State::Cancelled || request.deadline + FORGET > before
        });
    }

    /// The blocks that should be here by now and that nobody else was asked for.
    pub(super) fn overdue(&self, now: Time) -> impl Iterator<Item = Block> {
        let overdue = move |request: &&Request| {
            request.state == State::Asked && !request.again && request.is_overdue(now)
        };
        self.requests.iter().filter(overdue).map(|request| request.block)
    }

    /// Another peer was asked for the block too.
    pub(super) fn mark_again(&mut self, block: Block) {
        for request in self.requests.iter_mut().filter(|request| request.block == block) {
            request.again = true;
        }
    }

    /// Whether the peer has answered everything.
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Bytes that are counted on.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many requests are counted on.
    pub(super) fn len(&self) -> usize {
        self.counted
    }

    /// Whether nothing is counted on.
    pub(super) fn is_idle(&self) -> bool {
        self.counted == 0
    }

    /// Whether the peer owes us something that is late.
    pub(super) fn is_late(&self) -> bool {
        self.requests.iter().any(|request| request.state == State::Late)
    }

    /// Since when the peer has owed us something.
    pub(super) fn owes_since(&self) -> Option<Time> {
        let owed = |request: &&Request| request.state != State::Cancelled;
        self.requests.iter().find(owed).map(|request| request.asked)
    }

    fn uncount(&mut self, request: &Request) {
        if request.state == State::Asked {
            self.counted -= 1;
            self.bytes -= u64::from(request.block.len);
        }
    }
}

impl Request {
    /// Whether nobody else may be asked for it, so far.
    pub(super) fn is_counted_on(&self) -> bool {
        self.state == State::Asked
    }

    fn is_overdue(&self, now: Time) -> bool {
        now > self.expected + self.expected.since(self.asked) / 2 + HURRY
    }
}

/// A request may take so many times as long as the peer's rate says.
const PATIENCE: u32 = 3;
/// What a request may take beyond that: a lost packet costs a retransmission timeout, which
/// RFC 6298 has begin at a second.
const GRACE: Duration = Duration::from_secs(1);
/// How late a block is until, with nothing else to ask for, another peer is asked too.
const HURRY: Duration = Duration::from_millis(100);
/// How long a block that was cancelled may still be on its way.
const FORGET: Duration = Duration::from_secs(30);
