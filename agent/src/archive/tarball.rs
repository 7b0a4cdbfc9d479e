//! Writes the tar format: POSIX headers, with GNU's entries for long names (which take any byte,
//! a line feed too) and a PAX record for times that are not whole seconds.

use std::io::{self, Write};

use tar::{EntryType, Header};

use super::stamp::{Mtime, Stamp};

/// Writes entries to `out`.
#[derive(Debug)]
pub(super) struct TarWriter<W> {
    out: W,
}

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

impl<W: Write> TarWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes what stands before the content. The caller writes exactly the content's bytes to
    /// [`TarWriter::content`] next, and then calls [`TarWriter::end`].
    pub(super) fn begin(&mut self, head: &Head<'_>) -> io::Result<()> {
        self.long_name(EntryType::GNULongLink, head.link)?;
        self.long_name(EntryType::GNULongName, head.path)?;
        let mtime = head.stamp.mtime;
        if mtime.nanos != 0 || mtime.seconds < 0 {
            self.extension(EntryType::XHeader, &pax_mtime(mtime))?;
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(head.kind);
        header.set_mode(head.stamp.mode & 0o7777);
        header.set_uid(head.stamp.uid.into());
        header.set_gid(head.stamp.gid.into());
        header.set_size(head.size);
        header.set_mtime(u64::try_from(mtime.seconds).unwrap_or(0));
        let fields = header.as_old_mut();
        copy_start(head.path, &mut fields.name);
        copy_start(head.link, &mut fields.linkname);
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    /// Where the content goes.
    pub(super) fn content(&mut self) -> &mut W {
        &mut self.out
    }

    /// Fills the last block of a content of `size` bytes.
    pub(super) fn end(&mut self, size: u64) -> io::Result<()> {
        let over = usize::try_from(size % BLOCK).unwrap_or(0);
        if over > 0 { self.out.write_all(&ZEROS[over..]) } else { Ok(()) }
    }

    /// Writes the end of the archive: two blocks of zeros.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&ZEROS)?;
        self.out.write_all(&ZEROS)?;
        Ok(self.out)
    }

    fn long_name(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        if name.len() <= LONGEST_NAME {
            return Ok(());
        }
        let mut content = name.to_vec();
        content.push(0);
        self.extension(kind, &content)
    }

    fn extension(&mut self, kind: EntryType, content: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        copy_start(EXTENSION_NAME, &mut header.as_old_mut().name);
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        self.out.write_all(content)?;
        self.end(content.len() as u64)
    }
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

fn copy_start(name: &[u8], field: &mut [u8]) {
    let length = name.len().min(field.len());
    field[..length].copy_from_slice(&name[..length]);
}

const BLOCK: u64 = 512;
const ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
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
}
