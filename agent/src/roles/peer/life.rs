//! The loop of a peer: from the job to the outcome, and on until nobody needs it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use murder_protocol::verbs::{PeerStart, Role};
use murder_protocol::{Blame, Failure, HostOutcome, HostReport, Phase};
use murder_swarm::metainfo::{About, Metainfo};
use murder_swarm::torrent::Config;
use murder_swarm::wire::PeerId;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::super::post::{EndSignals, Post, Standing};
use super::prepare::Prepared;
use super::stage::{Fated, InPlace, Place, Placing, Stage, Verified};
use super::terms::{Serves, Terms};
use crate::archive::Reading;
use crate::blamed::Blamed as _;
use crate::channel::{self, Channel, ChannelConfig, ChannelEvent, Have, Hello, Part};
use crate::disk::Verify;
use crate::engine::{Engine, Event, Listener, Options, Progress};
use crate::home::ArchiveFiles;
use crate::lock;
use crate::log::Log;
use crate::place::Placement;
use crate::release::Arrival;

/// A peer that has its job.
pub(super) struct Life {
    request: PeerStart,
    post: Post,
    terms: Terms,
    metainfo: Arc<Metainfo>,
    address: SocketAddr,
    channel: Channel,
    channel_events: mpsc::Receiver<ChannelEvent>,
    signals: EndSignals,
    stage: Stage,
    control: Arc<Verify>,
    /// The tree on its way, from the first piece on.
    placing: Option<Placing>,
    /// It was told to stop in the moment in which the tree appears.
    goes: Option<Serves>,
    /// Whom it serves once the tree is in place.
    serves: Serves,
    /// What the engine will need.
    unused: Option<Unused>,
    /// What putting in place will need.
    target: Option<Target>,
    /// Addresses that came before the engine.
    early: Vec<SocketAddr>,
    engine: Option<Engine>,
    engine_events: Option<mpsc::UnboundedReceiver<Event>>,
    /// The engine's last numbers, which outlive it.
    progress: Progress,
    phase: Phase,
    outcome: Option<HostOutcome>,
    welcomed: Welcomed,
    shown: Option<(Instant, Phase)>,
}

struct Unused {
    me: PeerId,
    seed: u64,
    listener: Listener,
}

struct Target {
    names: ArchiveFiles,
    about: About,
    placement: Placement,
    arrival: Option<Arrival>,
}

/// Whether a tracker ever let the peer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Welcomed {
    NotYet,
    Once,
}

impl Life {
    /// Starts to talk to the tracker and to look at what is on disk.
    pub(super) fn begin(request: PeerStart, prepared: Prepared, post: Post) -> Self {
        let Prepared { metainfo, about, placement, arrival, source, .. } = prepared;
        let Prepared { names, listener, me, seed, signals, .. } = prepared;
        let address = listener.address();
        let hello = Hello {
            part: Part::Peer,
            host: request.reach.host.clone(),
            info_hash: metainfo.info_hash(),
            peer_id: me,
            port: address.port(),
            announce_ip: request.reach.announce_ip,
            key: request.key.clone(),
            run: Some(request.run.clone()),
            have: Have::Partial,
        };
        let trackers = request.reach.trackers.clone();
        let (channel, channel_events) = channel::connect(ChannelConfig { trackers, hello });
        let control = Arc::new(Verify::default());
        let stage = Stage::verify(source, names.clone(), metainfo.clone(), control.clone());
        Self {
            terms: Terms::new(&request, Instant::now()),
            request,
            post,
            metainfo,
            address,
            channel,
            channel_events,
            signals,
            stage,
            control,
            placing: None,
            goes: None,
            serves: Serves::Others,
            unused: Some(Unused { me, seed, listener }),
            target: Some(Target { names, about, placement, arrival }),
            early: Vec::new(),
            engine: None,
            engine_events: None,
            progress: Progress::default(),
            phase: Phase::Starting,
            outcome: None,
            welcomed: Welcomed::NotYet,
            shown: None,
        }
    }

    pub(super) fn log(&self) -> &Log {
        &self.post.log
    }

    /// Lives until it may go. The exit status says whether the tree is in place.
    pub(super) async fn run(mut self) -> ExitCode {
        self.log().line(format_args!(
            "fetching {} for run {} to {}, on {}",
            self.request.tag, self.request.run, self.request.destination.path, self.address
        ));
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.terms.may_go(Instant::now()) {
            tokio::select! {
                () = self.signals.recv() => self.told_to_go("stopped by the operator"),
                Some(event) = self.channel_events.recv() => self.hear(event).await,
                Some(event) = next(&mut self.engine_events) => self.note(event),
                verified = self.stage.verified() => self.verified(verified).await,
                placed = end(&mut self.placing) => self.placed(placed),
                _ = tick.tick() => self.tick(),
            }
        }
        self.leave().await
    }

    async fn leave(mut self) -> ExitCode {
        self.show();
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
        let outcome = self.outcome.clone();
        self.post.show(&Standing { outcome: outcome.clone(), ..self.standing() });
        if let Some(placing) = &mut self.placing {
            // What it leaves when it takes longer is found and removed by the next run.
            let _ = timeout(TIDYING, placing.end()).await;
        }
        self.log().line("ended");
        self.channel.close().await;
        match outcome {
            Some(HostOutcome::Ok) => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }

    async fn hear(&mut self, event: ChannelEvent) {
        match event {
            ChannelEvent::Connected { tracker, .. } => {
                self.log().line(format_args!("connected to the tracker {tracker}"));
                self.welcomed = Welcomed::Once;
                self.terms.found();
                self.set_phase();
            }
            ChannelEvent::Peers(peers) => match &self.engine {
                Some(engine) => engine.candidates(peers).await,
                None => self.early.extend(peers),
            },
            ChannelEvent::OutcomeSeen => self.terms.outcome_seen(),
            ChannelEvent::SwarmDone => self.terms.swarm_done(),
            ChannelEvent::Stop => self.told_to_go("stopped through the tracker"),
            ChannelEvent::Refused(why) => self.refused(&why),
            ChannelEvent::Lost { since, why } => {
                self.log().line(format_args!("no tracker: {why}"));
                self.terms.lost(since, why);
            }
        }
    }

    fn refused(&mut self, why: &str) {
        self.log().line(format_args!("refused by the tracker: {why}"));
        if self.outcome.is_some() {
            // It has forgotten the run, so nobody waits for this peer.
            self.terms.outcome_seen();
            self.terms.swarm_done();
        } else if self.welcomed == Welcomed::NotYet {
            let failure = Failure::new(Blame::Operator, format!("the tracker refused: {why}"));
            self.give_up(failure.hint("run peer again"), Serves::Nobody);
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::WantPeers => self.channel.want_peers(),
            Event::Note(text) => self.log().line(text),
            Event::Verified(piece) => {
                if let Some(placing) = &self.placing {
                    placing.arrived(piece);
                }
            }
            Event::Complete => self.extract(),
            Event::Failed(error) => self.give_up(error.failure(), Serves::Nobody),
        }
    }

    async fn verified(&mut self, verified: Result<Verified, Failure>) {
        match verified {
            Ok(verified) => self.download(verified).await,
            Err(failure) => self.end(HostOutcome::Failed(failure), Serves::Nobody),
        }
    }

    fn placed(&mut self, placed: Result<InPlace, Failure>) {
        self.placing = None;
        match placed {
            Ok(InPlace { placed, reading }) => {
                if matches!(self.stage, Stage::Downloading) {
                    // A small tree can be there before the engine's word that it is complete.
                    self.extract();
                }
                if reading == Reading::InOrder {
                    self.log().line("unpacked in order: no index of the torrent fits the archive");
                }
                if let Some(path) = placed.left_over {
                    self.log().line(format_args!("{} could not be removed", path.display()));
                }
                self.end(HostOutcome::Ok, self.serves);
                if let Some(serves) = self.goes {
                    self.terms.ended(serves, Instant::now());
                }
            }
            Err(failure) => self.end(HostOutcome::Failed(failure), Serves::Nobody),
        }
    }

    async fn download(&mut self, verified: Verified) {
        let Verified { archive, have, named } = verified;
        let full = have.is_full();
        if !have.is_empty() {
            let (found, all) = (have.len(), self.metainfo.lengths().pieces());
            self.log().line(format_args!("{found} of {all} pieces were there already"));
        }
        let unused = self.unused.take().expect("verifying is done once");
        if full && self.seeder_is_here() {
            self.log().line("the seeder on this host serves it, so this peer does not");
            self.serves = Serves::Nobody;
        } else {
            let (engine, events) = Engine::start(Options {
                metainfo: self.metainfo.clone(),
                archive: archive.clone(),
                have: have.clone(),
                me: unused.me,
                listener: unused.listener,
                config: Config::default(),
                seed: unused.seed,
            });
            engine.candidates(std::mem::take(&mut self.early)).await;
            self.engine = Some(engine);
            self.engine_events = Some(events);
        }
        if let Some(Target { names, about, placement, arrival }) = self.target.take() {
            let (metainfo, keep_owner) =
                (self.metainfo.clone(), self.request.destination.keep_owner);
            let place =
                Place { archive, named, names, metainfo, about, placement, keep_owner, arrival };
            self.placing = Some(Placing::start(place, have));
        }
        self.stage = Stage::Downloading;
        match full {
            true => self.extract(),
            false => self.set_phase(),
        }
    }

    /// Two of them would send the same pieces twice over one uplink.
    fn seeder_is_here(&self) -> bool {
        lock::holder(&self.post.home, Role::Seeder, Some(&self.request.tag)).is_some()
    }

    fn extract(&mut self) {
        if self.outcome.is_none() {
            self.log().line("every piece is here");
            self.stage = Stage::Extracting;
            self.set_phase();
        }
    }

    fn told_to_go(&mut self, why: &str) {
        if self.outcome.is_some() {
            self.log().line(why);
            self.terms.ended(Serves::Leaving, Instant::now());
            self.terms.outcome_seen();
            return;
        }
        let failure = Failure::new(Blame::Operator, why)
            .hint("run peer again to go on, what is there already is not fetched twice");
        self.give_up(failure, Serves::Leaving);
    }

    /// Ends in failure, but not while the tree appears.
    fn give_up(&mut self, failure: Failure, serves: Serves) {
        match self.placing.as_ref().map(Placing::stop) {
            Some(Fated::Appears) => self.goes = Some(serves),
            Some(Fated::Stopped) | None => self.end(HostOutcome::Failed(failure), serves),
        }
    }

    /// The one place where a peer gets its outcome.
    fn end(&mut self, outcome: HostOutcome, serves: Serves) {
        if self.outcome.is_some() {
            return;
        }
        match &outcome {
            HostOutcome::Ok => self.log().line("the tree is in place"),
            HostOutcome::Failed(failure) => self.log().line(format_args!("failed: {failure}")),
            HostOutcome::Skipped(why) => self.log().line(format_args!("skipped: {why}")),
        }
        self.outcome = Some(outcome);
        self.terms.ended(serves, Instant::now());
        if serves != Serves::Others {
            self.count();
            // Dropping it frees its port and its files.
            self.engine = None;
            self.engine_events = None;
        }
        self.control.stop.store(true, Ordering::Relaxed);
        self.stage = Stage::Over;
        self.set_phase();
        self.show();
    }

    fn tick(&mut self) {
        self.count();
        let now = Instant::now();
        self.terms.has(self.bytes(), now);
        if self.outcome.is_none()
            && self.goes.is_none()
            && let Some(failure) = self.terms.expired(self.total(), now)
        {
            self.give_up(failure, Serves::Nobody);
        }
        self.report();
        if self.shown.is_none_or(|(at, phase)| phase != self.phase || at.elapsed() >= SHOW) {
            self.show();
        }
    }

    fn set_phase(&mut self) {
        let phase = match (&self.outcome, &self.stage, self.welcomed) {
            (Some(HostOutcome::Ok), ..) => Phase::Done,
            (Some(_), ..) => Phase::Failed,
            (None, Stage::Extracting, _) => Phase::Extracting,
            (None, _, Welcomed::NotYet) => Phase::Starting,
            (None, Stage::Verifying(_), _) => Phase::Verifying,
            (None, ..) => Phase::Downloading,
        };
        if self.phase != phase {
            self.phase = phase;
            self.report();
        }
    }

    fn count(&mut self) {
        if let Some(engine) = &self.engine {
            self.progress = engine.progress();
        }
    }

    fn report(&self) {
        self.channel.report(HostReport {
            host: self.request.reach.host.clone(),
            phase: self.phase,
            bytes: self.bytes(),
            total: self.total(),
            uploaded: self.progress.uploaded,
            downloaded: self.progress.downloaded,
            elapsed_ms: u64::try_from(self.terms.elapsed(Instant::now()).as_millis())
                .unwrap_or(u64::MAX),
            outcome: self.outcome.clone(),
        });
    }

    fn show(&mut self) {
        self.shown = Some((Instant::now(), self.phase));
        self.post.show_running(&self.standing());
    }

    fn standing(&self) -> Standing {
        Standing {
            phase: Some(self.phase),
            bytes: self.bytes(),
            total: self.total(),
            uploaded: self.progress.uploaded,
            outcome: self.outcome.clone(),
            address: Some(self.address),
        }
    }

    fn bytes(&self) -> u64 {
        match self.stage {
            Stage::Verifying(_) => self.control.good.load(Ordering::Relaxed),
            Stage::Extracting => self.total(),
            Stage::Over if self.outcome == Some(HostOutcome::Ok) => self.total(),
            Stage::Downloading | Stage::Over => self.progress.have,
        }
    }

    fn total(&self) -> u64 {
        self.metainfo.lengths().total()
    }
}

async fn end(placing: &mut Option<Placing>) -> Result<InPlace, Failure> {
    match placing {
        Some(placing) => placing.end().await,
        None => std::future::pending().await,
    }
}

async fn next(events: &mut Option<mpsc::UnboundedReceiver<Event>>) -> Option<Event> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

/// How often numbers are looked at; the channel says them as often as the tracker wants them.
const TICK: Duration = Duration::from_millis(200);

/// How long one that goes waits until what it has unpacked in vain is removed.
const TIDYING: Duration = Duration::from_secs(5);

/// How often the status file is written while nothing but numbers changes.
const SHOW: Duration = Duration::from_secs(5);
