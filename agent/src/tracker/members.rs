//! What the tracker does when an agent says something.

use std::net::IpAddr;
use std::time::Duration;

use murder_protocol::{HostOutcome, HostReport, RunId, Secret};
use murder_swarm::Time;
use murder_swarm::tracker::{Announce, Event, Want};
use murder_swarm::wire::InfoHash;

use super::keys;
use super::roster::Agent;
use super::run::{AgentConn, Greeting, Kept};
use super::state::{Change, QUICKEST_REPORTS, State, reachable};
use crate::channel::{Have, Hello, Part, ToAgent, ToTracker};

/// Why an agent is not let in. It is told the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing was registered under its info hash.
    #[error("this tracker knows no torrent {0}")]
    UnknownTorrent(InfoHash),
    /// It can't show the right key.
    #[error("its key is not that of the torrent or run")]
    WrongKey,
    /// The run is forgotten, or was opened with another tracker.
    #[error("this tracker remembers no run {0}")]
    UnknownRun(RunId),
    /// The run distributes another torrent.
    #[error("run {0} is about another torrent")]
    OtherTorrent(RunId),
    /// The run was opened without it.
    #[error("host {host} is no part of run {run}")]
    NotInRun {
        /// Its name.
        host: String,
        /// The run.
        run: RunId,
    },
    /// A peer names its run.
    #[error("a peer has to name its run")]
    NoRun,
    /// Nobody could connect to it.
    #[error("port 0 is no port")]
    NoPort,
}

impl State {
    /// Lets an agent in. `Welcome` and the first peers are queued.
    pub fn hello(
        &mut self,
        now: Time,
        observed: IpAddr,
        hello: Hello,
    ) -> Result<AgentConn, Refusal> {
        self.check(&hello)?;
        let conn = self.next_conn();
        let greeting = self.greet(now, conn, &hello)?;
        let runs = self.runs_of(&hello);
        let addr = reachable(hello.announce_ip, observed, hello.port);
        self.leaving.remove(&(hello.info_hash, hello.peer_id));
        self.replace(&hello);
        let (part, have) = (hello.part, hello.have);
        let info_hash = hello.info_hash;
        let host = hello.host.clone();
        for id in &runs {
            self.run_mut(id).map(|run| run.hello(now, &host, conn));
        }
        self.agents.insert(conn, Agent { hello, addr, runs });
        let every = match part {
            Part::Seeder => QUICKEST_REPORTS,
            Part::Peer => self.report_every,
        };
        let report_every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        self.send(conn, ToAgent::Welcome { observed_ip: observed, report_every_ms });
        match greeting {
            Greeting::GivenUp => self.send(conn, ToAgent::Stop),
            Greeting::HasOutcome => {
                self.unconfirmed.push(conn);
                self.changed(Change::Important);
            }
            Greeting::TakesPart | Greeting::Unknown => {}
        }
        self.changed(Change::Small);
        if part == Part::Peer && self.is_done(info_hash) {
            self.send(conn, ToAgent::SwarmDone);
            return Ok(conn);
        }
        if greeting != Greeting::GivenUp {
            self.introduce(now, conn, Event::Started, have, Want::FIRST);
        }
        Ok(conn)
    }

    /// An agent that was let in says something.
    pub fn hear(&mut self, now: Time, conn: AgentConn, message: ToTracker) {
        let Some(agent) = self.agents.get(conn) else { return };
        let (info_hash, peer_id) = (agent.hello.info_hash, agent.hello.peer_id);
        let (have, host) = (agent.hello.have, agent.hello.host.clone());
        for id in agent.runs.clone() {
            if let Some(run) = self.run_mut(&id) {
                run.heard(now, &host);
            }
        }
        if !self.store.touch(now, &info_hash, &peer_id) {
            // Somebody took it out under its own name; it is here, so it is a member.
            self.introduce(now, conn, Event::Regular, have, Want::NOBODY);
        }
        match message {
            ToTracker::Hello(_) | ToTracker::Wait(_) => self.refuse(conn, "a second hello"),
            ToTracker::Alive => {}
            ToTracker::WantPeers => {
                self.introduce(now, conn, Event::Regular, have, Want::MORE);
            }
            ToTracker::Report(report) => self.report(now, conn, *report),
            ToTracker::Uploaded { bytes } => self.uploaded(now, conn, bytes),
            ToTracker::Counted { bytes } => {
                self.uploaded(now, conn, bytes);
                self.counted(conn);
            }
            ToTracker::Leaving => {
                self.store.leave(&info_hash, &peer_id);
                self.forget(conn);
                self.close(conn);
            }
        }
    }

    /// An agent's connection ended. Others are told of it a little longer, since it may come back.
    pub fn lost(&mut self, now: Time, conn: AgentConn) {
        if let Some(hello) = self.forget(conn)
            && self.agents.member(hello.info_hash, hello.peer_id).is_none()
        {
            self.leaving.insert((hello.info_hash, hello.peer_id), now + COMING_BACK);
        }
    }

    fn check(&self, hello: &Hello) -> Result<(), Refusal> {
        if hello.port == 0 {
            return Err(Refusal::NoPort);
        }
        let mut torrents = self.torrents.of_hash(hello.info_hash).peekable();
        if torrents.peek().is_none() {
            return Err(Refusal::UnknownTorrent(hello.info_hash));
        }
        let fits = |key: &Secret| keys::same(key, &hello.key);
        if hello.part == Part::Seeder {
            return if torrents.any(|t| fits(&t.key)) { Ok(()) } else { Err(Refusal::WrongKey) };
        }
        let id = hello.run.as_ref().ok_or(Refusal::NoRun)?;
        let run = self.run(id).ok_or_else(|| Refusal::UnknownRun(id.clone()))?;
        if !fits(&run.plan().key) {
            return Err(Refusal::WrongKey);
        }
        if run.plan().info_hash != Some(hello.info_hash) {
            return Err(Refusal::OtherTorrent(id.clone()));
        }
        Ok(())
    }

    fn greet(&mut self, now: Time, conn: AgentConn, hello: &Hello) -> Result<Greeting, Refusal> {
        let (Part::Peer, Some(id)) = (hello.part, &hello.run) else {
            return Ok(Greeting::TakesPart);
        };
        let greeting =
            self.run_mut(id).map_or(Greeting::Unknown, |run| run.hello(now, &hello.host, conn));
        if greeting == Greeting::Unknown {
            return Err(Refusal::NotInRun { host: hello.host.clone(), run: id.clone() });
        }
        Ok(greeting)
    }

    /// An agent that comes again before its old connection is known to be dead has only the new
    /// one.
    fn replace(&mut self, hello: &Hello) {
        if let Some(old) = self.agents.member(hello.info_hash, hello.peer_id) {
            self.agents.remove(old);
            self.counted(old);
            self.close(old);
        }
    }

    /// Enters an agent into the swarm, and queues addresses of others.
    fn introduce(&mut self, now: Time, conn: AgentConn, event: Event, have: Have, want: Want) {
        let Some(agent) = self.agents.get(conn) else { return };
        let announce = Announce {
            info_hash: agent.hello.info_hash,
            peer_id: agent.hello.peer_id,
            addr: agent.addr,
            event,
            left: u64::from(have == Have::Partial),
            want,
        };
        // It is let in only with a torrent that is registered, and a torrent in use stays so.
        if let Ok(answer) = self.store.announce(now, &announce) {
            let peers: Vec<_> = answer.peers.iter().map(|peer| peer.addr).collect();
            if !peers.is_empty() {
                self.send(conn, ToAgent::Peers { peers });
            }
        }
    }

    fn report(&mut self, now: Time, conn: AgentConn, report: HostReport) {
        let Some(agent) = self.agents.get_mut(conn) else { return };
        if agent.hello.host != report.host {
            return self.refuse(conn, "a report about another host");
        }
        let runs = agent.runs.clone();
        let complete = report.total > 0 && report.bytes == report.total;
        if complete && agent.hello.have == Have::Partial {
            agent.hello.have = Have::Full;
            self.introduce(now, conn, Event::Completed, Have::Full, Want::NOBODY);
        }
        let kept: Vec<_> = runs
            .iter()
            .filter_map(|id| Some(self.run_mut(id)?.report(now, report.clone())))
            .collect();
        if report.outcome.is_none() {
            return self.changed(Change::Small);
        }
        self.unconfirmed.push(conn);
        self.changed(Change::Important);
        if kept.contains(&Kept::Now) {
            self.settle();
        }
    }

    /// A host that took the job of a run may have an agent already, which came with an earlier
    /// run of the same torrent and goes on. What it says counts for both.
    pub(super) fn adopt(&mut self, now: Time, id: &RunId, host: &str) {
        let Some(run) = self.run(id).filter(|run| run.word_of(host).is_none()) else { return };
        let Some(info_hash) = run.plan().info_hash else { return };
        let Some(conn) = self.agents.peer_of(info_hash, host) else { return };
        let Some(agent) = self.agents.get(conn) else { return };
        let Some(before) = agent.runs.first().cloned() else { return };
        let word = self.run(&before).and_then(|run| run.word_of(host)).cloned();
        // One that failed is about to end, and another one takes its place.
        let Some(word) = word.filter(|word| matches!(word.outcome, None | Some(HostOutcome::Ok)))
        else {
            return;
        };
        if let Some(agent) = self.agents.get_mut(conn) {
            agent.runs.push(id.clone());
        }
        if let Some(run) = self.run_mut(id) {
            run.hello(now, host, conn);
            run.report(now, word);
        }
    }

    /// The run that an agent names, and those that count on its host because of an earlier run.
    fn runs_of(&self, hello: &Hello) -> Vec<RunId> {
        let Some(named) = hello.run.clone().filter(|_| hello.part == Part::Peer) else {
            return Vec::new();
        };
        let others = self.runs.iter().filter(|run| {
            run.plan().info_hash == Some(hello.info_hash)
                && run.plan().id != named
                && run.expects(&hello.host)
        });
        let others: Vec<_> = others.map(|run| run.plan().id.clone()).collect();
        std::iter::once(named).chain(others).collect()
    }

    /// Only what seeders send is counted apart; what peers send is in their reports.
    fn uploaded(&mut self, now: Time, conn: AgentConn, bytes: u64) {
        let Some(agent) = self.agents.get(conn) else { return };
        if agent.hello.part != Part::Seeder {
            return;
        }
        let (info_hash, peer_id) = (agent.hello.info_hash, agent.hello.peer_id);
        let key = &agent.hello.key;
        for torrent in self.torrents.of_hash_mut(info_hash) {
            if keys::same(&torrent.key, key) {
                torrent.note_sent(&peer_id, bytes);
            }
        }
        let sent = self.sent(info_hash);
        for run in self.runs.iter_mut().filter(|run| run.plan().info_hash == Some(info_hash)) {
            run.seeders_sent(now, sent);
        }
        self.changed(Change::Small);
    }

    /// Nobody need wait any longer for what a seeder has sent.
    fn counted(&mut self, conn: AgentConn) {
        for run in &mut self.runs {
            run.counted(conn);
        }
    }

    /// Bytes that all seeders of a torrent have sent.
    pub(super) fn sent(&self, info_hash: InfoHash) -> u64 {
        self.torrents.of_hash(info_hash).map(super::torrents::Torrent::sent).sum()
    }

    fn refuse(&mut self, conn: AgentConn, why: &str) {
        self.send(conn, ToAgent::Refused { why: why.to_owned() });
        self.close(conn);
    }

    fn forget(&mut self, conn: AgentConn) -> Option<Hello> {
        let Agent { hello, runs, .. } = self.agents.remove(conn)?;
        self.counted(conn);
        for id in &runs {
            if let Some(run) = self.run_mut(id) {
                run.lost(&hello.host, conn);
            }
        }
        Some(hello)
    }
}

/// A connection that broke is back within a second or two; until then nobody need forget it.
const COMING_BACK: Duration = Duration::from_secs(10);
