//! Takes a tar archive apart, block by block, and adds its entries to a tree.

use tar::{EntryType, Header};

use super::attributes::Attributes;
use super::content::Content;
use super::header::{self, BLOCK};
use super::refusal::{Refusal, UnpackError};
use super::stamp::Mtime;
use super::tree::{Entry, MOST_PER_ENTRY, NewTree};

/// A reader of a tar archive, or of a part of one that begins with an entry or in its content. It
/// is fed with whole blocks.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    tree: &'a NewTree<'a>,
    state: State,
    /// What was said before the next entry's header.
    before: Before,
    /// The next entry's.
    order: u64,
}

#[derive(Debug)]
enum State {
    Header,
    Extension {
        kind: EntryType,
        size: usize,
        bytes: Vec<u8>,
    },
    Content(Content),
    /// After the first block of zeros there are only more.
    End,
}

#[derive(Debug, Default)]
struct Before {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    mtime: Option<Mtime>,
}

/// Where the part of an archive ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Between two entries.
    BetweenEntries,
    InContent(Content),
    /// In what stands before a content.
    InHeaders,
    AtEnd,
}

impl<'a> Entries<'a> {
    /// Begins with an entry, or with the content of one. Entries are numbered from `order` on.
    pub(super) fn new(tree: &'a NewTree<'a>, content: Option<Content>, order: u64) -> Self {
        let state = content.map_or(State::Header, State::Content);
        Self { tree, state, before: Before::default(), order }
    }

    /// Takes the next blocks.
    pub(super) fn feed(&mut self, mut blocks: &[u8]) -> Result<(), UnpackError> {
        while let Some((first, after)) = blocks.split_first_chunk::<BLOCK>() {
            blocks = match &mut self.state {
                State::Header => {
                    self.header(first)?;
                    after
                }
                State::Extension { .. } => {
                    self.extension(first)?;
                    after
                }
                State::Content(content) => {
                    let used = content.write(blocks)?;
                    if content.is_at_end() {
                        self.state = State::Header;
                    }
                    &blocks[used..]
                }
                State::End if is_zero(first) => after,
                State::End => return Err(corrupt("something follows the end of the archive")),
            };
        }
        if blocks.is_empty() { Ok(()) } else { Err(corrupt("it ends within a block")) }
    }

    pub(super) fn end(self) -> Ended {
        match self.state {
            State::Header if self.before.is_empty() => Ended::BetweenEntries,
            State::Header | State::Extension { .. } => Ended::InHeaders,
            State::Content(content) => Ended::InContent(content),
            State::End => Ended::AtEnd,
        }
    }

    fn header(&mut self, block: &[u8; BLOCK]) -> Result<(), UnpackError> {
        if is_zero(block) {
            self.state = State::End;
            return Ok(());
        }
        let header = header::read(block).ok_or_else(|| corrupt("an entry's header is wrong"))?;
        let size = header.size().map_err(|_| corrupt("an entry's size is wrong"))?;
        match header.entry_type() {
            kind @ (EntryType::XHeader
            | EntryType::XGlobalHeader
            | EntryType::GNULongName
            | EntryType::GNULongLink) => self.begin_extension(kind, size),
            kind => self.entry(header, kind, size),
        }
    }

    fn begin_extension(&mut self, kind: EntryType, size: u64) -> Result<(), UnpackError> {
        let size = usize::try_from(size).ok().filter(|size| *size as u64 <= MOST_PER_ENTRY);
        // No name that a kernel takes is so long.
        let size = size.ok_or_else(|| self.tree.exceeded())?;
        if size > 0 {
            self.state = State::Extension { kind, size, bytes: Vec::new() };
        }
        Ok(())
    }

    fn extension(&mut self, block: &[u8; BLOCK]) -> Result<(), UnpackError> {
        let State::Extension { kind, size, bytes } = &mut self.state else { return Ok(()) };
        bytes.extend(&block[..BLOCK.min(*size - bytes.len())]);
        if bytes.len() < *size {
            return Ok(());
        }
        let (kind, mut bytes) = (*kind, std::mem::take(bytes));
        self.state = State::Header;
        match kind {
            EntryType::XHeader => self.records(&bytes)?,
            EntryType::XGlobalHeader => {}
            _ => {
                while bytes.last() == Some(&0) {
                    bytes.pop();
                }
                let is_name = kind == EntryType::GNULongName;
                let place = if is_name { &mut self.before.name } else { &mut self.before.link };
                *place = Some(bytes);
            }
        }
        Ok(())
    }

    /// "%d %s=%s\n" (POSIX pax).
    fn records(&mut self, mut records: &[u8]) -> Result<(), UnpackError> {
        let wrong = || corrupt("a pax record is wrong");
        while !records.is_empty() {
            let digits = records.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let length = std::str::from_utf8(&records[..digits]).ok().and_then(|t| t.parse().ok());
            let length =
                length.filter(|length: &usize| (digits + 2..=records.len()).contains(length));
            let (record, rest) = records.split_at(length.ok_or_else(wrong)?);
            let text = record[digits + 1..].strip_suffix(b"\n").ok_or_else(wrong)?;
            if let Some(mtime) = text.strip_prefix(b"mtime=") {
                let mtime = std::str::from_utf8(mtime).ok().and_then(Mtime::from_pax);
                self.before.mtime = Some(mtime.ok_or_else(wrong)?);
            } else if !IDLE.iter().any(|key| text.starts_with(key)) {
                return Err(corrupt("a pax record is of a kind that create_torrent never writes"));
            }
            records = rest;
        }
        Ok(())
    }

    fn entry(&mut self, header: &Header, kind: EntryType, size: u64) -> Result<(), UnpackError> {
        let wrong = |_| corrupt("an entry's header is wrong");
        let Before { name, link, mtime } = std::mem::take(&mut self.before);
        let seconds = header.mtime().map_err(wrong)?;
        let mtime = mtime.unwrap_or(Mtime { seconds: seconds.cast_signed(), nanos: 0 });
        let owner = owner(header).filter(|_| self.tree.limits().keep_owner);
        let attributes = Attributes::new(header.mode().map_err(wrong)?, mtime, owner);
        let order = self.order;
        self.order += 1;
        let entry = Entry {
            kind,
            path: name.unwrap_or_else(|| header.path_bytes().into_owned()),
            link: link
                .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
                .unwrap_or_default(),
            size,
            attributes,
            order,
        };
        if !matches!(kind, EntryType::Regular | EntryType::Continuous) && size > 0 {
            return Err(entry.refused(Refusal::Kind));
        }
        if let Some(content) = self.tree.add(entry)? {
            self.state = State::Content(content);
        }
        Ok(())
    }
}

impl Before {
    const fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.mtime.is_none()
    }
}

fn owner(header: &Header) -> Option<(u32, u32)> {
    Some((header.uid().ok()?.try_into().ok()?, header.gid().ok()?.try_into().ok()?))
}

pub(super) fn corrupt(why: &'static str) -> UnpackError {
    UnpackError::Corrupt(std::io::Error::new(std::io::ErrorKind::InvalidData, why))
}

/// Records that change nothing.
const IDLE: [&[u8]; 3] = [b"atime=", b"ctime=", b"comment="];

fn is_zero(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|byte| *byte == 0)
}
