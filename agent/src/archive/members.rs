//! The index of an archive: where its members end, and how each begins.
//!
//! A member is at most as long, unpacked, as the index says. It begins with an entry of the tar
//! archive, or it goes on with the content of an entry that began in the last member before it that
//! begins with an entry. So each can be unpacked on its own, in any order.
//!
//! The index travels beside the info dictionary, where no hash vouches for it. It is a hint:
//! whoever uses it checks that it agrees with the archive in every member.

use std::ops::Range;

/// Where the members of an archive are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// The most bytes that a member unpacks to.
    length: u32,
    /// The last is the archive's length.
    ends: Vec<u64>,
    /// For each the one in which the entry began whose content it begins with; else itself.
    heads: Vec<usize>,
}

/// What a member begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// The headers of an entry, or the end of the archive.
    Entry,
    /// More of the content of an entry that began before.
    Content,
}

impl Members {
    pub(super) const fn new(length: u32) -> Self {
        Self { length, ends: Vec::new(), heads: Vec::new() }
    }

    pub(super) fn push(&mut self, packed: u64, begins: Begins) {
        self.ends.push(self.ends.last().unwrap_or(&0) + packed);
        let head = match begins {
            Begins::Content => self.heads.last().copied(),
            Begins::Entry => None,
        };
        self.heads.push(head.unwrap_or(self.heads.len()));
    }

    /// The form that travels: numbers of 32 bits, high byte first. The first is the most bytes
    /// that a member unpacks to; then comes one for each member, its bytes in the archive and in
    /// the highest bit whether it begins with content.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.length.to_be_bytes().to_vec();
        for member in 0..self.len() {
            let Range { start, end } = self.range(member);
            let packed = u32::try_from(end - start).unwrap_or(CONTENT) & !CONTENT;
            let mark = if self.begins(member) == Begins::Content { CONTENT } else { 0 };
            out.extend((packed | mark).to_be_bytes());
        }
        out
    }

    /// Reads an index, if it can be that of an archive with so many bytes.
    pub fn decode(bytes: &[u8], total: u64) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks();
        let mut numbers = numbers.iter().map(|number| u32::from_be_bytes(*number));
        let length = numbers.next().filter(|length| (1..=LONGEST).contains(length))?;
        let mut members = Self::new(length);
        for number in numbers {
            let packed = number & !CONTENT;
            let begins = if number & CONTENT == 0 { Begins::Entry } else { Begins::Content };
            let is_first = members.ends.is_empty();
            if packed == 0
                || packed > length + length / 8 + ROOM
                || (is_first && begins == Begins::Content)
            {
                return None;
            }
            members.push(packed.into(), begins);
        }
        (rest.is_empty() && members.ends.last() == Some(&total)).then_some(members)
    }

    /// How many members there are.
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) const fn length(&self) -> usize {
        self.length as usize
    }

    /// Where in the archive the member is.
    pub(super) fn range(&self, member: usize) -> Range<u64> {
        let start = member.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[member]
    }

    pub(super) fn begins(&self, member: usize) -> Begins {
        if self.heads[member] == member { Begins::Entry } else { Begins::Content }
    }

    /// The member in which the entry began whose content this one begins with; else itself.
    pub(super) fn head(&self, member: usize) -> usize {
        self.heads[member]
    }

    /// The members that have bytes of a range of the archive.
    pub(super) fn in_range(&self, range: &Range<u64>) -> Range<usize> {
        let first = self.ends.partition_point(|end| *end <= range.start);
        let last = self.ends.partition_point(|end| *end < range.end);
        first..(last + 1).min(self.len())
    }
}

/// How long, unpacked, the members of a tree's archive are at most.
///
/// Members of 1 MiB cost little in size against one, and stay in a core's cache from unpacking to
/// writing. Longer ones keep the index of a very large tree small.
pub(super) const fn member_length(tree_bytes: u64) -> u32 {
    let mut length = SHORTEST;
    while length < LONGEST && tree_bytes / (length as u64) > MOST {
        length *= 2;
    }
    length
}

const SHORTEST: u32 = 1 << 20;
/// Each thread that unpacks holds a member unpacked and as it is in the archive.
const LONGEST: u32 = 2 << 20;
const MOST: u64 = 64 << 10;
/// For the headers of what does not get smaller.
const ROOM: u32 = 4 << 10;
const CONTENT: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Members {
        let mut members = Members::new(1000);
        members.push(10, Begins::Entry);
        members.push(20, Begins::Entry);
        members.push(30, Begins::Content);
        members.push(40, Begins::Content);
        members
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let bytes = members().encode();
        assert_eq!(bytes.len(), 20);
        assert_eq!(Members::decode(&bytes, 100), Some(members()));
    }

    #[test]
    fn an_index_that_can_not_be_is_none() {
        let bytes = members().encode();
        let changed = |at: usize, byte| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            Members::decode(&bytes, 100)
        };
        assert_eq!(Members::decode(&bytes, 101), None, "it ends too early");
        assert_eq!(Members::decode(&bytes[..19], 100), None, "it is cut short");
        assert_eq!(Members::decode(&bytes[..4], 100), None, "there is no member");
        assert_eq!(Members::decode(&[], 100), None);
        assert_eq!(changed(4, 0x80), None, "nothing is before the first member");
        assert_eq!(changed(7, 0), None, "a member without bytes");
        assert_eq!(changed(5, 1), None, "a member that nothing makes so long");
        assert_eq!(changed(0, 0x7f), None, "members that would take too much memory");
    }

    #[test]
    fn members_are_found_by_their_bytes() {
        let members = members();
        assert_eq!(members.range(2), 30..60);
        assert_eq!(members.in_range(&(0..10)), 0..1);
        assert_eq!(members.in_range(&(9..31)), 0..3);
        assert_eq!(members.in_range(&(30..100)), 2..4);
        assert_eq!([0, 1, 2, 3].map(|member| members.head(member)), [0, 1, 1, 1]);
    }

    #[test]
    fn only_very_large_trees_have_longer_members() {
        assert_eq!(member_length(64 << 30), 1 << 20);
        assert_eq!(member_length((64 << 30) + (1 << 20)), 2 << 20);
        assert_eq!(member_length(1 << 50), 2 << 20);
    }
}
