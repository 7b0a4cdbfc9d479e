//! The block of 512 bytes before an entry's content, as the tar crate reads and writes it.

use tar::{EntryType, Header};

use super::stamp::Stamp;

/// Headers, contents and the end of an archive are whole blocks.
pub(super) const BLOCK: usize = 512;

/// The header that a block is, if its checksum is right.
pub(super) fn read(block: &[u8; BLOCK]) -> Option<&Header> {
    let header = Header::from_byte_slice(block);
    let mut right = header.clone();
    right.set_cksum();
    (header.cksum().ok()? == right.cksum().ok()?).then_some(header)
}

/// Makes a header. Of names that are too long it has the beginning.
pub(super) fn header(
    kind: EntryType,
    name: &[u8],
    link: &[u8],
    stamp: &Stamp,
    size: u64,
) -> [u8; BLOCK] {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stamp.mode & 0o7777);
    header.set_uid(stamp.uid.into());
    header.set_gid(stamp.gid.into());
    header.set_size(size);
    header.set_mtime(u64::try_from(stamp.mtime.seconds).unwrap_or(0));
    let fields = header.as_old_mut();
    copy_start(name, &mut fields.name);
    copy_start(link, &mut fields.linkname);
    header.set_cksum();
    *header.as_bytes()
}

fn copy_start(name: &[u8], field: &mut [u8]) {
    let length = name.len().min(field.len());
    field[..length].copy_from_slice(&name[..length]);
}

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
            let block = header(EntryType::Regular, b"a/b", b"c", &stamp(uid, seconds), size);
            let read = read(&block).unwrap();
            assert_eq!((read.entry_type(), read.mode().unwrap()), (EntryType::Regular, 0o644));
            assert_eq!(&*read.path_bytes(), b"a/b");
            assert_eq!(read.link_name_bytes().as_deref(), Some(b"c".as_slice()));
            assert_eq!((read.uid().unwrap(), read.gid().unwrap()), (u64::from(uid), 7));
            assert_eq!(read.size().unwrap(), size);
            assert_eq!(i64::try_from(read.mtime().unwrap()), Ok(seconds));
        }
    }

    #[test]
    fn a_damaged_header_is_none() {
        let block = header(EntryType::Directory, b"a/", b"", &stamp(0, 0), 0);
        for at in [0, 100, 156, 511] {
            let mut damaged = block;
            damaged[at] ^= 1;
            assert!(read(&damaged).is_none(), "{at}");
        }
        assert!(read(&[0; BLOCK]).is_none());
    }
}
