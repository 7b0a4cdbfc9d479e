//! The seeder: it has the whole archive and serves it until it is stopped.
//!
//! Before it says that it is ready, the archive's length and a sample of its pieces are checked,
//! which tells any other archive; every piece is hashed afterwards while it serves already, and a
//! wrong one ends it with a failure. Peers check what they get in any case.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::{Role, SeedStart};
use murder_protocol::{Blame, Failure, Format, HostOutcome};
use murder_swarm::PieceSet;
use murder_swarm::metainfo::Metainfo;
use murder_swarm::torrent::Config;
use murder_swarm::wire::PeerId;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::job::JobFile;
use super::post::{EndSignals, Post, Standing, chance, load_torrent, runtime};
use crate::blamed::Blamed as _;
use crate::channel::{self, Channel, ChannelConfig, ChannelEvent, Have, Hello, Part};
use crate::detach::Started;
use crate::disk::{self, Archive, DiskError, Holes, Verify};
use crate::engine::{Engine, Event, Listener, Options};

/// What makes two seeders of a tag the same.
#[derive(Serialize)]
pub(crate) struct SeedJob<'a> {
    pub(crate) info_hash: String,
    pub(crate) request: &'a SeedStart,
}

/// Plays the role, from its request on stdin to its end.
pub(super) fn run() -> ExitCode {
    let (started, request) = match Started::receive::<SeedStart>() {
        Ok(both) => both,
        Err(error) => {
            eprintln!("murder-agent: the request can't be read: {error}");
            return ExitCode::from(2);
        }
    };
    let post = Post::take(Role::Seeder, &request.tag);
    match post.and_then(|post| Ok((post, runtime()?))) {
        Ok((post, runtime)) => runtime.block_on(play(started, &request, post)),
        Err(failure) => {
            started.failed(failure);
            ExitCode::FAILURE
        }
    }
}

async fn play(started: Started, request: &SeedStart, post: Post) -> ExitCode {
    post.outlast_panics();
    let seeder = match Seeder::prepare(request, &post).await {
        Ok(seeder) => seeder,
        Err(failure) => {
            post.log.line(format_args!("could not begin: {failure}"));
            started.failed(failure);
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = started.ready(&(), &post.log) {
        post.log.line(format_args!("could not let go of the parent: {error}"));
        return ExitCode::FAILURE;
    }
    seeder.serve(&post).await
}

struct Seeder {
    archive: Arc<Archive>,
    engine: Engine,
    engine_events: mpsc::UnboundedReceiver<Event>,
    channel: Channel,
    channel_events: mpsc::Receiver<ChannelEvent>,
    signals: EndSignals,
    hashing: Hashing,
}

/// The check of the whole archive, on a thread of its own.
struct Hashing {
    task: JoinHandle<Result<(), DiskError>>,
    progress: Arc<Verify>,
}

/// How serving ended.
enum End {
    Stopped(&'static str),
    Failed(Failure),
}

impl Seeder {
    async fn prepare(request: &SeedStart, post: &Post) -> Result<Self, Failure> {
        let SeedStart { tag, temp_path, reach, key } = request;
        let temp = temp_path.as_deref();
        let path = post.home.torrent(tag, temp).map_err(|error| error.failure())?;
        let metainfo = Arc::new(load_torrent(&path, tag).map_err(|error| error.failure())?);
        let files = post.home.files(tag, Format::of(metainfo.name()), temp);
        let path = files.map_err(|error| error.failure())?.archive;
        let archive = Archive::open(&path, metainfo.lengths()).map_err(|e| e.failure())?;
        disk::sample(&archive, &metainfo).map_err(|error| error.failure())?;
        let archive = Arc::new(archive);
        let listener =
            Listener::bind(reach.announce_ip, reach.peer_ports).map_err(|error| error.failure())?;
        let me = PeerId::ours(chance()?);
        let hello = Hello {
            part: Part::Seeder,
            host: reach.host.clone(),
            info_hash: metainfo.info_hash(),
            peer_id: me,
            port: listener.address().port(),
            announce_ip: reach.announce_ip,
            key: key.clone(),
            run: None,
            have: Have::Full,
        };
        let (engine, engine_events) = Engine::start(Options {
            metainfo: metainfo.clone(),
            archive: archive.clone(),
            have: PieceSet::full(&metainfo.lengths()),
            me,
            listener,
            config: Config::default(),
            seed: u64::from_ne_bytes(chance()?),
        });
        let signals = EndSignals::catch().map_err(|error| {
            Failure::new(Blame::Host, format!("could not catch signals: {error}"))
        })?;
        let config = ChannelConfig { trackers: reach.trackers.clone(), hello };
        let (channel, mut channel_events) = channel::connect(config);
        welcome(&mut channel_events, post).await?;
        let job = SeedJob { info_hash: metainfo.info_hash().to_string(), request };
        JobFile::new(&post.home, Role::Seeder, tag).write(&job).map_err(|error| {
            Failure::new(Blame::Host, format!("could not note what the seeder does: {error}"))
        })?;
        let hashing = Hashing::start(archive.clone(), metainfo);
        Ok(Self { archive, engine, engine_events, channel, channel_events, signals, hashing })
    }

    async fn serve(mut self, post: &Post) -> ExitCode {
        post.log.line(format_args!(
            "serving {} on {}",
            self.archive.path().display(),
            self.engine.address()
        ));
        let end = self.until_the_end(post).await;
        self.hashing.end();
        let outcome = match end {
            End::Stopped(why) => {
                post.log.line(why);
                HostOutcome::Skipped(why.to_owned())
            }
            End::Failed(failure) => {
                post.log.line(format_args!("failed: {failure}"));
                HostOutcome::Failed(failure)
            }
        };
        let failed = matches!(outcome, HostOutcome::Failed(_));
        self.channel.uploaded(self.engine.progress().uploaded);
        post.show(&Standing { outcome: Some(outcome), ..self.standing() });
        self.channel.close().await;
        self.engine.stop().await;
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    async fn until_the_end(&mut self, post: &Post) -> End {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut hashed = false;
        let mut shown = None;
        loop {
            let end = tokio::select! {
                () = self.signals.recv() => Some(End::Stopped("stopped by the operator")),
                Some(event) = self.channel_events.recv() => self.hear(event, post).await,
                Some(event) = self.engine_events.recv() => self.note(event, post),
                result = &mut self.hashing.task, if !hashed => {
                    hashed = true;
                    match result {
                        Ok(Ok(())) => None,
                        Ok(Err(error)) => Some(End::Failed(error.failure())),
                        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                    }
                }
                _ = tick.tick() => {
                    self.channel.uploaded(self.engine.progress().uploaded);
                    if shown.is_none_or(|at: Instant| at.elapsed() >= SHOW) {
                        shown = Some(Instant::now());
                        post.show(&self.standing());
                    }
                    None
                }
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    async fn hear(&self, event: ChannelEvent, post: &Post) -> Option<End> {
        match event {
            ChannelEvent::Connected { tracker, .. } => {
                post.log.line(format_args!("connected to the tracker {tracker}"));
            }
            ChannelEvent::Peers(peers) => self.engine.candidates(peers).await,
            ChannelEvent::Stop => return Some(End::Stopped("stopped through the tracker")),
            ChannelEvent::Refused(why) => {
                post.log.line(format_args!("refused by the tracker: {why}"));
            }
            ChannelEvent::Lost { since, why } => {
                post.log.line(format_args!("no tracker: {why}"));
                if since.elapsed() > LEASE {
                    return Some(End::Failed(
                        Failure::new(Blame::Network, format!("no tracker for hours: {why}"))
                            .hint("run start_tracker, then start_seeding"),
                    ));
                }
            }
            // It serves the next run as well.
            ChannelEvent::SwarmDone => self.channel.counted(self.engine.progress().uploaded),
            // For peers.
            ChannelEvent::OutcomeSeen => {}
        }
        None
    }

    fn note(&self, event: Event, post: &Post) -> Option<End> {
        match event {
            Event::WantPeers => self.channel.want_peers(),
            Event::Note(text) => post.log.line(text),
            Event::Verified(_) | Event::Complete => {}
            Event::Failed(error) => return Some(End::Failed(error.failure())),
        }
        None
    }

    fn standing(&self) -> Standing {
        let total = self.archive.lengths().total();
        Standing {
            bytes: total,
            total,
            uploaded: self.engine.progress().uploaded,
            address: Some(self.engine.address()),
            ..Standing::default()
        }
    }
}

impl Hashing {
    fn start(archive: Arc<Archive>, metainfo: Arc<Metainfo>) -> Self {
        let progress = Arc::new(Verify::default());
        let shared = progress.clone();
        let task = tokio::task::spawn_blocking(move || {
            let good = disk::verify(&archive, &metainfo, Holes::Read, &shared)?;
            let stopped = shared.stop.load(std::sync::atomic::Ordering::Relaxed);
            match archive.lengths().iter().find(|piece| !good.contains(*piece)) {
                Some(piece) if !stopped => {
                    Err(DiskError::Mismatch { path: archive.path().to_owned(), piece })
                }
                _ => Ok(()),
            }
        });
        Self { task, progress }
    }

    fn end(&self) {
        self.progress.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Waits until the tracker has let the seeder in.
async fn welcome(events: &mut mpsc::Receiver<ChannelEvent>, post: &Post) -> Result<(), Failure> {
    let mut last = "it did not answer".to_owned();
    let waiting = async {
        while let Some(event) = events.recv().await {
            match event {
                ChannelEvent::Connected { tracker, .. } => {
                    post.log.line(format_args!("connected to the tracker {tracker}"));
                    return Ok(());
                }
                ChannelEvent::Refused(why) => {
                    return Err(Failure::new(
                        Blame::Operator,
                        format!("the tracker refused the seeder: {why}"),
                    )
                    .hint("register the torrent with this tracker: run start_seeding again"));
                }
                ChannelEvent::Lost { why, .. } => last = why,
                _ => {}
            }
        }
        Err(Failure::new(Blame::Bug, "the channel to the tracker ended"))
    };
    match timeout(WELCOME, waiting).await {
        Ok(result) => result,
        Err(_) => {
            let seconds = WELCOME.as_secs();
            let message = format!("no tracker let the seeder in within {seconds} s: {last}");
            Err(Failure::new(Blame::Network, message)
                .hint("see that the tracker runs and that its port is open to this host"))
        }
    }
}

/// How long a seeder goes on without a tracker. Long, because it is what a restarted tracker
/// most needs to find again.
const LEASE: Duration = Duration::from_secs(4 * 3600);

/// How long to look for a tracker before the verb is told that there is none.
const WELCOME: Duration = Duration::from_secs(20);

/// How long the verb that starts a seeder waits for it: [`WELCOME`], and the sample of a cold disk.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// How often the upload is counted; the channel says it as often as the tracker wants it.
const TICK: Duration = Duration::from_millis(250);

/// How often the status file is written while nothing but numbers changes.
const SHOW: Duration = Duration::from_secs(5);
