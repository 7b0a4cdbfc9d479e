//! Packs a tree: walk, tar, gzip, piece hashes and file in one pass.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use murder_protocol::Blame;
use murder_swarm::metainfo::{About, Kind};
use murder_swarm::{Lengths, LengthsError};
use rustix::fs::{FlockOperation, OFlags, flock};
use tar::EntryType;

use super::exclude::Exclude;
use super::gzip::{GzipWriter, Level};
use super::members::{Members, member_length};
use super::pieces::{PieceWriter, Pieces, piece_length};
use super::stamp::Stamp;
use super::tarball::{self, Head};
use super::walk::{Node, NodeKind, Tree, special, walk_file, walk_tree};
use crate::blamed::Blamed;

/// What to pack, and where to.
#[derive(Clone, Debug)]
pub struct PackRequest {
    /// The directory or file, absolute. If it is a symlink, what it leads to is packed.
    pub source: PathBuf,
    /// What the operator says that it is.
    pub kind: Kind,
    /// What is left out of a tree.
    pub exclude: Exclude,
    /// How hard to compress.
    pub level: Level,
    /// The archive's final path.
    pub archive: PathBuf,
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
    /// Gives the archive its final name. Without it the archive is removed.
    pub fn publish(self) -> Result<(), PackError> {
        self.file.publish()
    }
}

/// Packs, and says after each file or so how many of how many bytes were read.
pub fn pack(
    request: &PackRequest,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Packed, PackError> {
    let tree = list(request)?;
    let file = NewFile::create(&request.archive)?;
    let piece_length = piece_length(tree.bytes);
    let out = PieceWriter::new(&file.file, piece_length);
    let gzip = GzipWriter::new(out, member_length(tree.bytes), request.level);
    let gzip = gzip.map_err(|error| file.failed(error))?;
    let mut packing = Packing {
        root: root_of(request),
        tree: &tree,
        out: gzip,
        new: &file,
        progress,
        bytes: 0,
        buffer: vec![0; BUFFER],
    };
    packing.entries()?;
    packing.look_again()?;
    let (out, members) = packing.finish().map_err(|error| file.failed(error))?;
    let (_, Pieces { total, hashes }) = out.finish();
    file.file.sync_all().map_err(|error| file.failed(error))?;
    let lengths = Lengths::new(total, piece_length)?;
    let about =
        About { kind: request.kind, tree_bytes: tree.bytes, entries: tree.nodes.len() as u64 };
    Ok(Packed { lengths, pieces: hashes, members, about, file })
}

fn list(request: &PackRequest) -> Result<Tree, PackError> {
    let source = &request.source;
    let metadata = source.metadata().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => PackError::Missing(source.clone()),
        _ => PackError::read(source, error),
    })?;
    if let Some(what) = special(metadata.file_type()) {
        return Err(PackError::Special { path: source.clone(), what });
    }
    match (request.kind, metadata.is_dir()) {
        (Kind::Tree, true) => {
            let folder = request.archive.parent().and_then(|folder| folder.metadata().ok());
            walk_tree(source, &request.exclude, folder.map(|folder| Stamp::of(&folder)))
        }
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
    out: GzipWriter<W>,
    new: &'a NewFile,
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
        written.map_err(|error| self.new.failed(error))
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
            written.map_err(|error| self.new.failed(error))?;
            self.bytes += got as u64;
            (self.progress)(self.bytes, self.tree.bytes);
        }
        if left > 0 || !is_same(&file.metadata().map_err(read)?) {
            return Err(PackError::Changed(path));
        }
        let padding = tarball::padding(size);
        self.out.write_all(padding).map_err(|error| self.new.failed(error))
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

/// A file beside its final path, which is removed unless it is published.
#[derive(Debug)]
struct NewFile {
    file: File,
    path: PathBuf,
    published: PathBuf,
    is_published: bool,
}

impl NewFile {
    /// Creates `PATH.new`, or empties the one that a crash has left.
    fn create(published: &Path) -> Result<Self, PackError> {
        let mut path = published.as_os_str().to_owned();
        path.push(".new");
        let path = PathBuf::from(path);
        let opened =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|source| PackError::Write { path: path.clone(), source })?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(PackError::Busy(path));
        }
        let new = Self { file, path, published: published.to_owned(), is_published: false };
        new.file.set_len(0).map_err(|error| new.failed(error))?;
        Ok(new)
    }

    fn failed(&self, source: io::Error) -> PackError {
        PackError::Write { path: self.path.clone(), source }
    }

    fn publish(mut self) -> Result<(), PackError> {
        let folder = self.published.parent().unwrap_or(Path::new("/"));
        std::fs::rename(&self.path, &self.published)
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|error| self.failed(error))?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = std::fs::remove_file(&self.path);
        }
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
            Self::Lengths(_) => Blame::Bug,
            _ => Blame::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing(_) => "give files_path a path that exists on the seeder",
            Self::Nothing(_) => "give files_path a directory with files, or exclude less",
            Self::IsFile(_) => "add path_is_file=1",
            Self::IsDirectory(_) => "leave path_is_file out",
            Self::Special { .. } => "remove it or exclude it",
            Self::OwnFolder(_) => "exclude that folder, or set temp_path to another one",
            Self::Changed(_) => "stop what writes to it, and create the torrent again",
            Self::Busy(_) => "wait for it to end",
            Self::Read { .. } | Self::Write { .. } | Self::Lengths(_) => return None,
        };
        Some(hint.to_owned())
    }
}

const BUFFER: usize = 256 << 10;
