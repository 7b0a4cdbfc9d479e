//! The block of 512 bytes before an entry's content (POSIX ustar), with GNU's way to write numbers
//! that have too many digits.

use super::stamp::Stamp;

/// Headers, contents and the end of an archive are whole blocks.
pub(super) const BLOCK: usize = 512;

/// What an entry is (POSIX ustar "typeflag"; x and g are of pax, K and L of GNU tar).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    HardLink,
    Symlink,
    Character,
    Block,
    Directory,
    Pipe,
    /// Records for the next entry.
    Pax,
    /// Records for all entries that follow.
    PaxForAll,
    /// The next entry's name.
    LongName,
    /// The next entry's target.
    LongLink,
    Other,
}

/// A header that was read, and whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a>(&'a [u8; BLOCK]);

impl<'a> Header<'a> {
    pub(super) fn read(block: &'a [u8; BLOCK]) -> Option<Self> {
        let told = number(&block[CHECKSUM])?;
        (told == checksum(block)).then_some(Self(block))
    }

    pub(super) fn kind(&self) -> EntryKind {
        let flag = self.0[TYPE];
        let known = KINDS.iter().find(|(known, _)| *known == flag);
        known.map_or(EntryKind::Other, |(_, kind)| *kind)
    }

    pub(super) fn mode(&self) -> Option<u32> {
        number(&self.0[MODE])?.try_into().ok()
    }

    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        Some((number(&self.0[UID])?.try_into().ok()?, number(&self.0[GID])?.try_into().ok()?))
    }

    pub(super) fn size(&self) -> Option<u64> {
        number(&self.0[SIZE])
    }

    /// Seconds since 1970.
    pub(super) fn mtime(&self) -> Option<u64> {
        number(&self.0[MTIME])
    }

    pub(super) fn name(&self) -> Vec<u8> {
        let name = until_zero(&self.0[NAME]);
        // GNU's own magic has other things in the place of the prefix.
        let prefix = if &self.0[MAGIC] == USTAR { until_zero(&self.0[PREFIX]) } else { b"" };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link(&self) -> &'a [u8] {
        until_zero(&self.0[LINK])
    }
}

/// Makes a header. Of names that are too long it has the beginning.
pub(super) fn header(
    kind: EntryKind,
    name: &[u8],
    link: &[u8],
    stamp: &Stamp,
    size: u64,
) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    copy_start(name, &mut block[NAME]);
    write_number((stamp.mode & 0o7777).into(), &mut block[MODE]);
    write_number(stamp.uid.into(), &mut block[UID]);
    write_number(stamp.gid.into(), &mut block[GID]);
    write_number(size, &mut block[SIZE]);
    write_number(u64::try_from(stamp.mtime.seconds).unwrap_or(0), &mut block[MTIME]);
    let flag = KINDS.iter().find(|(_, known)| *known == kind);
    block[TYPE] = flag.expect("only kinds that have a flag are written").0;
    copy_start(link, &mut block[LINK]);
    block[GNU_MAGIC].copy_from_slice(GNU);
    write_number(checksum(&block), &mut block[CHECKSUM]);
    block
}

/// The sum of all bytes, those of the checksum itself taken for spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    sum(block) - sum(&block[CHECKSUM]) + u64::from(b' ') * CHECKSUM.len() as u64
}

/// Octal digits with spaces and zeros around them; or, marked by the first bit, the number itself
/// (GNU tar).
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & BINARY != 0 {
        let (high, low) = field.split_at(field.len().saturating_sub(8));
        let mark = if high.is_empty() { BINARY } else { 0 };
        // Anything else in front is negative, or more than any file system can hold.
        if !high.is_empty() && (high[0] != BINARY || high[1..].iter().any(|byte| *byte != 0)) {
            return None;
        }
        let first = u64::from(low[0] & !mark);
        return Some(low[1..].iter().fold(first, |number, byte| number << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).ok()
}

fn write_number(number: u64, field: &mut [u8]) {
    let digits = field.len() - 1;
    let text = format!("{number:0digits$o}");
    if text.len() == digits {
        field[..digits].copy_from_slice(text.as_bytes());
        return;
    }
    let bytes = number.to_be_bytes();
    let length = bytes.len().min(field.len());
    let at = field.len() - length;
    field[at..].copy_from_slice(&bytes[bytes.len() - length..]);
    field[0] |= BINARY;
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn copy_start(name: &[u8], field: &mut [u8]) {
    let length = name.len().min(field.len());
    field[..length].copy_from_slice(&name[..length]);
}

use std::ops::Range;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const GNU_MAGIC: Range<usize> = 257..265;
const PREFIX: Range<usize> = 345..500;
const USTAR: &[u8] = b"ustar\0";
const GNU: &[u8] = b"ustar  \0";
const BINARY: u8 = 0x80;

const KINDS: [(u8, EntryKind); 13] = [
    (b'0', EntryKind::File),
    (0, EntryKind::File),
    // "Contiguous", which nobody heeds.
    (b'7', EntryKind::File),
    (b'1', EntryKind::HardLink),
    (b'2', EntryKind::Symlink),
    (b'3', EntryKind::Character),
    (b'4', EntryKind::Block),
    (b'5', EntryKind::Directory),
    (b'6', EntryKind::Pipe),
    (b'x', EntryKind::Pax),
    (b'g', EntryKind::PaxForAll),
    (b'L', EntryKind::LongName),
    (b'K', EntryKind::LongLink),
];

#[cfg(test)]
mod tests {
    use super::super::stamp::Mtime;
    use super::*;

    fn stamp(uid: u32, seconds: i64) -> Stamp {
        let mtime = Mtime { seconds, nanos: 0 };
        Stamp { dev: 0, ino: 0, links: 1, mode: 0o100_644, uid, gid: 7, size: 0, mtime }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for (uid, seconds, size) in
            [(0, 0, 0), (0o7_777_777, 1 << 33, 0o77_777_777_777), (u32::MAX, 1 << 40, 1 << 50)]
        {
            let block = header(EntryKind::File, b"a/b", b"c", &stamp(uid, seconds), size);
            let read = Header::read(&block).unwrap();
            assert_eq!((read.kind(), read.mode()), (EntryKind::File, Some(0o644)));
            assert_eq!((read.name().as_slice(), read.link()), (b"a/b".as_slice(), b"c".as_slice()));
            assert_eq!((read.owner(), read.size()), (Some((uid, 7)), Some(size)));
            assert_eq!(read.mtime(), u64::try_from(seconds).ok());
        }
    }

    #[test]
    fn a_damaged_header_is_none() {
        let block = header(EntryKind::Directory, b"a/", b"", &stamp(0, 0), 0);
        for at in [0, 100, 156, 511] {
            let mut damaged = block;
            damaged[at] ^= 1;
            assert!(Header::read(&damaged).is_none(), "{at}");
        }
        assert!(Header::read(&[0; BLOCK]).is_none());
    }

    #[test]
    fn another_tar_reads_the_same_in_it() {
        let block = header(EntryKind::Symlink, b"x", b"y", &stamp(u32::MAX, 9), 1 << 40);
        let theirs = tar::Header::from_byte_slice(&block);
        assert_eq!(theirs.path_bytes().as_ref(), b"x");
        assert_eq!(theirs.link_name_bytes().unwrap().as_ref(), b"y");
        assert_eq!((theirs.size().unwrap(), theirs.mtime().unwrap()), (1 << 40, 9));
        assert_eq!((theirs.uid().unwrap(), theirs.gid().unwrap()), (u64::from(u32::MAX), 7));
        assert_eq!(u64::from(theirs.cksum().unwrap()), checksum(&block));
    }

    #[test]
    fn the_prefix_of_a_posix_name_is_read() {
        let mut theirs = tar::Header::new_ustar();
        let path = format!("{}/{}", "d".repeat(120), "f".repeat(90));
        theirs.set_path(&path).unwrap();
        theirs.set_cksum();
        let read = Header::read(theirs.as_bytes()).unwrap();
        assert_eq!(read.name(), path.as_bytes());
    }
}
