//! `torrent-create`, `torrent-receive` and `torrent-read`: from a path of this host, or of the
//! machine where `pack` runs, to a torrent; and that again.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use murder_protocol::verbs::{
    Compression, CreateEvent, Pack, PackEvent, PackReply, TorrentCreate, TorrentRead,
    TorrentReceive, TorrentReply,
};
use murder_protocol::{Blame, Bytes, Failure, Format, Frame, Tag, encode};
use murder_swarm::metainfo::{Kind, Metainfo, MetainfoBuilder};
use murder_swarm::piece_length;

use super::Replies;
use crate::archive::{self, Exclude, Level, PackRequest, Packed, pack, pack_into};
use crate::blamed::{Blamed as _, chain};
use crate::home::{ArchiveFiles, Home, expand};
use crate::roles::load_torrent;
use crate::status::write_private;
use crate::tracker::torrents::summary;

/// Packs, and makes the torrent. Archive and torrent of before stay until the new ones are whole.
pub(super) fn create(
    request: TorrentCreate,
    home: &Home,
    replies: &mut Replies<TorrentCreate>,
) -> Result<TorrentReply, Failure> {
    let temp = request.temp_path.as_deref();
    let packing =
        packing(source(&request)?, request.path_is_file, &request.exclude, request.compression)?;
    let output = Output::of(home, &request.tag, request.compression.format(), temp)?;
    let mut throttle = Throttle::default();
    let packed = pack(&packing, &output.files.archive, &mut |bytes, total| {
        if throttle.is_due(bytes == total) {
            // Whether somebody still listens or not, the torrent is made.
            let _ = replies.event(CreateEvent { bytes, total });
        }
    })
    .map_err(|error| error.failure())?;
    output.publish(packed)
}

/// Takes in an archive that another machine packs, and makes the torrent.
pub(super) fn receive(
    request: TorrentReceive,
    home: &Home,
    _replies: &mut Replies<TorrentReceive>,
) -> Result<TorrentReply, Failure> {
    let temp = request.temp_path.as_deref();
    let output = Output::of(home, &request.tag, request.format, temp)?;
    let archive = &output.files.archive;
    let packed = archive::receive(&mut io::stdin().lock(), kind(request.path_is_file), archive);
    output.publish(packed.map_err(|error| error.failure())?)
}

/// Packs into the reply.
pub(super) fn send(request: Pack, replies: &mut Replies<Pack>) -> Result<PackReply, Failure> {
    let Pack { path, path_is_file, exclude, compression } = request;
    let packing = packing(path.into(), path_is_file, &exclude, compression)?;
    let read = Cell::new(0);
    let begin = |tree_bytes| {
        let piece_length = piece_length(tree_bytes);
        replies.event(PackEvent::Begins { tree_bytes, piece_length })
    };
    let sent = pack_into(&packing, &mut Packets { read: &read }, begin, &mut |bytes, _| {
        read.set(bytes);
    })
    .map_err(|error| error.failure())?;
    Ok(PackReply {
        entries: sent.about.entries,
        archive_bytes: sent.total,
        pieces: Bytes(sent.pieces.into_flattened()),
        index: Bytes(sent.members.encode()),
    })
}

/// Stdout, where each packet of bytes follows the line that announces it.
struct Packets<'a> {
    read: &'a Cell<u64>,
}

impl Write for Packets<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let event = PackEvent::Bytes { length, read: self.read.get() };
        let mut stdout = io::stdout().lock();
        stdout.write_all(encode(&Frame::<PackEvent, PackReply>::Event(event)).as_bytes())?;
        stdout.write_all(&bytes[..length as usize])?;
        stdout.flush()?;
        Ok(length as usize)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn packing(
    source: PathBuf,
    path_is_file: bool,
    exclude: &[String],
    compression: Compression,
) -> Result<PackRequest, Failure> {
    let exclude = Exclude::parse(exclude).map_err(|error| {
        let hint = "write glob patterns, such as exclude='*.o'";
        Failure::new(Blame::Operator, error.to_string()).hint(hint)
    })?;
    let level = match compression {
        Compression::Gzip(level) => Level::Deflate(level.clamp(1, 9).into()),
        Compression::Zstd(level) => Level::Zstd(level.clamp(1, 4).into()),
        Compression::None => Level::Store,
    };
    Ok(PackRequest { source, kind: kind(path_is_file), exclude, level })
}

const fn kind(path_is_file: bool) -> Kind {
    if path_is_file { Kind::File } else { Kind::Tree }
}

/// Where an archive and its torrent go.
struct Output {
    /// What the archive is called.
    name: String,
    files: ArchiveFiles,
    /// Those of an archive of the same tag that is of the other format.
    other: ArchiveFiles,
}

impl Output {
    fn of(home: &Home, tag: &Tag, format: Format, temp: Option<&str>) -> Result<Self, Failure> {
        let files = |format| home.files(tag, format, temp).map_err(|error| error.failure());
        Ok(Self { name: format.name(tag), files: files(format)?, other: files(format.other())? })
    }

    /// Gives the archive its name, and makes its torrent.
    fn publish(self, packed: Packed) -> Result<TorrentReply, Failure> {
        let Self { name, files, other } = self;
        let torrent = metainfo(&name, &packed)?;
        // An archive beside the torrent of another one would be served for it.
        remove_old(&files.torrent)?;
        remove_old(&other.torrent)?;
        packed.publish().map_err(|error| error.failure())?;
        remove_old(&other.archive)?;
        write_private(&files.torrent, &torrent)
            .map_err(|error| host("write", &files.torrent, &error))?;
        reply(torrent)
    }
}

/// Reads the torrent that was made before.
pub(super) fn read(
    request: TorrentRead,
    home: &Home,
    _replies: &mut Replies<TorrentRead>,
) -> Result<TorrentReply, Failure> {
    let tag = &request.tag;
    let path = home.torrent(tag, request.temp_path.as_deref()).map_err(|error| error.failure())?;
    if !path.exists() {
        let text = format!("there is no torrent of tag {tag} at {}", path.display());
        let hint = format!("run create_torrent tag={tag} first, with the same temp_path");
        return Err(Failure::new(Blame::Operator, text).hint(hint));
    }
    load_torrent(&path, tag).map_err(|error| error.failure())?;
    reply(std::fs::read(&path).map_err(|error| host("read", &path, &error))?)
}

fn source(request: &TorrentCreate) -> Result<PathBuf, Failure> {
    if request.files_path.is_empty() {
        let hint = "give it the directory or file on the seeder that is to be distributed";
        return Err(Failure::new(Blame::Operator, "files_path is empty").hint(hint));
    }
    expand(&request.files_path).map_err(|error| error.failure())
}

fn metainfo(name: &str, packed: &Packed) -> Result<Vec<u8>, Failure> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| {
        Failure::new(Blame::Host, format!("the system gives no random numbers: {error}"))
    })?;
    let builder = MetainfoBuilder {
        name,
        lengths: packed.lengths,
        pieces: &packed.pieces,
        about: packed.about,
        nonce,
        announce: None,
        index: Some(packed.members.encode()),
    };
    Metainfo::build(&builder).map_err(|error| Failure::new(Blame::Bug, chain(&error)))
}

fn reply(torrent: Vec<u8>) -> Result<TorrentReply, Failure> {
    let metainfo =
        Metainfo::parse(&torrent).map_err(|error| Failure::new(Blame::Bug, chain(&error)))?;
    Ok(TorrentReply { summary: summary(&metainfo), torrent: Bytes(torrent) })
}

fn remove_old(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(host("remove", path, &error))
        }
        _ => Ok(()),
    }
}

fn host(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Blame::Host, format!("could not {what} {}: {error}", path.display()))
}

/// Lets a first event through, and then at most ten a second: each is a line over SSH.
#[derive(Default)]
struct Throttle {
    last: Option<Instant>,
}

impl Throttle {
    fn is_due(&mut self, is_last: bool) -> bool {
        let now = Instant::now();
        let is_due = is_last || self.last.is_none_or(|last| now - last >= BETWEEN_EVENTS);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

const BETWEEN_EVENTS: Duration = Duration::from_millis(100);
