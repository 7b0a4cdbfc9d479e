//! The agents that are connected, found by connection, by name in the swarm, or by host.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use murder_protocol::RunId;
use murder_swarm::wire::{InfoHash, PeerId};

use super::run::AgentConn;
use crate::channel::{Hello, Part};

/// An agent that was let in.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) hello: Hello,
    pub(super) addr: SocketAddr,
    /// The run it names, and others of the same torrent that count on its host.
    pub(super) runs: Vec<RunId>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Roster {
    agents: BTreeMap<AgentConn, Agent>,
    members: BTreeMap<(InfoHash, PeerId), AgentConn>,
    /// The newest peer of each host.
    peers: BTreeMap<(InfoHash, String), AgentConn>,
}

impl Roster {
    pub(super) fn insert(&mut self, conn: AgentConn, agent: Agent) {
        let hello = &agent.hello;
        self.members.insert((hello.info_hash, hello.peer_id), conn);
        if hello.part == Part::Peer {
            self.peers.insert((hello.info_hash, hello.host.clone()), conn);
        }
        self.agents.insert(conn, agent);
    }

    pub(super) fn remove(&mut self, conn: AgentConn) -> Option<Agent> {
        let agent = self.agents.remove(&conn)?;
        let member = (agent.hello.info_hash, agent.hello.peer_id);
        if self.members.get(&member) == Some(&conn) {
            self.members.remove(&member);
        }
        let peer = (agent.hello.info_hash, agent.hello.host.clone());
        if self.peers.get(&peer) == Some(&conn) {
            self.peers.remove(&peer);
        }
        Some(agent)
    }

    pub(super) fn get(&self, conn: AgentConn) -> Option<&Agent> {
        self.agents.get(&conn)
    }

    pub(super) fn get_mut(&mut self, conn: AgentConn) -> Option<&mut Agent> {
        self.agents.get_mut(&conn)
    }

    /// The connection of a member of a swarm.
    pub(super) fn member(&self, info_hash: InfoHash, peer_id: PeerId) -> Option<AgentConn> {
        self.members.get(&(info_hash, peer_id)).copied()
    }

    /// The peer of a torrent on a host.
    pub(super) fn peer_of(&self, info_hash: InfoHash, host: &str) -> Option<AgentConn> {
        self.peers.get(&(info_hash, host.to_owned())).copied()
    }

    /// Whether any agent is in a torrent's swarm.
    pub(super) fn has_any_of(&self, info_hash: InfoHash) -> bool {
        let first = (info_hash, PeerId([0; 20]));
        self.members.range(first..).next().is_some_and(|((found, _), _)| *found == info_hash)
    }

    pub(super) fn len(&self) -> usize {
        self.agents.len()
    }

    /// Connections of one part, of one torrent or of all.
    pub(super) fn of(&self, part: Part, info_hash: Option<InfoHash>) -> Vec<AgentConn> {
        let fits = |agent: &Agent| {
            agent.hello.part == part && info_hash.is_none_or(|hash| agent.hello.info_hash == hash)
        };
        self.agents.iter().filter(|(_, agent)| fits(agent)).map(|(conn, _)| *conn).collect()
    }
}

#[cfg(test)]
mod tests {
    use murder_protocol::Secret;

    use super::*;
    use crate::channel::Have;

    fn agent(part: Part, host: &str, peer_id: u8) -> Agent {
        let hello = Hello {
            part,
            host: host.to_owned(),
            info_hash: InfoHash([1; 20]),
            peer_id: PeerId([peer_id; 20]),
            port: 1,
            announce_ip: None,
            key: Secret(String::new()),
            run: None,
            have: Have::Partial,
        };
        Agent { hello, addr: "127.0.0.1:1".parse().unwrap(), runs: Vec::new() }
    }

    #[test]
    fn an_agent_that_came_again_is_found_after_its_old_connection_is_gone() {
        let mut roster = Roster::default();
        let hash = InfoHash([1; 20]);
        roster.insert(AgentConn(1), agent(Part::Peer, "a", 7));
        roster.insert(AgentConn(2), agent(Part::Peer, "a", 7));
        roster.remove(AgentConn(1));
        assert_eq!(roster.member(hash, PeerId([7; 20])), Some(AgentConn(2)));
        assert_eq!(roster.peer_of(hash, "a"), Some(AgentConn(2)));
        roster.remove(AgentConn(2));
        assert_eq!(roster.member(hash, PeerId([7; 20])), None);
        assert_eq!(roster.len(), 0);
    }

    #[test]
    fn a_seeder_is_not_taken_for_its_hosts_peer() {
        let mut roster = Roster::default();
        let hash = InfoHash([1; 20]);
        roster.insert(AgentConn(1), agent(Part::Peer, "a", 7));
        roster.insert(AgentConn(2), agent(Part::Seeder, "a", 8));
        assert_eq!(roster.peer_of(hash, "a"), Some(AgentConn(1)));
        assert_eq!(roster.of(Part::Seeder, Some(hash)), [AgentConn(2)]);
        assert!(roster.has_any_of(hash));
        assert!(!roster.has_any_of(InfoHash([0; 20])) && !roster.has_any_of(InfoHash([2; 20])));
        assert_eq!(roster.of(Part::Peer, Some(InfoHash([2; 20]))), []);
    }
}
