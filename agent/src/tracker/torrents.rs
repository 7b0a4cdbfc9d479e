//! The torrents that a tracker answers for.

use std::collections::BTreeMap;

use murder_protocol::verbs::TorrentSummary;
use murder_protocol::{Blame, Bytes, Failure, Format, Secret, Tag};
use murder_swarm::metainfo::{Kind, Metainfo};
use murder_swarm::wire::{InfoHash, PeerId};
use serde::{Deserialize, Serialize};

use super::serial;
use crate::blamed::chain;

/// A torrent that was registered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Torrent {
    /// What it is called on the fleet.
    pub tag: Tag,
    /// Its name among peers.
    #[serde(with = "serial::text")]
    pub info_hash: InfoHash,
    /// The metainfo file.
    pub file: Bytes,
    /// What stands in it.
    pub summary: TorrentSummary,
    /// What its seeders show.
    pub key: Secret,
    standing: Standing,
    /// Bytes that its seeders have sent, by seeder.
    sent: BTreeMap<String, u64>,
}

/// Whether a tag still means the torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    /// It does.
    Current,
    /// Another one was registered under the tag; runs that began before go on.
    Replaced,
}

impl Torrent {
    /// Bytes that its seeders have sent in all.
    pub fn sent(&self) -> u64 {
        self.sent.values().sum()
    }

    /// A seeder has sent so much since its process began.
    pub fn note_sent(&mut self, seeder: &PeerId, bytes: u64) {
        let sent = self.sent.entry(seeder.to_string()).or_default();
        *sent = bytes.max(*sent);
    }
}

/// All of them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Torrents(Vec<Torrent>);

impl Torrents {
    /// Registers a torrent under a tag, in place of the one before. The same torrent again keeps
    /// its key, so that a seeder that runs goes on.
    pub fn register(&mut self, tag: Tag, file: Bytes, key: Secret) -> Result<&Torrent, Failure> {
        let metainfo = Metainfo::parse(&file.0).map_err(|error| {
            let why = chain(&error);
            Failure::new(Blame::Operator, format!("the torrent of tag {tag} is unusable: {why}"))
                .hint(format!("run murder create_torrent tag={tag} again"))
        })?;
        let summary = summary(&metainfo);
        let info_hash = metainfo.info_hash();
        for torrent in self.0.iter_mut().filter(|torrent| torrent.tag == tag) {
            torrent.standing = Standing::Replaced;
        }
        let found = self.0.iter().position(|t| t.info_hash == info_hash && t.tag == tag);
        let mut torrent = match found {
            Some(at) => self.0.remove(at),
            None => {
                let sent = BTreeMap::new();
                Torrent { tag, info_hash, file, summary, key, standing: Standing::Current, sent }
            }
        };
        torrent.standing = Standing::Current;
        self.0.push(torrent);
        Ok(&self.0[self.0.len() - 1])
    }

    /// The torrent that a tag means.
    pub fn of_tag(&self, tag: &Tag) -> Option<&Torrent> {
        self.0.iter().find(|torrent| torrent.tag == *tag && torrent.standing == Standing::Current)
    }

    /// Those with an info hash: more than one if it was registered under several tags.
    pub fn of_hash(&self, info_hash: InfoHash) -> impl Iterator<Item = &Torrent> {
        self.0.iter().filter(move |torrent| torrent.info_hash == info_hash)
    }

    /// The same, to change them.
    pub fn of_hash_mut(&mut self, info_hash: InfoHash) -> impl Iterator<Item = &mut Torrent> {
        self.0.iter_mut().filter(move |torrent| torrent.info_hash == info_hash)
    }

    /// The info hashes of all.
    pub fn hashes(&self) -> impl Iterator<Item = InfoHash> {
        self.0.iter().map(|torrent| torrent.info_hash)
    }

    /// Forgets torrents that nobody uses: those that no tag means any more, and the oldest ones
    /// beyond a number. Gives the info hashes that nothing has any more.
    pub fn forget(&mut self, used: impl Fn(&Torrent) -> bool) -> Vec<InfoHash> {
        let before: Vec<_> = self.hashes().collect();
        let mut surplus = self.0.len().saturating_sub(MOST_TORRENTS);
        self.0.retain(|torrent| {
            let keep = used(torrent) || (torrent.standing == Standing::Current && surplus == 0);
            surplus = surplus.saturating_sub(usize::from(!keep));
            keep
        });
        before.into_iter().filter(|hash| self.of_hash(*hash).next().is_none()).collect()
    }
}

/// What stands in a torrent. One that is not ours has no tree to speak of.
pub(crate) fn summary(metainfo: &Metainfo) -> TorrentSummary {
    let lengths = metainfo.lengths();
    let about = metainfo.about();
    TorrentSummary {
        format: Format::of(metainfo.name()),
        info_hash: metainfo.info_hash().to_string(),
        archive_bytes: lengths.total(),
        tree_bytes: about.map_or(0, |about| about.tree_bytes),
        entries: about.map_or(0, |about| about.entries),
        pieces: lengths.pieces(),
        piece_length: lengths.piece_length(),
        path_is_file: about.is_some_and(|about| about.kind == Kind::File),
    }
}

/// A torrent has up to a megabyte, and all of them are written each time the file is.
const MOST_TORRENTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::testing::torrent_file;

    fn key(text: &str) -> Secret {
        Secret(text.to_owned())
    }

    fn tag() -> Tag {
        "v1".parse().unwrap()
    }

    #[test]
    fn the_same_torrent_again_keeps_its_key() {
        let mut torrents = Torrents::default();
        torrents.register(tag(), torrent_file(1), key("first")).unwrap();
        let again = torrents.register(tag(), torrent_file(1), key("second")).unwrap();
        assert_eq!(again.key, key("first"));
        assert_eq!(again.summary.archive_bytes, 100);
    }

    #[test]
    fn another_torrent_takes_the_tag_and_the_one_before_stays_while_it_is_used() {
        let mut torrents = Torrents::default();
        let old = torrents.register(tag(), torrent_file(1), key("a")).unwrap().info_hash;
        let new = torrents.register(tag(), torrent_file(2), key("b")).unwrap().info_hash;
        assert_eq!(torrents.of_tag(&tag()).unwrap().info_hash, new);
        assert_eq!(torrents.forget(|_| true), []);
        assert!(torrents.of_hash(old).next().is_some());
        assert_eq!(torrents.forget(|_| false), [old]);
        assert!(torrents.of_hash(new).next().is_some());
    }

    #[test]
    fn the_oldest_torrents_that_nobody_uses_are_forgotten_beyond_a_number() {
        let mut torrents = Torrents::default();
        for number in 0..70 {
            let tag = format!("v{number}").parse().unwrap();
            torrents.register(tag, torrent_file(number), key("k")).unwrap();
        }
        let first = torrents.of_tag(&"v0".parse().unwrap()).unwrap().info_hash;
        let gone = torrents.forget(|torrent| torrent.info_hash == first);
        assert_eq!((gone.len(), torrents.hashes().count()), (6, 64));
        assert!(torrents.of_tag(&"v0".parse().unwrap()).is_some());
        assert!(torrents.of_tag(&"v6".parse().unwrap()).is_none());
        assert!(torrents.of_tag(&"v7".parse().unwrap()).is_some());
    }

    #[test]
    fn bytes_that_are_no_torrent_are_refused() {
        let mut torrents = Torrents::default();
        let failure = torrents.register(tag(), Bytes(b"hi".to_vec()), key("k")).unwrap_err();
        let text = failure.to_string();
        assert!(text.starts_with("the torrent of tag v1 is unusable: "), "{text}");
        assert!(text.ends_with("(run murder create_torrent tag=v1 again)"), "{text}");
    }

    #[test]
    fn each_seeders_upload_counts_once() {
        let mut torrents = Torrents::default();
        let hash = torrents.register(tag(), torrent_file(1), key("a")).unwrap().info_hash;
        let torrent = torrents.of_hash_mut(hash).next().unwrap();
        for (seeder, bytes) in [(1, 10), (1, 30), (1, 20), (2, 5)] {
            torrent.note_sent(&PeerId([seeder; 20]), bytes);
        }
        assert_eq!(torrent.sent(), 35);
    }
}
