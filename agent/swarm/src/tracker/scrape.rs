//! How many are in a swarm (BEP 48).

use crate::wire::InfoHash;

/// Members of one swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Members that have everything.
    pub complete: u32,
    /// Members that lack something.
    pub incomplete: u32,
    /// How many have completed since the torrent was registered.
    pub downloaded: u32,
}

/// One torrent of an answer to `/scrape`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapeEntry {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Its members.
    pub tally: Tally,
}
