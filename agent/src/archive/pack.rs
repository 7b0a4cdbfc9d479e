//! Packs a tree: walk, tar, members, piece hashes and file, or stream, in one pass.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use murder_protocol::Blame;
use murder_swarm::metainfo::{About, Kind};
use murder_swarm::{Lengths, LengthsError, piece_length};
use rustix::fs::OFlags;
use tar::EntryType;

use super::codec::Level;
use super::exclude::Exclude;
use super::member_writer::MemberWriter;
use super::members::{Members, member_length};
use super::new_file::NewFile;
use super::pieces::{PieceWriter, Pieces};
use super::stamp::Stamp;
use super::tarball::{self, Head};
use super::walk::{Node, NodeKind, Tree, special, walk_file, walk_tree};
use crate::blamed::Blamed;

/// What to pack.
#[derive(Clone, Debug)]
pub struct PackRequest {
    /// The directory or file, absolute. If it is a symlink, what it leads to is packed.
    pub source: PathBuf,
    /// What the operator says that it is.
    pub kind: Kind,
    /// What is left out of a tree.
    pub exclude: Exclude,
    /// With what to compress, and how hard.
    pub level: Level,
}

/// An archive that is complete on disk, beside its final path.
#[derive(Debug)]
pub struct Packed {
    /// How long the archive and its pieces are.
    pub lengths: Lengths,
    /// SHA-1 of each piece in order.
    pub pieces: Vec<[u8; 20]>,
    /// Where its members are.
    pub members: Members,
    /// What is in it.
    pub about: About,
    file: NewFile,
}

impl Packed {
    pub(super) fn of(sent: Sent, file: NewFile, piece_length: u32) -> Result<Self, PackError> {
        file.file.sync_all().map_err(|error| file.failed(error))?;
        let Sent { total, pieces, members, about } = sent;
        Ok(Self { lengths: Lengths::new(total, piece_length)?, pieces, members, about, file })
    }

    /// Gives the archive its final name. Without it the archive is removed.
    pub fn publish(self) -> Result<(), PackError> {
        self.file.publish()
    }
}

/// What was packed.
#[derive(Debug)]
pub struct Sent {
    /// Bytes of the archive.
    pub total: u64,
    /// SHA-1 of each piece in order.
    pub pieces: Vec<[u8; 20]>,
    /// Where its members are.
    pub members: Members,
    /// What is in it.
    pub about: About,
}

/// Packs into a file beside `archive`, and says after each file or so how many of how many bytes
/// were read.
pub fn pack(
    request: &PackRequest,
    archive: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Packed, PackError> {
    let folder = archive.parent().and_then(|folder| folder.metadata().ok());
    let tree = list(request, folder.map(|folder| Stamp::of(&folder)))?;
    let file = NewFile::create(archive)?;
    let sent = stream(request, &tree, &mut &file.file, &|error| file.failed(error), progress)?;
    Packed::of(sent, file, piece_length(tree.bytes))
}

/// Packs into a stream. `begin` hears of the bytes in the tree before any are read.
pub fn pack_into(
    request: &PackRequest,
    out: &mut dyn Write,
    begin: impl FnOnce(u64) -> io::Result<()>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Sent, PackError> {
    let tree = list(request, None)?;
    begin(tree.bytes).map_err(PackError::Stream)?;
    stream(request, &tree, out, &PackError::Stream, progress)
}

fn stream(
    request: &PackRequest,
    tree: &Tree,
    out: &mut dyn Write,
    failed: &dyn Fn(io::Error) -> PackError,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Sent, PackError> {
    let out = PieceWriter::new(out, piece_length(tree.bytes));
    let out = MemberWriter::new(out, member_length(tree.bytes), request.level).map_err(failed)?;
    let mut packing = Packing {
        root: root_of(request),
        tree,
        out,
        failed,
        progress,
        bytes: 0,
        buffer: vec![0; BUFFER],
    };
    packing.entries()?;
    packing.look_again()?;
    let (out, members) = packing.finish().map_err(failed)?;
    let (_, Pieces { total, hashes }) = out.finish();
    let about =
        About { kind: request.kind, tree_bytes: tree.bytes, entries: tree.nodes.len() as u64 };
    Ok(Sent { total, pieces: hashes, members, about })
}

/// `own` is the folder that the archive goes to.
fn list(request: &PackRequest, own: Option<Stamp>) -> Result<Tree, PackError> {
    let source = &request.source;
    let metadata = source.metadata().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => PackError::Missing(source.clone()),
        _ => PackError::read(source, error),
    })?;
    if let Some(what) = special(metadata.file_type()) {
        return Err(PackError::Special { path: source.clone(), what });
    }
    match (request.kind, metadata.is_dir()) {
        (Kind::Tree, true) => walk_tree(source, &request.exclude, own),
        (Kind::Tree, false) => Err(PackError::IsFile(source.clone())),
        (Kind::File, true) => Err(PackError::IsDirectory(source.clone())),
        (Kind::File, false) => walk_file(source),
    }
}

/// What the nodes' paths are relative to.
fn root_of(request: &PackRequest) -> &Path {
    match request.kind {
        Kind::Tree => &request.source,
        Kind::File => request.source.parent().unwrap_or(Path::new("/")),
    }
}

struct Packing<'a, W> {
    root: &'a Path,
    tree: &'a Tree,
    out: MemberWriter<W>,
    failed: &'a dyn Fn(io::Error) -> PackError,
    progress: &'a mut dyn FnMut(u64, u64),
    bytes: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Packing<'_, W> {
    fn entries(&mut self) -> Result<(), PackError> {
        (self.progress)(0, self.tree.bytes);
        for node in &self.tree.nodes {
            match &node.kind {
                NodeKind::Directory => self.plain(node, EntryType::Directory, b"")?,
                NodeKind::Symlink(target) => self.plain(node, EntryType::Symlink, target)?,
                NodeKind::HardLink(first) => {
                    self.plain(node, EntryType::Link, &self.tree.nodes[*first].path)?;
                }
                NodeKind::File => self.file(node)?,
            }
        }
        (self.progress)(self.bytes, self.tree.bytes);
        Ok(())
    }

    fn plain(&mut self, node: &Node, kind: EntryType, link: &[u8]) -> Result<(), PackError> {
        let path = match kind {
            EntryType::Directory if node.path.is_empty() => b"./".to_vec(),
            EntryType::Directory => [&node.path, b"/".as_slice()].concat(),
            _ => node.path.clone(),
        };
        self.begin(&Head { kind, path: &path, link, stamp: &node.stamp, size: 0 })
    }

    fn begin(&mut self, head: &Head<'_>) -> Result<(), PackError> {
        let blocks = head.blocks();
        let content = head.size + tarball::padding(head.size).len() as u64;
        let begun = self.out.begin_entry(blocks.len() as u64 + content);
        let written = begun.and_then(|()| self.out.write_all(&blocks));
        written.map_err(self.failed)
    }

    fn file(&mut self, node: &Node) -> Result<(), PackError> {
        let path = node.locate(self.root);
        let read = |error| PackError::read(&path, error);
        // Not waiting for a writer, should the file have become a named pipe meanwhile.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let mut file = File::options().read(true).custom_flags(flags).open(&path).map_err(read)?;
        let is_same =
            |metadata: &std::fs::Metadata| Stamp::of(metadata).is_same_content(&node.stamp);
        if !is_same(&file.metadata().map_err(read)?) {
            return Err(PackError::Changed(path));
        }
        let Stamp { size, .. } = node.stamp;
        let head = Head {
            kind: EntryType::Regular,
            path: &node.path,
            link: b"",
            stamp: &node.stamp,
            size,
        };
        self.begin(&head)?;
        let mut left = size;
        loop {
            let got = file.read(&mut self.buffer).map_err(read)?;
            match left.checked_sub(got as u64) {
                None => return Err(PackError::Changed(path)),
                Some(rest) => left = rest,
            }
            if got == 0 {
                break;
            }
            let written = self.out.write_all(&self.buffer[..got]);
            written.map_err(self.failed)?;
            self.bytes += got as u64;
            (self.progress)(self.bytes, self.tree.bytes);
        }
        if left > 0 || !is_same(&file.metadata().map_err(read)?) {
            return Err(PackError::Changed(path));
        }
        let padding = tarball::padding(size);
        self.out.write_all(padding).map_err(self.failed)
    }

    fn finish(mut self) -> io::Result<(W, Members)> {
        self.out.begin_entry(tarball::END.len() as u64)?;
        self.out.write_all(tarball::END)?;
        self.out.finish()
    }

    /// An archive is the tree of one moment only if nothing in it has changed since the walk.
    fn look_again(&self) -> Result<(), PackError> {
        for node in &self.tree.nodes {
            let path = node.locate(self.root);
            let metadata = match (&node.kind, node.path.is_empty()) {
                (NodeKind::File, _) | (_, true) => path.metadata(),
                _ => path.symlink_metadata(),
            };
            if !metadata.is_ok_and(|it| Stamp::of(&it).is_same_content(&node.stamp)) {
                return Err(PackError::Changed(path));
            }
        }
        Ok(())
    }
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// There is nothing at the path.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// There is nothing in it, or all of it is left out.
    #[error("{} has nothing in it to distribute", .0.display())]
    Nothing(PathBuf),
    /// A file where a directory was meant.
    #[error("{} is a file and not a directory", .0.display())]
    IsFile(PathBuf),
    /// A directory where a file was meant.
    #[error("{} is a directory and not a file", .0.display())]
    IsDirectory(PathBuf),
    /// Nothing that could be distributed.
    #[error("{} is {what}", path.display())]
    Special {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The archive would hold itself.
    #[error("the archive is to be written to {}, which is part of what goes into it", .0.display())]
    OwnFolder(PathBuf),
    /// It is not as it was at the beginning.
    #[error("{} changed while it was packed", .0.display())]
    Changed(PathBuf),
    /// It can't be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The archive can't be written.
    #[error("could not write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Nobody takes the stream any more.
    #[error("could not send the archive on")]
    Stream(#[source] io::Error),
    /// The stream ended early, or it is none.
    #[error("the archive did not arrive whole: {0}")]
    Cut(String),
    /// What came is not what was sent.
    #[error("what arrived of the archive is not what was sent: {0}")]
    Differs(&'static str),
    /// Somebody else is at it.
    #[error("another create_torrent is writing {}", .0.display())]
    Busy(PathBuf),
    /// More pieces than the wire can count.
    #[error("the archive can't be cut into pieces")]
    Lengths(#[from] LengthsError),
}

impl PackError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }
}

impl Blamed for PackError {
    fn blame(&self) -> Blame {
        match self {
            Self::Read { .. } | Self::Write { .. } => Blame::Host,
            Self::Stream(_) | Self::Cut(_) | Self::Differs(_) => Blame::Network,
            Self::Lengths(_) => Blame::Bug,
            _ => Blame::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing(_) => "give a path that exists there",
            Self::Nothing(_) => "give a directory with files, or exclude less",
            Self::IsFile(_) => "add path_is_file=1",
            Self::IsDirectory(_) => "leave path_is_file out",
            Self::Special { .. } => "remove it or exclude it",
            Self::OwnFolder(_) => "exclude that folder, or set temp_path to another one",
            Self::Changed(_) => "stop what writes to it, and create the torrent again",
            Self::Busy(_) => "wait for it to end",
            Self::Cut(_) | Self::Differs(_) => "create the torrent again",
            Self::Read { .. } | Self::Write { .. } | Self::Stream(_) | Self::Lengths(_) => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}

const BUFFER: usize = 256 << 10;
