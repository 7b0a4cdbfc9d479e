//! The tracker's administrative socket, `run/tracker.sock`: how verbs on its host reach it. Only
//! the host's user can open it, since it is in a folder of mode 0700.
//!
//! One line with an [`AdminRequest`], then the frames of the verb, as they go to the workstation.

use std::io;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::verbs::{
    HandOut, NoEvent, RegisterReply, ReleaseOut, RunList, RunListReply, RunOpen, RunReply,
    SwitchOut, TorrentRegister, TrackerReply, WarmExpect, WarmExpected, WarmForget, WarmForgotten,
    Watch, WatchInput, WatchReply,
};
use murder_protocol::{Blame, Failure, FleetEvent, Frame, encode};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::desk::Chance;
use super::run::{Came, Watcher};
use super::shared::Shared;
use super::{keys, orders};
use crate::channel::LineReader;
use crate::home::Home;

/// What a verb asks the running tracker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminRequest {
    /// Where it is.
    Where,
    /// To answer for a torrent.
    Register(TorrentRegister),
    /// To open a run.
    Open(RunOpen),
    /// Which runs it remembers.
    List(RunList),
    /// To expect agents that wait.
    Expect(WarmExpect),
    /// To expect them no more.
    Forget(WarmForget),
    /// To give agents that wait their jobs.
    HandOut(HandOut),
    /// To give them orders about releases.
    ReleaseOut(ReleaseOut),
    /// To tell them to switch.
    SwitchOut(SwitchOut),
    /// To follow a run. [`WatchInput`] lines may follow.
    Watch(Watch),
    /// To follow it again, after the tracker was killed.
    WatchAgain(Watch),
}

/// The folder of the socket, and a path to it that is short enough for the kernel however deep
/// the folder is (a socket's address has 108 bytes). The path works while the folder is open.
pub(super) fn short_path(home: &Home) -> io::Result<(std::fs::File, PathBuf)> {
    let folder = std::fs::File::open(home.run())?;
    let name = home.socket();
    let name = name.file_name().unwrap_or_default();
    let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    Ok((folder, path))
}

/// Opens the socket in place of one that a killed tracker left. The caller holds the role's lock.
pub(super) fn listen(home: &Home) -> io::Result<UnixListener> {
    let (_folder, path) = short_path(home)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

/// Answers verbs for ever.
pub(super) async fn serve(shared: Arc<Shared>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(answer(Arc::clone(&shared), stream));
            }
            Err(error) => {
                shared.log.line(format_args!("could not take a verb: {error}"));
                sleep(AFTER_ERROR).await;
            }
        }
    }
}

async fn answer(shared: Arc<Shared>, stream: UnixStream) {
    let (read, mut write) = stream.into_split();
    let mut lines = LineReader::new(read, Vec::new(), LONGEST_REQUEST);
    let request = match timeout(PATIENCE, lines.next()).await {
        Ok(Ok(Some(request))) => request,
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(error)) => {
            let failure =
                Failure::new(Blame::Bug, format!("the tracker was asked wrongly: {error}"));
            return drop(send(&mut write, &Frame::<NoEvent, ()>::Failed(failure)).await);
        }
    };
    let _ = match request {
        AdminRequest::Where => reply(&mut write, Ok(whereabouts(&shared))).await,
        AdminRequest::Register(request) => {
            let result = register(&shared, request).await;
            reply(&mut write, result).await
        }
        AdminRequest::Open(request) => {
            let result = open(&shared, request).await;
            reply(&mut write, result).await
        }
        AdminRequest::Expect(request) => {
            let result = expect(&shared, request).await;
            reply(&mut write, result).await
        }
        AdminRequest::Forget(request) => {
            forget(&shared, &request.hosts);
            reply(&mut write, Ok(WarmForgotten {})).await
        }
        AdminRequest::HandOut(request) => orders::hand_out(&shared, request, &mut write).await,
        AdminRequest::ReleaseOut(request) => {
            orders::release_out(&shared, request, &mut write).await
        }
        AdminRequest::SwitchOut(request) => {
            let result = orders::switch_out(&shared, request).await;
            reply(&mut write, result).await
        }
        AdminRequest::List(_) => {
            let list: RunListReply = shared.with(|state, _| state.list());
            reply(&mut write, Ok(list)).await
        }
        AdminRequest::Watch(request) => {
            watch(&shared, &request, Came::Newly, &mut lines, &mut write).await
        }
        AdminRequest::WatchAgain(request) => {
            watch(&shared, &request, Came::Again, &mut lines, &mut write).await
        }
    };
}

fn whereabouts(shared: &Shared) -> TrackerReply {
    let addresses = shared.addresses();
    TrackerReply { already_running: true, pid: std::process::id(), addresses }
}

async fn register(shared: &Shared, request: TorrentRegister) -> Result<RegisterReply, Failure> {
    let tag = request.tag.clone();
    let chance = chance()?;
    let reply = shared.with(|state, _| state.register(request, chance))?;
    shared.log.line(format_args!("answers for the torrent of tag {tag}"));
    wait_until_kept(shared).await;
    Ok(reply)
}

/// A tracker that was just started again waits a little for its seeders to come back.
async fn open(shared: &Shared, request: RunOpen) -> Result<RunReply, Failure> {
    let chance = chance()?;
    let until = Instant::now() + SEEDER_COMING;
    while shared.with(|state, _| state.has_source(&request.tag)) == Some(false)
        && Instant::now() < until
    {
        sleep(GLANCE).await;
    }
    let hosts = request.hosts.clone();
    let mut reply = shared.with(|state, now| state.open(now, request, chance))?;
    shared.log.line(format_args!("run {} of {} hosts begins", reply.run, hosts.len()));
    wait_until_kept(shared).await;
    reply.warm = shared.waiting.of(&hosts);
    Ok(reply)
}

/// Makes a key for each host that has none. Agents that wait there already go on with theirs.
async fn expect(shared: &Shared, request: WarmExpect) -> Result<WarmExpected, Failure> {
    let span = Duration::from_secs(request.seconds);
    let fresh: Result<Vec<_>, _> = request.hosts.iter().map(|_| keys::fresh()).collect();
    let fresh = fresh.map_err(|error| no_chance(&error))?;
    shared.log.line(format_args!("expects agents to wait on {} hosts", request.hosts.len()));
    // One that is about to go is better replaced.
    let waiting = shared.waiting.of_for(&request.hosts, span / 2);
    let keys = shared.with(|state, now| state.expect(now, request.hosts, span, fresh));
    wait_until_kept(shared).await;
    Ok(WarmExpected { trackers: shared.addresses(), keys, waiting })
}

fn forget(shared: &Shared, hosts: &[String]) {
    shared.with(|state, _| state.forget_warm(hosts));
    hosts.iter().for_each(|host| shared.waiting.let_go(host));
}

/// A run that a killed tracker forgets would leave its agents alone.
pub(super) async fn wait_until_kept(shared: &Shared) {
    let until = Instant::now() + KEEPING;
    let important = shared.with(|state, _| state.last_important());
    while !shared.with(|state, _| state.is_kept(important)) && Instant::now() < until {
        sleep(GLANCE / 10).await;
    }
}

async fn watch(
    shared: &Shared,
    request: &Watch,
    came: Came,
    lines: &mut LineReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let watcher = match shared.with(|state, _| state.watch(&request.run, came)) {
        Ok(watcher) => watcher,
        Err(failure) => return reply::<WatchReply>(write, Err(failure)).await,
    };
    let result = follow(shared, request, watcher, lines, write).await;
    shared.with(|state, now| state.unwatch(now, &request.run, watcher));
    result
}

/// Sends what changed, at most so often. A reader that is slow gets it less often, and in fewer
/// pieces, since what is sent is looked up only when there is room for it.
async fn follow(
    shared: &Shared,
    request: &Watch,
    watcher: Watcher,
    lines: &mut LineReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let mut revision = 0;
    loop {
        let news = match shared.with(|state, now| state.news(now, &request.run, revision)) {
            Ok(news) => news,
            Err(failure) => return reply::<WatchReply>(write, Err(failure)).await,
        };
        revision = news.revision;
        if let Some(event) = news.event {
            send(write, &Frame::<FleetEvent, WatchReply>::Event(event)).await?;
        }
        if let Some(end) = news.end {
            return send(write, &Frame::<FleetEvent, WatchReply>::Reply(end)).await;
        }
        let next = Instant::now() + EVENT_EVERY;
        loop {
            tokio::select! {
                () = sleep_until(next) => break,
                input = lines.next::<WatchInput>() => match input {
                    Ok(Some(input)) => {
                        shared.with(|state, now| state.input(now, &request.run, watcher, input));
                    }
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(io::Error::other(error)),
                }
            }
        }
    }
}

pub(super) fn chance() -> Result<Chance, Failure> {
    let made = keys::fresh().and_then(|key| Ok(Chance { key, word: keys::hex::<4>()? }));
    made.map_err(|error| no_chance(&error))
}

fn no_chance(error: &getrandom::Error) -> Failure {
    Failure::new(Blame::Host, format!("the kernel gives no random numbers: {error}"))
}

pub(super) async fn reply<R: Serialize>(
    write: &mut (impl AsyncWrite + Unpin),
    result: Result<R, Failure>,
) -> io::Result<()> {
    let frame = match result {
        Ok(reply) => Frame::<NoEvent, R>::Reply(reply),
        Err(failure) => Frame::Failed(failure),
    };
    send(write, &frame).await
}

pub(super) async fn send<E: Serialize, R: Serialize>(
    write: &mut (impl AsyncWrite + Unpin),
    frame: &Frame<E, R>,
) -> io::Result<()> {
    write.write_all(encode(frame).as_bytes()).await
}

/// A verb sends its request at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ten times a second is as often as a screen is drawn.
const EVENT_EVERY: Duration = Duration::from_millis(100);

/// A seeder that lost its tracker tries again every five seconds.
const SEEDER_COMING: Duration = Duration::from_secs(7);
const GLANCE: Duration = Duration::from_millis(100);

/// A disk that takes longer stops no run.
const KEEPING: Duration = Duration::from_secs(5);
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// As long as any verb's request.
const LONGEST_REQUEST: usize = 64 << 20;
