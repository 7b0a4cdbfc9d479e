//! The `.torrent` (BEP 3): one file, its name, its pieces and their hashes.
//!
//! Ours are private (BEP 27) and carry 16 random bytes in the info dictionary. Nobody can guess the
//! info hash, so whoever has the `.torrent`, which only travels over SSH, may join the swarm, and
//! nobody else can.

use sha1::{Digest, Sha1};

use crate::bencode::{BencodeError, Dict, Keys, Value};
use crate::wire::{ContentHash, InfoHash};
use crate::{Lengths, LengthsError, PieceIndex};

/// A torrent of one file, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metainfo {
    info_hash: InfoHash,
    name: String,
    lengths: Lengths,
    pieces: Vec<[u8; 20]>,
    sources: Sources,
    announce: Option<String>,
    about: Option<About>,
    index: Option<Vec<u8>>,
}

/// Where the members of a torrent may learn of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources {
    /// From its tracker only (BEP 27: `private` is 1).
    TrackerOnly,
    /// From wherever they can.
    Any,
}

/// What the archive of one of our torrents holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// A tree or one file.
    pub kind: Kind,
    /// Bytes of the files in it: an archive that unpacks to more is refused.
    pub tree_bytes: u64,
    /// Files, directories and links in it.
    pub entries: u64,
}

/// What was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory with what is in it.
    Tree,
    /// One file.
    File,
}

/// What a new torrent of ours is made from.
#[derive(Clone, Debug)]
pub struct MetainfoBuilder<'a> {
    /// The archive's name.
    pub name: &'a str,
    /// Its length, and that of its pieces.
    pub lengths: Lengths,
    /// SHA-1 of each piece in order.
    pub pieces: &'a [[u8; 20]],
    /// What is in the archive.
    pub about: About,
    /// Chance from the operating system.
    pub nonce: [u8; 16],
    /// The tracker's URL, if it is known already.
    pub announce: Option<String>,
    /// What helps to read the archive. No hash is over it, so readers take it for a hint. It is
    /// left out if it has more than 1 MiB.
    pub index: Option<Vec<u8>>,
}

/// Why bytes are not a torrent that we can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetainfoError {
    /// The bytes are not bencoded.
    #[error("not a torrent")]
    Bencode(#[from] BencodeError),
    /// They are something else than a dictionary.
    #[error("not a torrent: it is not a dictionary")]
    NotDict,
    /// A key is missing or of another type.
    #[error("the torrent has no {0}")]
    Missing(&'static str),
    /// A number that can't be right.
    #[error("the torrent's {key} is {value}, which can not be")]
    BadNumber {
        /// Its key.
        key: &'static str,
        /// The number.
        value: i64,
    },
    /// Pieces are held in memory until they are checked.
    #[error("the torrent's pieces have {0} bytes, more than the 64 MiB that are supported")]
    LongPieces(i64),
    /// The lengths do not fit together.
    #[error("the torrent's lengths can not be")]
    Lengths(#[from] LengthsError),
    /// There are more or fewer hashes than pieces.
    #[error("the torrent has {bytes} bytes of hashes for {pieces} pieces")]
    PieceHashes {
        /// Bytes of all hashes.
        bytes: usize,
        /// Number of pieces by the lengths.
        pieces: u32,
    },
    /// `files` instead of `length`.
    #[error("the torrent has several files; only torrents of one file are supported")]
    SeveralFiles,
    /// Only BEP 52.
    #[error("the torrent is of version 2 only; version 1 (BEP 3) is needed")]
    OnlyVersion2,
    /// A name that would leave its directory, or be no name at all.
    #[error("the torrent's name {0:?} is not usable as a file name")]
    BadName(String),
    /// `murder` is there, but not as we write it.
    #[error("the torrent's own part has no usable {0}")]
    BadAbout(&'static str),
}

impl Metainfo {
    /// Reads a `.torrent`.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        let value = Value::parse(bytes, Keys::Sorted)?;
        let dict = value.as_dict().ok_or(MetainfoError::NotDict)?;
        let info =
            dict.get("info").and_then(Value::as_dict).ok_or(MetainfoError::Missing("info"))?;
        let raw = dict.raw("info").ok_or(MetainfoError::Missing("info"))?;
        let name = text(info, "name")?;
        check_name(name)?;
        let lengths = parse_lengths(info)?;
        let about = info.get("murder").map(parse_about).transpose()?;
        Ok(Self {
            info_hash: InfoHash(Sha1::digest(raw).into()),
            name: name.to_owned(),
            lengths,
            pieces: parse_pieces(info, &lengths)?,
            sources: parse_sources(info),
            announce: dict.get("announce").and_then(Value::as_text).map(str::to_owned),
            about,
            index: dict.get(INDEX).and_then(Value::as_bytes).and_then(bounded).map(<[u8]>::to_vec),
        })
    }

    /// Writes the `.torrent` of an archive of ours.
    pub fn build(builder: &MetainfoBuilder<'_>) -> Result<Vec<u8>, MetainfoError> {
        let MetainfoBuilder { name, lengths, pieces, about, nonce, announce, index } = builder;
        check_name(name)?;
        check_pieces(pieces.as_flattened(), lengths)?;
        let kind = match about.kind {
            Kind::Tree => "tree",
            Kind::File => "file",
        };
        let murder = Dict::default()
            .with("entries", integer(about.entries))
            .with("kind", Value::Bytes(kind.as_bytes()))
            .with("nonce", Value::Bytes(nonce))
            .with("tree", integer(about.tree_bytes));
        let info = Dict::default()
            .with("length", integer(lengths.total()))
            .with("murder", Value::Dict(murder))
            .with("name", Value::Bytes(name.as_bytes()))
            .with("piece length", integer(lengths.piece_length().into()))
            .with("pieces", Value::Bytes(pieces.as_flattened()))
            .with("private", Value::Integer(PRIVATE));
        let mut dict = Dict::default().with("info", Value::Dict(info));
        if let Some(announce) = announce {
            dict = dict.with("announce", Value::Bytes(announce.as_bytes()));
        }
        if let Some(index) = index.as_deref().and_then(bounded) {
            dict = dict.with(INDEX, Value::Bytes(index));
        }
        let mut out = Vec::new();
        dict.encode(&mut out);
        Ok(out)
    }

    /// The torrent's name among trackers and peers.
    pub fn info_hash(&self) -> InfoHash {
        self.info_hash
    }

    /// The file's name: one path component, never `.` or `..`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long the file and its pieces are.
    pub fn lengths(&self) -> Lengths {
        self.lengths
    }

    /// SHA-1 of a piece of this torrent.
    pub fn piece_hash(&self, piece: PieceIndex) -> [u8; 20] {
        self.pieces[piece.get() as usize]
    }

    /// The same for two torrents of the same archive, whatever their names and nonces are.
    pub fn content(&self) -> ContentHash {
        let mut sha1 = Sha1::new();
        sha1.update(self.lengths.total().to_be_bytes());
        sha1.update(self.lengths.piece_length().to_be_bytes());
        sha1.update(self.pieces.as_flattened());
        ContentHash(sha1.finalize().into())
    }

    /// Where members may learn of each other.
    pub fn sources(&self) -> Sources {
        self.sources
    }

    /// The tracker's URL, if the torrent names one.
    pub fn announce(&self) -> Option<&str> {
        self.announce.as_deref()
    }

    /// What is in the archive, if the torrent is one of ours.
    pub fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// What helps to read the archive, if the torrent has it. Nothing vouches for it.
    pub fn index(&self) -> Option<&[u8]> {
        self.index.as_deref()
    }
}

fn parse_lengths(info: &Dict<'_>) -> Result<Lengths, MetainfoError> {
    if info.get("files").is_some() {
        return Err(MetainfoError::SeveralFiles);
    }
    if info.get("pieces").is_none() && info.get("meta version").is_some() {
        return Err(MetainfoError::OnlyVersion2);
    }
    let total = positive(info, "length")?;
    let piece = positive(info, "piece length")?;
    let piece = u32::try_from(piece)
        .ok()
        .filter(|piece| *piece <= MAX_PIECE)
        .ok_or(MetainfoError::LongPieces(i64::try_from(piece).unwrap_or(i64::MAX)))?;
    Ok(Lengths::new(total, piece)?)
}

fn parse_pieces(info: &Dict<'_>, lengths: &Lengths) -> Result<Vec<[u8; 20]>, MetainfoError> {
    let hashes = info.get("pieces").and_then(Value::as_bytes);
    let hashes = hashes.ok_or(MetainfoError::Missing("pieces"))?;
    check_pieces(hashes, lengths)?;
    Ok(hashes.as_chunks().0.to_vec())
}

fn parse_sources(info: &Dict<'_>) -> Sources {
    match info.get("private").and_then(Value::as_integer) {
        Some(PRIVATE) => Sources::TrackerOnly,
        _ => Sources::Any,
    }
}

fn parse_about(value: &Value<'_>) -> Result<About, MetainfoError> {
    let dict = value.as_dict().ok_or(MetainfoError::BadAbout("dictionary"))?;
    let count = |key| {
        let number = dict.get(key).and_then(Value::as_integer);
        number.and_then(|n| u64::try_from(n).ok()).ok_or(MetainfoError::BadAbout(key))
    };
    let kind = match dict.get("kind").and_then(Value::as_text) {
        Some("tree") => Kind::Tree,
        Some("file") => Kind::File,
        _ => return Err(MetainfoError::BadAbout("kind")),
    };
    if dict.get("nonce").and_then(Value::as_bytes).is_none_or(|nonce| nonce.len() != 16) {
        return Err(MetainfoError::BadAbout("nonce"));
    }
    Ok(About { kind, tree_bytes: count("tree")?, entries: count("entries")? })
}

fn check_name(name: &str) -> Result<(), MetainfoError> {
    let bad = matches!(name, "" | "." | "..")
        || name.len() > MAX_NAME
        || name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control());
    match bad {
        true => Err(MetainfoError::BadName(name.chars().take(MAX_NAME).collect())),
        false => Ok(()),
    }
}

fn check_pieces(hashes: &[u8], lengths: &Lengths) -> Result<(), MetainfoError> {
    match hashes.len() as u64 == u64::from(lengths.pieces()) * 20 {
        true => Ok(()),
        false => Err(MetainfoError::PieceHashes { bytes: hashes.len(), pieces: lengths.pieces() }),
    }
}

fn text<'a>(dict: &Dict<'a>, key: &'static str) -> Result<&'a str, MetainfoError> {
    dict.get(key).and_then(Value::as_text).ok_or(MetainfoError::Missing(key))
}

fn positive(dict: &Dict<'_>, key: &'static str) -> Result<u64, MetainfoError> {
    let value = dict.get(key).and_then(Value::as_integer).ok_or(MetainfoError::Missing(key))?;
    match u64::try_from(value) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(MetainfoError::BadNumber { key, value }),
    }
}

fn bounded(index: &[u8]) -> Option<&[u8]> {
    (index.len() <= MAX_INDEX).then_some(index)
}

fn integer(number: u64) -> Value<'static> {
    Value::Integer(i64::try_from(number).expect("lengths are below 8 EiB"))
}

/// Beside the info dictionary, where other clients ignore what they do not know.
const INDEX: &str = "murder index";
/// That of a tree of 512 GiB.
const MAX_INDEX: usize = 1 << 20;
/// BEP 27: "private=1".
const PRIVATE: i64 = 1;
/// A piece is held in memory until it is checked. No client writes longer ones.
const MAX_PIECE: u32 = 64 << 20;
/// Of ext4, XFS, Btrfs and tmpfs.
const MAX_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About = About { kind: Kind::Tree, tree_bytes: 300, entries: 4 };

    fn builder() -> MetainfoBuilder<'static> {
        MetainfoBuilder {
            name: "v1.tgz",
            lengths: Lengths::new(10, 4).unwrap(),
            pieces: &[[b'a'; 20], [b'b'; 20], [b'c'; 20]],
            about: ABOUT,
            nonce: *b"sixteen of them!",
            announce: None,
            index: None,
        }
    }

    fn foreign(info: &str) -> Result<Metainfo, MetainfoError> {
        Metainfo::parse(format!("d8:announce8:http://x4:infod{info}ee").as_bytes())
    }

    fn refused(info: &str) -> String {
        foreign(info).unwrap_err().to_string()
    }

    const HASH: &str = "6:pieces20:aaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn our_torrent_has_exactly_these_bytes() {
        let bytes = Metainfo::build(&builder()).unwrap();
        let expected = format!(
            "d4:infod6:lengthi10e6:murderd7:entriesi4e4:kind4:tree5:nonce16:sixteen of them!\
             4:treei300ee4:name6:v1.tgz12:piece lengthi4e6:pieces60:{}{}{}7:privatei1eee",
            "a".repeat(20),
            "b".repeat(20),
            "c".repeat(20),
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn our_torrent_is_read_as_it_was_built() {
        let bytes = Metainfo::build(&builder()).unwrap();
        let torrent = Metainfo::parse(&bytes).unwrap();
        let last = torrent.lengths().piece(2).unwrap();
        assert_eq!((torrent.name(), torrent.lengths()), ("v1.tgz", builder().lengths));
        assert_eq!((torrent.piece_hash(last), torrent.about()), ([b'c'; 20], Some(&ABOUT)));
        assert_eq!((torrent.sources(), torrent.announce()), (Sources::TrackerOnly, None));
    }

    #[test]
    fn the_info_hash_is_over_the_info_dictionary_only_and_changes_with_the_nonce() {
        let hash = |builder: &MetainfoBuilder<'_>| {
            Metainfo::parse(&Metainfo::build(builder).unwrap()).unwrap().info_hash()
        };
        let with_tracker =
            MetainfoBuilder { announce: Some("http://t/announce".into()), ..builder() };
        let other_nonce = MetainfoBuilder { nonce: [0; 16], ..builder() };
        assert_eq!(hash(&builder()), hash(&with_tracker));
        assert_ne!(hash(&builder()), hash(&other_nonce));
        let bytes = Metainfo::build(&builder()).unwrap();
        let info = &bytes[b"d4:info".len()..bytes.len() - 1];
        assert_eq!(hash(&builder()).0, <[u8; 20]>::from(Sha1::digest(info)));
    }

    #[test]
    fn the_content_is_that_of_the_archive_whatever_it_is_called() {
        let content = |builder: &MetainfoBuilder<'_>| {
            Metainfo::parse(&Metainfo::build(builder).unwrap()).unwrap().content()
        };
        let again = MetainfoBuilder { name: "v2.tgz", nonce: [0; 16], ..builder() };
        assert_eq!(content(&builder()), content(&again));
        let pieces = &[[b'a'; 20], [b'c'; 20], [b'b'; 20]];
        assert_ne!(content(&builder()), content(&MetainfoBuilder { pieces, ..builder() }));
        for (total, piece) in [(9, 4), (12, 4), (10, 5)] {
            let lengths = Lengths::new(total, piece).unwrap();
            let pieces = &builder().pieces[..lengths.pieces() as usize];
            let other = MetainfoBuilder { lengths, pieces, ..builder() };
            assert_ne!(content(&builder()), content(&other), "{total} {piece}");
        }
    }

    #[test]
    fn an_index_stands_beside_the_info_dictionary_and_changes_no_hash() {
        let bare = Metainfo::parse(&Metainfo::build(&builder()).unwrap()).unwrap();
        let with_index = MetainfoBuilder { index: Some(vec![0, 255]), ..builder() };
        let bytes = Metainfo::build(&with_index).unwrap();
        assert!(bytes.ends_with(b"7:privatei1ee12:murder index2:\0\xffe"));
        let torrent = Metainfo::parse(&bytes).unwrap();
        assert_eq!((bare.index(), torrent.index()), (None, Some([0, 255].as_slice())));
        assert_eq!(bare.info_hash(), torrent.info_hash());
    }

    #[test]
    fn a_torrent_of_somebody_else_is_read_and_its_unknown_keys_are_hashed() {
        let info = format!("3:fooi1e6:lengthi3e4:name1:x12:piece lengthi4e{HASH}");
        let torrent = foreign(&info).unwrap();
        assert_eq!(torrent.info_hash().0, <[u8; 20]>::from(Sha1::digest(format!("d{info}e"))));
        assert_eq!((torrent.about(), torrent.sources()), (None, Sources::Any));
        assert_eq!(torrent.announce(), Some("http://x"));
    }

    #[test]
    fn what_is_no_torrent_is_refused() {
        let refused = |bytes: &[u8]| Metainfo::parse(bytes).unwrap_err().to_string();
        assert_eq!(refused(b""), "not a torrent");
        assert_eq!(refused(b"<html>"), "not a torrent");
        assert_eq!(refused(b"le"), "not a torrent: it is not a dictionary");
        assert_eq!(refused(b"de"), "the torrent has no info");
    }

    #[test]
    fn missing_keys_are_named() {
        assert_eq!(refused("6:lengthi3e"), "the torrent has no name");
        assert_eq!(refused("4:name1:x"), "the torrent has no length");
        assert_eq!(refused("6:lengthi3e4:name1:x"), "the torrent has no piece length");
        let no_hashes = "6:lengthi3e4:name1:x12:piece lengthi4e";
        assert_eq!(refused(no_hashes), "the torrent has no pieces");
    }

    #[test]
    fn lengths_that_can_not_be_are_refused() {
        let refused = |length: i64, piece: i64| {
            refused(&format!("6:lengthi{length}e4:name1:x12:piece lengthi{piece}e{HASH}"))
        };
        assert_eq!(refused(0, 4), "the torrent's length is 0, which can not be");
        assert_eq!(refused(-1, 4), "the torrent's length is -1, which can not be");
        assert_eq!(refused(4, 0), "the torrent's piece length is 0, which can not be");
        assert_eq!(
            refused(4, (64 << 20) + 1),
            "the torrent's pieces have 67108865 bytes, more than the 64 MiB that are supported"
        );
        assert_eq!(refused(1 << 40, 1), "the torrent's lengths can not be");
        assert_eq!(refused(5, 4), "the torrent has 20 bytes of hashes for 2 pieces");
    }

    #[test]
    fn several_files_and_version_2_are_refused_by_name() {
        assert_eq!(
            refused("5:filesle4:name1:x"),
            "the torrent has several files; only torrents of one file are supported"
        );
        assert_eq!(
            refused("12:meta versioni2e4:name1:x"),
            "the torrent is of version 2 only; version 1 (BEP 3) is needed"
        );
    }

    #[test]
    fn a_name_is_one_path_component() {
        for name in ["", ".", "..", "a/b", "/etc", "a\\b", "a\0b", "a\nb", &"x".repeat(256)] {
            let error = refused(&format!("4:name{}:{name}", name.len()));
            let shown = &name[..name.len().min(255)];
            assert_eq!(error, format!("the torrent's name {shown:?} is not usable as a file name"));
            let error = Metainfo::build(&MetainfoBuilder { name, ..builder() }).unwrap_err();
            assert!(matches!(error, MetainfoError::BadName(_)));
        }
    }

    #[test]
    fn our_own_part_is_there_wholly_or_not_at_all() {
        let refused = |murder: &str| {
            let murder = format!("6:murder{murder}");
            refused(&format!("6:lengthi3e{murder}4:name1:x12:piece lengthi4e{HASH}"))
        };
        assert_eq!(refused("i1e"), "the torrent's own part has no usable dictionary");
        assert_eq!(refused("de"), "the torrent's own part has no usable kind");
        assert_eq!(refused("d4:kind4:treee"), "the torrent's own part has no usable nonce");
        let nonce = "5:nonce16:0123456789abcdef";
        assert_eq!(
            refused(&format!("d4:kind4:tree{nonce}4:treei-1ee")),
            "the torrent's own part has no usable tree"
        );
        assert_eq!(
            refused(&format!("d4:kind4:tree{nonce}4:treei1ee")),
            "the torrent's own part has no usable entries"
        );
    }

    #[test]
    fn more_or_fewer_hashes_than_pieces_are_not_built() {
        let error =
            Metainfo::build(&MetainfoBuilder { pieces: &[[0; 20]], ..builder() }).unwrap_err();
        assert_eq!(error.to_string(), "the torrent has 20 bytes of hashes for 3 pieces");
    }

    #[test]
    fn broken_torrents_never_panic() {
        let whole = Metainfo::build(&builder()).unwrap();
        let mut chance = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let mut broken = whole.clone();
            for _ in 0..chance.usize(1..4) {
                let at = chance.usize(..broken.len());
                match chance.u8(..3) {
                    0 => broken[at] = chance.u8(..),
                    1 => broken[at] = b"0123456789-:ilde"[chance.usize(..16)],
                    _ => drop(broken.remove(at)),
                }
            }
            let _ = Metainfo::parse(&broken);
        }
    }
}
