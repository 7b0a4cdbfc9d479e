//! The agent that waits: it holds a connection to the tracker, and starts peers and does what is
//! to be done with releases as the tracker tells it to. Its peers are processes of their own and
//! outlive it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use murder_protocol::verbs::{PeerStart, ReleaseOrder, Role, RoleStatus, WarmStart};
use murder_protocol::{Blame, Bytes, Failure};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::post::EndSignals;
use crate::blamed::{Blamed as _, chain};
use crate::channel::{Order, Ordered, Uptime, WaitError, Waiter, Waiting, Word};
use crate::detach::Started;
use crate::home::Home;
use crate::lock::{Acquired, RoleLock};
use crate::log::Log;
use crate::release;
use crate::status::{StatusFile, silent, unix_now};
use crate::verbs::start_peer;

/// Waits until its time is over, its tracker is gone for long, or somebody stops it.
pub(super) fn play() -> ExitCode {
    let (started, request) = match Started::receive::<WarmStart>() {
        Ok(received) => received,
        Err(error) => {
            eprintln!("murder-agent: the request can't be read: {error}");
            return ExitCode::from(2);
        }
    };
    // One thread waits; a peer is started on another one, which ends soon after.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| host_failure("start its threads", &error));
    match Place::take().and_then(|place| Ok((place, runtime?))) {
        Ok((place, runtime)) => {
            let code = runtime.block_on(wait(started, request, &place));
            // A thread that hangs in the kernel must not hold the process.
            runtime.shutdown_background();
            place.leave();
            code
        }
        Err(failure) => {
            started.failed(failure);
            ExitCode::FAILURE
        }
    }
}

/// How long it took the tracker to be heard of, and where it was.
struct Trackers {
    waiter: Waiter,
    addresses: Vec<SocketAddr>,
}

impl Trackers {
    /// Tries each address once.
    async fn meet(&self) -> Result<(SocketAddr, Waiting), String> {
        let mut why = "no address of a tracker is known".to_owned();
        for tracker in &self.addresses {
            match self.waiter.meet(*tracker).await {
                Ok(waiting) => return Ok((*tracker, waiting)),
                Err(error) => why = format!("tracker {tracker}: {}", chain(&error)),
            }
        }
        Err(why)
    }
}

async fn wait(started: Started, request: WarmStart, place: &Place) -> ExitCode {
    let log = &place.log;
    let until = Instant::now() + Duration::from_secs(request.seconds);
    let lease = Duration::from_secs(request.lease_seconds);
    let WarmStart { host, key, announce_ip, .. } = request;
    let waiter = Waiter { host, key, announce_ip, until };
    let trackers = Trackers { waiter, addresses: request.trackers };
    let mut signals = match EndSignals::catch() {
        Ok(signals) => signals,
        Err(error) => {
            started.failed(host_failure("catch signals", &error));
            return ExitCode::FAILURE;
        }
    };
    let first = match trackers.meet().await {
        Ok(first) => first,
        Err(why) => {
            started.failed(not_let_in(&why));
            return ExitCode::FAILURE;
        }
    };
    place.show();
    if let Err(error) = started.ready(&(), log) {
        log.line(format_args!("could not let go of the parent: {error}"));
        return ExitCode::FAILURE;
    }
    log.line(format_args!("waits for {} s", request.seconds));
    tokio::select! {
        () = signals.recv() => log.line("was stopped"),
        () = sleep_until(until) => log.line("its time is over"),
        why = keep_waiting(&trackers, first, lease, place) => {
            let seconds = lease.as_secs();
            log.line(format_args!("found no tracker for {seconds} s: {why}"));
        }
    }
    ExitCode::SUCCESS
}

/// Carries out what trackers order, until there is none for the lease. Gives the last reason.
async fn keep_waiting(
    trackers: &Trackers,
    first: (SocketAddr, Waiting),
    lease: Duration,
    place: &Place,
) -> String {
    let mut met = Some(first);
    let mut heard = Instant::now();
    let mut backoff = SHORTEST_BACKOFF;
    loop {
        let met_now = match met.take() {
            Some(met) => Ok(met),
            None => trackers.meet().await,
        };
        let why = match met_now {
            Ok((tracker, mut waiting)) => {
                place.log.line(format_args!("waits for the tracker {tracker}"));
                backoff = SHORTEST_BACKOFF;
                let error = serve(&mut waiting, place).await;
                heard = Instant::now();
                format!("tracker {tracker}: {}", chain(&error))
            }
            Err(why) => why,
        };
        place.log.line(format_args!("no tracker: {why}"));
        if heard.elapsed() >= lease {
            return why;
        }
        sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// Carries out one order after another while it listens for more. Returns when the tracker is
/// lost.
async fn serve(waiting: &mut Waiting, place: &Place) -> WaitError {
    let (words, mut said) = mpsc::unbounded_channel();
    let (orders, queue) = mpsc::unbounded_channel();
    // It ends with its queue, once it has done what is in it: a host that took a job keeps it.
    tokio::task::spawn_blocking({
        let (home, log) = (place.home.clone(), place.log.clone());
        move || carry_out(&home, &log, queue, &words)
    });
    loop {
        let done = tokio::select! {
            ordered = waiting.next() => match ordered {
                Ok(None) => waiting.alive().await,
                Ok(Some(ordered)) => {
                    let number = ordered.number;
                    // The one that carries out orders lives as long as its queue.
                    let _ = orders.send(ordered);
                    waiting.answer(number, Word::Received).await
                }
                Err(error) => Err(error),
            },
            Some((number, word)) = said.recv() => waiting.answer(number, word).await,
        };
        if let Err(error) = done {
            return error;
        }
    }
}

fn carry_out(
    home: &Home,
    log: &Log,
    mut queue: mpsc::UnboundedReceiver<Ordered>,
    words: &mpsc::UnboundedSender<(u64, Word)>,
) {
    while let Some(ordered) = queue.blocking_recv() {
        let Ordered { number, order, torrent, holds_until } = ordered;
        let word = match order {
            Order::Meet => continue,
            Order::Peer { job, .. } => {
                peer(home, log, &PeerStart { torrent: Bytes(torrent), ..*job })
            }
            Order::Release { order, .. } => releases(log, &order, holds_until),
        };
        // The tracker may be gone. A peer finds it by itself.
        let _ = words.send((number, word));
    }
}

fn peer(home: &Home, log: &Log, request: &PeerStart) -> Word {
    match start_peer(request, home) {
        Ok(reply) => {
            match reply.pid {
                Some(pid) => {
                    log.line(format_args!("run {}: process {pid} has the job", request.run));
                }
                None => log.line(format_args!("run {}: the release is there", request.run)),
            }
            Word::Accepted(reply)
        }
        Err(failure) => {
            log.line(format_args!("run {}: refused: {failure}", request.run));
            Word::Refused(failure)
        }
    }
}

fn releases(log: &Log, order: &ReleaseOrder, holds_until: Option<Uptime>) -> Word {
    let holds = holds_until.is_some_and(|until| Uptime::now() <= until);
    let done = match order {
        ReleaseOrder::Switch(_) if !holds => Err(too_late()),
        _ => release::carry_out(order, unix_now()),
    };
    match done {
        Ok(done) => {
            done.did.iter().chain(&done.warnings).for_each(|line| log.line(line));
            Word::Released(Box::new(done))
        }
        Err(failure) => {
            log.line(format_args!("refused: {failure}"));
            Word::Refused(failure)
        }
    }
}

fn too_late() -> Failure {
    Failure::new(Blame::Network, "the word to switch came too late, so it did not switch")
        .hint("see whether the host or its network hangs, and run the same command again")
}

/// What one that waits has on its host.
struct Place {
    home: Home,
    log: Log,
    status: StatusFile,
    /// Held until the process ends.
    lock: RoleLock,
}

impl Place {
    fn take() -> Result<Self, Failure> {
        let home = Home::of_executable().map_err(|error| error.failure())?;
        let lock = match RoleLock::acquire(&home, Role::Warm, None) {
            Ok(Acquired::Held(lock)) => lock,
            Ok(Acquired::Busy { pid }) => {
                let text = format!("an agent waits on this host already, as process {pid}");
                return Err(Failure::new(Blame::Operator, text));
            }
            Err(error) => return Err(error.failure()),
        };
        let log = Log::open(&home, Role::Warm, None)
            .map_err(|error| host_failure("open its log", &error))?;
        let status = StatusFile::new(&home, Role::Warm, None);
        Ok(Self { home, log, status, lock })
    }

    fn show(&self) {
        let pid = Some(std::process::id());
        let status = RoleStatus { pid, ..silent(Role::Warm, None) };
        if let Err(error) = self.status.write(&status) {
            self.log.line(format_args!("could not write its status: {error}"));
        }
    }

    /// One that has waited has no outcome that anybody would want to know.
    fn leave(self) {
        self.status.remove();
        drop(self.lock);
    }
}

fn not_let_in(why: &str) -> Failure {
    Failure::new(Blame::Network, format!("could not wait for the tracker: {why}")).hint(
        "let the host open TCP connections to the tracker's address and port, or set the \
         tracker's announce_ip to an address that the host can reach",
    )
}

fn host_failure(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Blame::Host, format!("could not {what}: {}", chain(error)))
}

const SHORTEST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use murder_protocol::verbs::{ReleaseSwitch, SwitchKind};

    use super::*;

    #[test]
    fn a_word_to_switch_that_comes_too_late_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let log = Log::open(&home, Role::Warm, None).unwrap();
        let deploy_to = folder.path().join("app").to_str().unwrap().to_owned();
        let order = ReleaseOrder::Switch(ReleaseSwitch {
            deploy_to,
            release: "r1".parse().unwrap(),
            by: "ada@laptop".to_owned(),
            why: SwitchKind::Deploy,
        });
        let now = Uptime::now().0;
        for late in [None, now.checked_sub(Duration::from_millis(1)).map(Uptime)] {
            let Word::Refused(failure) = releases(&log, &order, late) else { panic!("refused") };
            assert_eq!(failure.message, "the word to switch came too late, so it did not switch");
        }
        // In time it is tried, and there is no such release.
        let until = Some(Uptime(now + Duration::from_secs(60)));
        let Word::Refused(failure) = releases(&log, &order, until) else { panic!("refused") };
        assert!(!failure.message.contains("too late"), "{failure}");
        assert!(!folder.path().join("app/current").exists());
    }
}
