//! The list of what goes into an archive, made before the first byte of it is written.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use super::exclude::Exclude;
use super::pack::PackError;
use super::stamp::Stamp;

/// What goes into an archive, parents before their children, in the order of the names' bytes.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Bytes of the regular files.
    pub(super) bytes: u64,
}

/// One entry of an archive.
#[derive(Debug)]
pub(super) struct Node {
    /// Relative to the tree; empty for the tree itself.
    pub(super) path: Vec<u8>,
    pub(super) stamp: Stamp,
    pub(super) kind: NodeKind,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    Directory,
    File,
    Symlink(Vec<u8>),
    /// Another name for the node with this index.
    HardLink(usize),
}

/// Lists the tree at `root`. A folder that is the same as `forbidden`, where the archive is about
/// to be written, is refused.
pub(super) fn walk_tree(
    root: &Path,
    exclude: &Exclude,
    forbidden: Option<Stamp>,
) -> Result<Tree, PackError> {
    let mut walk = Walk::new(root, exclude, forbidden);
    let stamp = Stamp::of(&root.metadata().map_err(|error| PackError::read(root, error))?);
    walk.directory(Vec::new(), stamp)?;
    if walk.tree.nodes.len() == 1 {
        return Err(PackError::Nothing(root.to_owned()));
    }
    Ok(walk.tree)
}

/// The one file at `path` as a tree.
pub(super) fn walk_file(path: &Path) -> Result<Tree, PackError> {
    let metadata = path.metadata().map_err(|error| PackError::read(path, error))?;
    let name = path.file_name().unwrap_or_default().as_bytes().to_vec();
    let stamp = Stamp::of(&metadata);
    let node = Node { path: name, stamp, kind: NodeKind::File };
    Ok(Tree { bytes: stamp.size, nodes: vec![node] })
}

impl Node {
    /// Where the node is on disk.
    pub(super) fn locate(&self, root: &Path) -> PathBuf {
        if self.path.is_empty() {
            return root.to_owned();
        }
        root.join(OsStr::from_bytes(&self.path))
    }
}

struct Walk<'a> {
    root: &'a Path,
    exclude: &'a Exclude,
    forbidden: Option<Stamp>,
    /// Files with several names: the node of the first.
    linked: HashMap<(u64, u64), usize>,
    tree: Tree,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Path, exclude: &'a Exclude, forbidden: Option<Stamp>) -> Self {
        let tree = Tree { nodes: Vec::new(), bytes: 0 };
        Self { root, exclude, forbidden, linked: HashMap::new(), tree }
    }

    fn directory(&mut self, path: Vec<u8>, stamp: Stamp) -> Result<(), PackError> {
        let node = Node { path: path.clone(), stamp, kind: NodeKind::Directory };
        let full = node.locate(self.root);
        if self.forbidden.is_some_and(|it| (it.dev, it.ino) == (stamp.dev, stamp.ino)) {
            return Err(PackError::OwnFolder(full));
        }
        self.tree.nodes.push(node);
        for name in sorted_names(&full).map_err(|error| PackError::read(&full, error))? {
            let mut child = path.clone();
            if !child.is_empty() {
                child.push(b'/');
            }
            child.extend(name.as_bytes());
            self.entry(child)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: Vec<u8>) -> Result<(), PackError> {
        let full = self.root.join(OsStr::from_bytes(&path));
        let metadata = full.symlink_metadata().map_err(|error| PackError::read(&full, error))?;
        if self.exclude.matches(&path, metadata.is_dir()) {
            return Ok(());
        }
        let stamp = Stamp::of(&metadata);
        if metadata.is_dir() {
            return self.directory(path, stamp);
        }
        if let Some(what) = special(metadata.file_type()) {
            return Err(PackError::Special { path: full, what });
        }
        let kind = self.kind(&full, &stamp, metadata.is_symlink())?;
        if matches!(kind, NodeKind::File) {
            self.tree.bytes += stamp.size;
        }
        self.tree.nodes.push(Node { path, stamp, kind });
        Ok(())
    }

    fn kind(&mut self, full: &Path, stamp: &Stamp, link: bool) -> Result<NodeKind, PackError> {
        if stamp.links > 1 {
            let next = self.tree.nodes.len();
            let first = *self.linked.entry((stamp.dev, stamp.ino)).or_insert(next);
            if first != next {
                return Ok(NodeKind::HardLink(first));
            }
        }
        if !link {
            return Ok(NodeKind::File);
        }
        let target = full.read_link().map_err(|error| PackError::read(full, error))?;
        Ok(NodeKind::Symlink(target.into_os_string().into_vec()))
    }
}

fn sorted_names(path: &Path) -> io::Result<Vec<OsString>> {
    let names = path.read_dir()?.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

/// What an archive can't hold, or nobody can mean to distribute.
pub(super) fn special(kind: std::fs::FileType) -> Option<&'static str> {
    if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("a device")
    } else {
        None
    }
}
