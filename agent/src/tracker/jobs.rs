//! Jobs for agents that wait: who is there to take one, and what became of each.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use murder_protocol::Bytes;
use murder_protocol::verbs::{PeerStart, ReleaseOrder};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::channel::{ToWaiting, Word, digest, encode};

/// The agents that wait, by host.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Sessions>);

#[derive(Debug, Default)]
struct Sessions {
    by_host: HashMap<String, Session>,
    /// How many there ever were.
    count: u64,
}

#[derive(Debug)]
struct Session {
    number: u64,
    /// The way to its agent, or why that has left.
    jobs: Result<mpsc::Sender<Job>, String>,
    /// When its agent goes.
    until: Instant,
}

/// What one agent is to be given.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) task: Task,
    pub(super) owner: Owner,
}

/// What it is to do.
#[derive(Debug)]
pub(super) enum Task {
    /// To hand its host a part of a run.
    Peer { job: Box<PeerStart>, torrent: Torrent },
    /// To do something with its host's releases.
    Release(Box<ReleaseOrder>),
}

/// A torrent as it goes to many agents.
#[derive(Clone, Debug)]
pub(super) struct Torrent {
    /// The message.
    pub(super) line: Arc<[u8]>,
    pub(super) digest: String,
}

impl Torrent {
    pub(super) fn new(torrent: Bytes) -> Self {
        let digest = digest(&torrent.0);
        Self { line: encode(&ToWaiting::Torrent(torrent)).into(), digest }
    }
}

/// Who is told what becomes of a job.
#[derive(Debug)]
pub(super) struct Owner {
    host: String,
    tell: mpsc::UnboundedSender<(String, Option<Word>)>,
}

impl Owner {
    /// Tells what the agent says.
    pub(super) fn tell(&self, word: Word) {
        // Whoever gave the job may have gone.
        let _ = self.tell.send((self.host.clone(), Some(word)));
    }
}

impl Drop for Owner {
    /// Nothing more will be said. After the last word this means nothing.
    fn drop(&mut self) {
        let _ = self.tell.send((std::mem::take(&mut self.host), None));
    }
}

impl Waiting {
    /// Which of these hosts have an agent that waits.
    pub(super) fn of(&self, hosts: &[String]) -> Vec<String> {
        let sessions = self.lock();
        hosts.iter().filter(|host| sessions.waits(host)).cloned().collect()
    }

    /// Which of these hosts have an agent that goes on waiting for so long.
    pub(super) fn of_for(&self, hosts: &[String], span: Duration) -> Vec<String> {
        let now = Instant::now();
        let sessions = self.lock();
        let stays = |host: &&String| {
            let until = sessions.by_host.get(*host).map(|session| session.until);
            sessions.waits(host)
                && until.is_some_and(|until| until.saturating_duration_since(now) >= span)
        };
        hosts.iter().filter(stays).cloned().collect()
    }

    /// Those of these hosts on which no agent waits; where one did, why it left.
    pub(super) fn missing<'a>(
        &self,
        hosts: impl Iterator<Item = &'a String>,
    ) -> Vec<(&'a str, Option<String>)> {
        let sessions = self.lock();
        hosts
            .filter(|host| !sessions.waits(host))
            .map(|host| {
                let left = sessions.by_host.get(host);
                (host.as_str(), left.and_then(|session| session.jobs.clone().err()))
            })
            .collect()
    }

    /// Lets the agent of a host go.
    pub(super) fn let_go(&self, host: &str) {
        self.lock().by_host.remove(host);
    }

    /// An agent waits from now on, and means to go at that time, in place of one of the same host.
    /// It is let go when there can be no more jobs.
    pub(super) fn enter(&self, host: String, until: Instant) -> (u64, mpsc::Receiver<Job>) {
        let (jobs, received) = mpsc::channel(JOBS);
        let mut sessions = self.lock();
        sessions.count += 1;
        let number = sessions.count;
        sessions.by_host.insert(host, Session { number, jobs: Ok(jobs), until });
        (number, received)
    }

    /// The agent of this number has gone, and why. One that came again meanwhile stays.
    pub(super) fn leave(&self, host: &str, number: u64, why: String) {
        let mut sessions = self.lock();
        if let Some(session) = sessions.by_host.get_mut(host)
            && session.number == number
        {
            session.jobs = Err(why);
        }
    }

    /// Says whether there was somebody to give it to.
    fn give(&self, host: &str, job: Job) -> bool {
        let sessions = self.lock();
        let jobs = sessions.by_host.get(host).and_then(|session| session.jobs.as_ref().ok());
        jobs.is_some_and(|jobs| jobs.try_send(job).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn waits(&self, host: &str) -> bool {
        self.by_host.get(host).is_some_and(|session| session.jobs.is_ok())
    }
}

/// Jobs that were given, and what became of them so far.
#[derive(Debug)]
pub(super) struct Given {
    untold: VecDeque<String>,
    open: BTreeMap<String, Stage>,
    words: mpsc::UnboundedReceiver<(String, Option<Word>)>,
    /// When those are given up that have not even received their job.
    receipt: Instant,
    /// When all others are.
    result: Instant,
}

/// How long to wait for agents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the word that a job has come.
    pub(super) receipt: Duration,
    /// For the result.
    pub(super) result: Duration,
}

impl Patience {
    /// With agents that say at once that a job has come, as those do that are well. A host where
    /// none does is better reached by SSH.
    pub(super) fn for_result(result: Duration) -> Self {
        Self { receipt: RECEIPT.min(result), result }
    }
}

/// What became of a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The agent's last word.
    Said(Word),
    /// Nobody waits there, so nobody was told.
    Untold,
    /// The agent was given the job, and nothing more is heard of it.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Sent,
    Received,
}

impl Given {
    /// Gives each of these hosts' jobs to the agent that waits there; one job a host.
    pub(super) fn to(
        waiting: &Waiting,
        jobs: impl IntoIterator<Item = (String, Task)>,
        patience: Patience,
    ) -> Self {
        let (tell, words) = mpsc::unbounded_channel();
        let (mut open, mut untold) = (BTreeMap::new(), VecDeque::new());
        for (host, task) in jobs {
            if open.contains_key(&host) {
                continue;
            }
            let owner = Owner { host: host.clone(), tell: tell.clone() };
            match waiting.give(&host, Job { task, owner }) {
                true => _ = open.insert(host, Stage::Sent),
                false => untold.push_back(host),
            }
        }
        let now = Instant::now();
        let (receipt, result) = (now + patience.receipt, now + patience.result);
        Self { untold, open, words, receipt, result }
    }

    /// What became of the next one; none once each was told.
    pub(super) async fn next(&mut self) -> Option<(String, End)> {
        if let Some(host) = self.untold.pop_front() {
            return Some((host, End::Untold));
        }
        while !self.open.is_empty() {
            let sent = self.open.values().any(|stage| *stage == Stage::Sent);
            let until = if sent { self.receipt } else { self.result };
            let Ok(Some((host, word))) = timeout_at(until, self.words.recv()).await else {
                let late = if sent { Stage::Sent } else { Stage::Received };
                let late = self.open.iter().find(|(_, stage)| **stage == late);
                let host = late.map(|(host, _)| host.clone())?;
                return self.end(host, End::Lost);
            };
            let end = match word {
                Some(Word::Received) => {
                    self.open.entry(host).and_modify(|stage| *stage = Stage::Received);
                    continue;
                }
                Some(word) => End::Said(word),
                None => End::Lost,
            };
            if let Some(end) = self.end(host, end) {
                return Some(end);
            }
        }
        None
    }

    fn end(&mut self, host: String, end: End) -> Option<(String, End)> {
        self.open.remove(&host).map(|_| (host, end))
    }
}

/// An agent carries out one job after another, most of them within half a minute.
const JOBS: usize = 16;

/// An agent says at once that a job has come.
const RECEIPT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use murder_protocol::verbs::{Destination, PeerReply, Reach};
    use murder_protocol::{RunId, Secret};

    use super::*;

    const RESULT: Duration = Duration::from_secs(40);
    const GONE: &str = "it closed the connection";

    fn job(host: &str) -> PeerStart {
        PeerStart {
            run: RunId("r".to_owned()),
            key: Secret("k".to_owned()),
            tag: "v1".parse().unwrap(),
            torrent: Bytes::default(),
            reach: Reach {
                host: host.to_owned(),
                trackers: Vec::new(),
                announce_ip: None,
                peer_ports: (1, 1),
            },
            destination: Destination {
                path: "/srv".to_owned(),
                unsafe_please_delete: false,
                keep_owner: false,
                as_release: false,
            },
            temp_path: None,
            seed_seconds: 1,
            lease_seconds: 1,
            timeout_seconds: 1,
        }
    }

    fn accepted() -> Word {
        Word::Accepted(PeerReply { already_running: false, pid: Some(7) })
    }

    fn give(waiting: &Waiting, hosts: &[&str]) -> Given {
        let torrent = Torrent::new(Bytes(vec![1]));
        let task = |host: &&str| Task::Peer { job: Box::new(job(host)), torrent: torrent.clone() };
        let jobs: Vec<_> = hosts.iter().map(|host| ((*host).to_owned(), task(host))).collect();
        Given::to(waiting, jobs, Patience::for_result(RESULT))
    }

    fn enter(waiting: &Waiting, host: &str) -> (u64, mpsc::Receiver<Job>) {
        waiting.enter(host.to_owned(), Instant::now() + RESULT)
    }

    fn end(host: &str, end: End) -> Option<(String, End)> {
        Some((host.to_owned(), end))
    }

    #[tokio::test]
    async fn a_job_has_one_end_and_a_host_where_nobody_waits_has_it_at_once() {
        let waiting = Waiting::default();
        let (_, mut jobs) = enter(&waiting, "a");
        let hosts = ["a".to_owned(), "b".to_owned()];
        assert_eq!(waiting.of(&hosts), ["a"]);
        assert_eq!(waiting.of_for(&hosts, RESULT / 2), ["a"]);
        assert!(waiting.of_for(&hosts, RESULT * 2).is_empty(), "it goes before");
        let mut given = give(&waiting, &["a", "b", "a"]);
        assert_eq!(given.next().await, end("b", End::Untold));
        let taken = jobs.recv().await.unwrap();
        for word in [Word::Received, accepted(), accepted()] {
            taken.owner.tell(word);
        }
        drop(taken);
        assert_eq!(given.next().await, end("a", End::Said(accepted())));
        assert_eq!(given.next().await, None);
        assert!(jobs.try_recv().is_err(), "a host has one job");
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_does_not_say_that_the_job_has_come_is_soon_given_up() {
        let waiting = Waiting::default();
        let (_, mut silent) = enter(&waiting, "a");
        let (_, mut slow) = enter(&waiting, "b");
        let mut given = give(&waiting, &["a", "b"]);
        let _taken = silent.recv().await.unwrap();
        let slow = slow.recv().await.unwrap();
        slow.owner.tell(Word::Received);
        let begin = Instant::now();
        assert_eq!(given.next().await, end("a", End::Lost));
        assert!(begin.elapsed() <= RECEIPT);
        assert_eq!(given.next().await, end("b", End::Lost));
        assert!(begin.elapsed() >= RESULT);
    }

    #[tokio::test]
    async fn an_agent_that_goes_with_its_job_is_given_up_at_once() {
        let waiting = Waiting::default();
        let (number, mut jobs) = enter(&waiting, "a");
        let mut given = give(&waiting, &["a"]);
        let taken = jobs.recv().await.unwrap();
        taken.owner.tell(Word::Received);
        drop(taken);
        assert_eq!(given.next().await, end("a", End::Lost));
        waiting.leave("a", number, GONE.to_owned());
        assert!(waiting.of(&["a".to_owned()]).is_empty());
        let hosts = ["a".to_owned(), "b".to_owned()];
        let missing = waiting.missing(hosts.iter());
        assert_eq!(missing, [("a", Some(GONE.to_owned())), ("b", None)]);
    }

    #[tokio::test]
    async fn an_agent_that_came_again_stays_when_its_old_connection_ends() {
        let waiting = Waiting::default();
        let (old, mut jobs) = enter(&waiting, "a");
        let (new, _again) = enter(&waiting, "a");
        assert!(jobs.recv().await.is_none(), "the old one is let go");
        waiting.leave("a", old, GONE.to_owned());
        assert_eq!(waiting.of(&["a".to_owned()]), ["a"]);
        waiting.leave("a", new, GONE.to_owned());
        assert!(waiting.of(&["a".to_owned()]).is_empty());
    }
}
