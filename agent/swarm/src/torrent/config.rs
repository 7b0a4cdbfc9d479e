//! The numbers that a torrent runs by, tuned for a data centre.

use std::time::Duration;

/// How a [`Torrent`](super::Torrent) behaves. [`Config::default`] is what a fleet runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many peers are served at once. Few, so that whole pieces arrive early and can be passed
    /// on, and enough for an answer of one to be waited for while others are served.
    pub upload_slots: usize,
    /// How many peers are downloaded from at once, while that fills the link. In balance with
    /// `upload_slots`: with three on one side and two on the other, simulated swarms take 1.2 to 1.4
    /// times as long.
    pub download_slots: usize,
    /// How many connections are dialled for. With 20 instead of 30 a simulated swarm of
    /// 1,000 takes 2 % longer.
    pub degree: usize,
    /// How many connections there may be. The difference to `degree` is kept for those who come
    /// late, who would otherwise find every peer full.
    pub max_connections: usize,
    /// The longest block that is asked of and served to other agents, in bytes.
    pub block: u32,
    /// The least bytes asked for ahead of one peer.
    pub pipeline_floor: u32,
    /// The most bytes asked for ahead of one peer.
    pub pipeline_cap: u32,
    /// The most bytes handed to the shell to be sent to one peer and not yet sent. Slower peers
    /// get less: what waits beyond can still be cancelled, and ends with the peer's turn.
    pub send_ahead: u32,
    /// The most requests one peer may have waiting here; BEP 10 calls it `reqq`.
    pub max_queue: usize,
    /// How long a peer that owes us a block may say nothing until it is replaced.
    pub silence: Duration,
    /// How long a peer may leave what we send it unread until it is dropped.
    pub unread: Duration,
    /// A connection on which nothing was said for so long gets a keep-alive. BEP 3 has "every two
    /// minutes"; a little less leaves room for the way.
    pub keep_alive: Duration,
    /// A connection on which nothing was heard for so long is dropped.
    pub quiet: Duration,
    /// How long a peer holds an upload slot while others wait for one, if its piece ends then. On
    /// a fast link its turn is over earlier, with a sixteenth of what is here, and on one that is too
    /// slow for two pieces in that time it goes on for longer.
    pub slot_time: Duration,
    /// The port that other peers can dial, which they are told (BEP 10, `p`).
    pub listen_port: Option<u16>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            upload_slots: 4,
            download_slots: 4,
            degree: 30,
            max_connections: 60,
            block: 64 * 1024,
            pipeline_floor: 64 * 1024,
            pipeline_cap: 8 * 1024 * 1024,
            send_ahead: 2 * 1024 * 1024,
            max_queue: 512,
            silence: Duration::from_secs(5),
            unread: Duration::from_secs(20),
            keep_alive: Duration::from_secs(100),
            quiet: Duration::from_secs(180),
            slot_time: Duration::from_secs(1),
            listen_port: None,
        }
    }
}
