//! The tar format as it is written: POSIX headers, with GNU's entries for long names (which take
//! any byte, a line feed too) and a PAX record for times that are not whole seconds.

use tar::EntryType;

use super::header::{BLOCK, header};
use super::stamp::{Mtime, Stamp};

/// What stands before an entry's content.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) kind: EntryType,
    pub(super) path: &'a [u8],
    /// The target of a symlink or hard link.
    pub(super) link: &'a [u8],
    pub(super) stamp: &'a Stamp,
    /// Bytes of content that follow.
    pub(super) size: u64,
}

impl Head<'_> {
    /// The blocks before the content.
    pub(super) fn blocks(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(3 * BLOCK);
        long_name(EntryType::GNULongLink, self.link, &mut out);
        long_name(EntryType::GNULongName, self.path, &mut out);
        let mtime = self.stamp.mtime;
        if mtime.nanos != 0 || mtime.seconds < 0 {
            extension(EntryType::XHeader, &pax_mtime(mtime), &mut out);
        }
        out.extend(header(self.kind, self.path, self.link, self.stamp, self.size));
        out
    }
}

/// The zeros that fill the last block of a content.
pub(super) fn padding(size: u64) -> &'static [u8] {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if over > 0 { &END[..BLOCK - over] } else { &[] }
}

/// The end of an archive: two blocks of zeros.
pub(super) const END: &[u8] = &[0; 2 * BLOCK];

fn long_name(kind: EntryType, name: &[u8], out: &mut Vec<u8>) {
    if name.len() > LONGEST_NAME {
        extension(kind, &[name, b"\0"].concat(), out);
    }
}

fn extension(kind: EntryType, content: &[u8], out: &mut Vec<u8>) {
    let mtime = Mtime { seconds: 0, nanos: 0 };
    let stamp = Stamp { dev: 0, ino: 0, links: 1, mode: 0o644, uid: 0, gid: 0, size: 0, mtime };
    let size = content.len() as u64;
    out.extend(header(kind, EXTENSION_NAME, b"", &stamp, size));
    out.extend(content);
    out.extend(padding(size));
}

/// "%d %s=%s\n", and the number counts its own digits too (POSIX pax).
fn pax_mtime(mtime: Mtime) -> Vec<u8> {
    let rest = format!(" mtime={}\n", mtime.to_pax());
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}").into_bytes()
}

/// A name fills its field without a zero at the end (POSIX ustar).
const LONGEST_NAME: usize = 100;
/// GNU tar's name for entries that belong to the next one.
const EXTENSION_NAME: &[u8] = b"././@LongLink";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pax_record_counts_its_own_digits() {
        let record = pax_mtime(Mtime { seconds: 1, nanos: 5 });
        assert_eq!(record, b"21 mtime=1.000000005\n");
        assert_eq!(record.len(), 21);
    }

    #[test]
    fn a_content_is_filled_up_to_whole_blocks() {
        for (size, zeros) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(size).len(), zeros);
        }
    }
}
