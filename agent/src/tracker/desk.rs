//! What the tracker does when a workstation asks something, through the host's own socket.

use std::time::Duration;

use murder_protocol::verbs::{
    RegisterReply, RunEntry, RunListReply, RunOpen, RunReply, TorrentRegister, WatchInput,
    WatchReply,
};
use murder_protocol::{Blame, Bytes, Failure, FleetEvent, HostOutcome, RunId, Secret, Tag};
use murder_swarm::Time;
use murder_swarm::wire::InfoHash;

use super::run::{Came, Plan, Run, Watcher};
use super::state::{Change, State};
use crate::channel::Part;

/// Chance that a request needs, from the operating system.
#[derive(Clone, Debug)]
pub struct Chance {
    /// A key, if one is to be made.
    pub key: Secret,
    /// What makes a run's name unlike those of other trackers.
    pub word: String,
}

/// What is new for a watcher.
#[derive(Debug)]
pub struct News {
    /// What changed, if anything did.
    pub event: Option<FleetEvent>,
    /// What to ask with the next time.
    pub revision: u64,
    /// Every host has an outcome.
    pub end: Option<WatchReply>,
}

impl State {
    /// Lets the tracker answer for a torrent.
    pub fn register(
        &mut self,
        request: TorrentRegister,
        chance: Chance,
    ) -> Result<RegisterReply, Failure> {
        let torrent = self.torrents.register(request.tag, request.torrent, chance.key)?;
        let (info_hash, key) = (torrent.info_hash, torrent.key.clone());
        self.store.register(info_hash);
        self.changed(Change::Important);
        Ok(RegisterReply { trackers: self.addresses.clone(), key })
    }

    /// Whether anybody of a tag's swarm has the whole archive; `None` if no torrent has the tag.
    pub fn has_source(&self, tag: &Tag) -> Option<bool> {
        let info_hash = self.torrents.of_tag(tag)?.info_hash;
        let tally = self.store.scrape(&[info_hash]);
        Some(self.has_seeder(info_hash) || tally.iter().any(|entry| entry.tally.complete > 0))
    }

    /// Opens a run.
    pub fn open(
        &mut self,
        now: Time,
        request: RunOpen,
        chance: Chance,
    ) -> Result<RunReply, Failure> {
        let tag = request.tag;
        let Some(torrent) = self.torrents.of_tag(&tag) else { return Err(not_registered(&tag)) };
        if request.hosts.is_empty() {
            return Err(Failure::new(Blame::Operator, "a run needs at least one host"));
        }
        if self.has_source(&tag) != Some(true) {
            return Err(no_source(&tag));
        }
        let info_hash = torrent.info_hash;
        let (file, summary) = (torrent.file.clone(), torrent.summary.clone());
        let id = RunId(format!("{tag}-{}", chance.word));
        let plan = Plan {
            id: id.clone(),
            key: chance.key.clone(),
            tag,
            info_hash: Some(info_hash),
            total: summary.archive_bytes,
            timeout: Duration::from_secs(request.timeout_seconds),
            uploaded_before: self.sent(info_hash),
            opened: now,
        };
        self.begin(Run::new(plan, request.hosts, self.leases.clone()))?;
        Ok(RunReply {
            run: id,
            key: chance.key,
            torrent: file,
            summary,
            trackers: self.addresses.clone(),
            seeder_present: self.has_seeder(info_hash),
            warm: Vec::new(),
        })
    }

    /// Opens a run that switches hosts to a release. They are to be told at once.
    pub(super) fn open_switch(
        &mut self,
        now: Time,
        release: Tag,
        hosts: Vec<String>,
        chance: Chance,
    ) -> Result<RunId, Failure> {
        if hosts.is_empty() {
            return Err(Failure::new(Blame::Operator, "a switch needs at least one host"));
        }
        let id = RunId(format!("{release}-{}", chance.word));
        let plan = Plan {
            id: id.clone(),
            key: chance.key,
            tag: release,
            info_hash: None,
            total: 0,
            timeout: LONGEST_SWITCH,
            uploaded_before: 0,
            opened: now,
        };
        self.begin(Run::switch(plan, hosts, self.leases.clone()))?;
        Ok(id)
    }

    /// What an agent that was told to switch says; none if nothing can be heard of it any more.
    pub(super) fn switched(
        &mut self,
        now: Time,
        id: &RunId,
        host: &str,
        outcome: Option<HostOutcome>,
    ) {
        let Some(run) = self.run_mut(id) else { return };
        match outcome {
            Some(outcome) => run.switched(now, host, outcome),
            None => run.cut_off(host),
        }
        self.changed(Change::Important);
        self.settle();
    }

    /// Expects agents to wait on these hosts for so long; gives their keys. `fresh` has one for
    /// each that has none.
    pub(super) fn expect(
        &mut self,
        now: Time,
        hosts: Vec<String>,
        span: Duration,
        fresh: Vec<Secret>,
    ) -> Vec<Secret> {
        self.changed(Change::Important);
        let hosts = hosts.into_iter().zip(fresh);
        hosts.map(|(host, fresh)| self.warm.expect(now, host, span, fresh)).collect()
    }

    /// Expects no agents to wait on these hosts any more.
    pub(super) fn forget_warm(&mut self, hosts: &[String]) {
        for host in hosts {
            if self.warm.forget(host) {
                self.changed(Change::Important);
            }
        }
    }

    /// What a run distributes.
    pub(super) fn torrent_of(&self, id: &RunId) -> Result<Bytes, Failure> {
        let run = self.run(id).ok_or_else(|| no_run(id))?;
        let info_hash = run.plan().info_hash;
        let torrent = info_hash.and_then(|info_hash| self.torrents.of_hash(info_hash).next());
        torrent.map(|torrent| torrent.file.clone()).ok_or_else(|| no_run(id))
    }

    /// The runs that are remembered, oldest first.
    pub fn list(&self) -> RunListReply {
        let entry = |run: &Run| RunEntry {
            run: run.plan().id.clone(),
            tag: run.plan().tag.clone(),
            hosts: run.hosts(),
            ended: run.ended(),
            opened_unix: run.plan().opened.as_micros() / 1_000_000,
        };
        RunListReply { runs: self.runs.iter().map(entry).collect() }
    }

    /// A workstation begins to follow a run.
    pub fn watch(&mut self, id: &RunId, came: Came) -> Result<Watcher, Failure> {
        let watcher = self.next_watcher();
        self.run_mut(id).ok_or_else(|| no_run(id))?.watcher_came(watcher, came);
        Ok(watcher)
    }

    /// What changed in a run after a revision; after 0 it is every host.
    pub fn news(&self, now: Time, id: &RunId, revision: u64) -> Result<News, Failure> {
        let run = self.run(id).ok_or_else(|| no_run(id))?;
        let seeder_uploaded = run.seeder_uploaded();
        let event = (run.revision() > revision).then(|| FleetEvent {
            reports: run.changed_since(revision).cloned().collect(),
            seeder_uploaded,
        });
        let end = (run.is_over() && !run.is_counting(now)).then(|| WatchReply {
            reports: run.changed_since(0).cloned().collect(),
            seeder_uploaded,
        });
        Ok(News { event, revision: run.revision(), end })
    }

    /// A workstation that follows a run says what became of a host.
    pub fn input(&mut self, now: Time, id: &RunId, watcher: Watcher, input: WatchInput) {
        let Some(run) = self.run_mut(id) else { return };
        match input {
            WatchInput::Accepted(host) => {
                run.accepted(now, watcher, &host);
                self.adopt(now, id, &host);
            }
            WatchInput::Gone { host, outcome } => run.gone(now, watcher, &host, outcome),
        }
        self.changed(Change::Important);
        self.settle();
    }

    /// A workstation follows a run no longer.
    pub fn unwatch(&mut self, now: Time, id: &RunId, watcher: Watcher) {
        if let Some(run) = self.run_mut(id) {
            run.watcher_left(now, watcher);
        }
    }

    fn has_seeder(&self, info_hash: InfoHash) -> bool {
        !self.agents.of(Part::Seeder, Some(info_hash)).is_empty()
    }

    fn begin(&mut self, run: Run) -> Result<(), Failure> {
        self.make_room_for_a_run()?;
        self.runs.push(run);
        self.changed(Change::Important);
        Ok(())
    }

    fn make_room_for_a_run(&mut self) -> Result<(), Failure> {
        if self.runs.len() < MOST_RUNS {
            return Ok(());
        }
        let Some(over) = self.runs.iter().position(Run::is_over) else {
            let text = format!("{MOST_RUNS} runs are going on with this tracker already");
            return Err(Failure::new(Blame::Operator, text)
                .hint("wait for one of them to end, or end one with murder stop_peering"));
        };
        self.runs.remove(over);
        Ok(())
    }
}

/// Nothing was registered under the tag.
fn not_registered(tag: &Tag) -> Failure {
    Failure::new(Blame::Operator, format!("the tracker knows no torrent of tag {tag}"))
        .hint(format!("run murder start_seeding tag={tag}"))
}

fn no_source(tag: &Tag) -> Failure {
    Failure::new(Blame::Operator, format!("no seeder of tag {tag} is connected to the tracker"))
        .hint(format!("run murder start_seeding tag={tag}"))
}

fn no_run(id: &RunId) -> Failure {
    Failure::new(Blame::Operator, format!("the tracker remembers no run {id}"))
        .hint("see which runs it remembers with murder status")
}

/// Enough to look back at; each may have ten thousand hosts.
const MOST_RUNS: usize = 16;

/// An agent that is there answers well before; one that hangs no longer switches by then.
pub(super) const LONGEST_SWITCH: Duration = Duration::from_secs(30);
