//! The task that owns the core: it moves inputs in and outputs out, and keeps the time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use murder_swarm::torrent::{BlockUse, Check, Config, ConnId, Output, Torrent};
use murder_swarm::wire::{Limits, Message, Span};
use murder_swarm::{Block, Time};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::buffers::{Buffer, Buffers};
use super::connection::{Connection, Shared};
use super::handle::{Event, Options, Progress};
use super::handshake::{Greeting, OpenError, Opened};
use super::writer::Outgoing;
use crate::blamed::chain;
use crate::disk::{Checker, Verdict};

/// Everything that can happen to the core but the passing of time.
#[derive(Debug)]
pub(super) enum Input {
    Candidates(Vec<SocketAddr>),
    DialFailed { addr: SocketAddr, why: OpenError },
    Opened(Box<Opened>),
    Message { conn: ConnId, message: Message },
    Block { conn: ConnId, span: Span, payload: Buffer },
    Sent { conn: ConnId, block: Block },
    Closed { conn: ConnId, why: String },
    Checked(Verdict),
    Stop,
}

/// The core and what it acts on.
///
/// Field order is drop order: the queue goes before the checker, whose threads might wait for
/// room in it while the checker waits for them.
pub(super) struct Drive {
    queue: mpsc::Receiver<Input>,
    torrent: Torrent,
    connections: BTreeMap<ConnId, Connection>,
    checker: Checker<Buffer>,
    shared: Shared,
    greeting: Greeting,
    local: Option<IpAddr>,
    /// Dials under way, and the task that listens.
    tasks: JoinSet<()>,
    events: mpsc::UnboundedSender<Event>,
    publish: watch::Sender<Progress>,
    began: Instant,
}

impl Drive {
    pub(super) fn new(
        options: Options,
        events: mpsc::UnboundedSender<Event>,
        publish: watch::Sender<Progress>,
    ) -> (Self, mpsc::Sender<Input>) {
        let Options { metainfo, archive, have, me, listener, config, seed } = options;
        let config = Config { listen_port: Some(listener.address().port()), ..config };
        let lengths = metainfo.lengths();
        let (inputs, queue) = mpsc::channel(QUEUE);
        let checked = inputs.clone();
        let checker = Checker::start(&archive, &metainfo, move |verdict| {
            // An engine that stopped needs none.
            let _ = checked.blocking_send(Input::Checked(verdict));
        });
        let greeting = Greeting { info_hash: metainfo.info_hash(), me };
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener.socket, greeting, inputs.clone()));
        let block = config.block;
        let torrent = Torrent::new(lengths, have, me, config, seed, Time::ZERO);
        let limits = Limits::new(&lengths, block);
        let buffers = Buffers::new(block as usize);
        let shared = Shared { archive, limits, buffers, inputs: inputs.clone() };
        let drive = Self {
            queue,
            torrent,
            connections: BTreeMap::new(),
            checker,
            shared,
            greeting,
            local: listener.local,
            tasks,
            events,
            publish,
            began: Instant::now(),
        };
        // Whoever asks before the task runs is told what was there from before.
        drive.publish();
        (drive, inputs)
    }

    /// Runs until it is told to stop, or the disk fails.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut flow = self.drain();
        while flow == Flow::Go {
            let due = self.torrent.poll_deadline().map(|deadline| self.instant(deadline.at));
            tokio::select! {
                _ = self.queue.recv_many(&mut batch, BATCH) => {
                    for input in batch.drain(..) {
                        if flow == Flow::Go {
                            flow = self.handle(input);
                        }
                    }
                }
                () = sleep_until(due.unwrap_or_else(far)), if due.is_some() => {
                    self.torrent.handle_timeout(self.now());
                    flow = self.drain();
                }
                Some(_) = self.tasks.join_next() => {}
            }
            self.publish();
        }
    }

    fn handle(&mut self, input: Input) -> Flow {
        let now = self.now();
        match input {
            Input::Candidates(peers) => self.torrent.handle_candidates(now, &peers),
            Input::DialFailed { addr, why } => {
                self.note(|| format!("dialled {addr}: {}", chain(&why)));
                self.torrent.handle_dial_failed(now, addr);
            }
            Input::Opened(opened) => self.opened(now, *opened),
            Input::Message { conn, message } if self.connections.contains_key(&conn) => {
                self.torrent.handle_message(now, conn, message);
            }
            Input::Block { conn, span, payload } => self.block(now, conn, span, payload),
            Input::Sent { conn, block } if self.connections.contains_key(&conn) => {
                self.torrent.handle_block_sent(now, conn, block);
            }
            // The core closed the connection before its last words were read.
            Input::Message { .. } | Input::Sent { .. } => {}
            Input::Closed { conn, why } => self.closed(now, conn, &why),
            Input::Checked(verdict) => {
                if let Flow::End = self.checked(now, verdict) {
                    return Flow::End;
                }
            }
            Input::Stop => return Flow::End,
        }
        self.drain()
    }

    fn opened(&mut self, now: Time, opened: Opened) {
        let Opened { stream, link } = opened;
        let addr = link.addr;
        match self.torrent.handle_connected(now, link) {
            Ok(conn) => {
                let connection = Connection::start(&self.shared, conn, addr, stream);
                self.connections.insert(conn, connection);
            }
            Err(refused) => self.note(|| format!("{addr}: refused: {refused}")),
        }
    }

    /// A connection has ended. The second of its two tasks that says so finds nothing.
    fn closed(&mut self, now: Time, conn: ConnId, why: &str) {
        if let Some(connection) = self.connections.remove(&conn) {
            self.note(|| format!("{}: {why}", connection.addr));
            self.torrent.handle_disconnected(now, conn);
        }
    }

    fn block(&mut self, now: Time, conn: ConnId, span: Span, payload: Buffer) {
        if self.connections.contains_key(&conn)
            && let BlockUse::Keep(block) =
                self.torrent.handle_block(now, conn, span.index, span.begin, span.len)
        {
            self.checker.write(block, payload);
        }
    }

    fn checked(&mut self, now: Time, verdict: Verdict) -> Flow {
        match verdict {
            Verdict::Good(piece) => {
                self.tell(Event::Verified(piece));
                self.torrent.handle_piece_checked(now, piece, Check::Good);
            }
            Verdict::Bad(piece) => {
                self.note(|| format!("piece {}: the hash is wrong", piece.get()));
                self.torrent.handle_piece_checked(now, piece, Check::Bad);
            }
            Verdict::Failed(error) => {
                let _ = self.events.send(Event::Failed(error));
                return Flow::End;
            }
        }
        Flow::Go
    }

    /// Does what the core wants, until it wants nothing more.
    fn drain(&mut self) -> Flow {
        while let Some(output) = self.torrent.poll_output() {
            match output {
                Output::Dial(addr) => self.dial(addr),
                Output::Send { conn, message } => self.send(conn, Outgoing::Message(message)),
                Output::SendBlock { conn, block } => self.send(conn, Outgoing::Block(block)),
                Output::CheckPiece(piece) => self.checker.check(piece),
                Output::Disconnect { conn, why } => {
                    if let Some(connection) = self.connections.remove(&conn) {
                        self.note(|| format!("{}: closed: {why}", connection.addr));
                    }
                }
                Output::WantPeers => self.tell(Event::WantPeers),
                Output::Complete => self.tell(Event::Complete),
            }
        }
        Flow::Go
    }

    fn dial(&mut self, addr: SocketAddr) {
        let (greeting, local, inputs) = (self.greeting, self.local, self.shared.inputs.clone());
        self.tasks.spawn(async move {
            let input = match greeting.dial(addr, local).await {
                Ok(opened) => Input::Opened(Box::new(opened)),
                Err(why) => Input::DialFailed { addr, why },
            };
            let _ = inputs.send(input).await;
        });
    }

    fn send(&mut self, conn: ConnId, outgoing: Outgoing) {
        let sent = self.connections.get(&conn).map(|connection| connection.send(outgoing));
        if let Some(Err(deaf)) = sent {
            self.closed(self.now(), conn, &deaf.to_string());
        }
    }

    fn publish(&self) {
        let totals = self.torrent.totals();
        let progress = Progress {
            have: totals.verified,
            uploaded: totals.uploaded,
            downloaded: totals.downloaded,
            wasted: totals.wasted,
            connections: self.connections.len(),
        };
        self.publish.send_if_modified(|shown| std::mem::replace(shown, progress) != progress);
    }

    fn note(&self, text: impl FnOnce() -> String) {
        self.tell(Event::Note(text()));
    }

    /// An owner that no longer listens is about to drop the engine.
    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn now(&self) -> Time {
        Time::ZERO + self.began.elapsed()
    }

    fn instant(&self, time: Time) -> Instant {
        self.began + (time - Time::ZERO)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Go,
    End,
}

/// Takes calls for ever. A caller's handshake holds one of a bounded number of places.
async fn listen(socket: TcpListener, greeting: Greeting, inputs: mpsc::Sender<Input>) {
    let places = Arc::new(Semaphore::new(GREETINGS));
    let mut answers = JoinSet::new();
    loop {
        let place = places.clone().acquire_owned().await.expect("it is never closed");
        while answers.try_join_next().is_some() {}
        let Ok((stream, addr)) = socket.accept().await else {
            // Out of file descriptors, most likely: callers try again, and so do we.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let inputs = inputs.clone();
        answers.spawn(async move {
            // Whoever does not get through the handshake is nobody to speak of.
            if let Ok(opened) = greeting.answer(stream, addr).await {
                let _ = inputs.send(Input::Opened(Box::new(opened))).await;
            }
            drop(place);
        });
    }
}

/// When nothing is due; the branch that waits for it is switched off.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// Inputs that may wait for the core's task: whoever brings one more waits too.
const QUEUE: usize = 256;

/// Inputs taken at once, so that time is asked for and progress shown once for many of them.
const BATCH: usize = 64;

/// Callers whose handshakes may be under way at once.
const GREETINGS: usize = 128;

/// How long to wait when the system gives no connection.
const PAUSE: Duration = Duration::from_millis(100);
