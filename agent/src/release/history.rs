//! `revisions.log`: a line for each switch, for people, and for what a rollback leads to.
//!
//! Nothing relies on it. A file that is missing, cut short or full of something else costs
//! a rollback no more than its better knowledge of the order.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use murder_protocol::verbs::{ReleaseSwitch, SwitchKind};
use murder_protocol::{Tag, utc};

use super::layout::Layout;

/// The switches of the past, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    at_unix: u64,
    why: SwitchKind,
    release: Tag,
}

impl History {
    /// What can be read of the file.
    pub(super) fn read(layout: &Layout) -> Self {
        Self::parse(&read_end(layout).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        Self { entries: text.lines().filter_map(parse_line).collect() }
    }

    /// When each release was current for the first time.
    pub(super) fn first_switched(&self) -> BTreeMap<Tag, u64> {
        let mut first = BTreeMap::new();
        for entry in &self.entries {
            first.entry(entry.release.clone()).or_insert(entry.at_unix);
        }
        first
    }

    /// When the last switch was that was written down, if it led to this release.
    pub(super) fn since(&self, release: &Tag) -> Option<u64> {
        self.entries.last().filter(|entry| entry.release == *release).map(|entry| entry.at_unix)
    }

    /// The release that a rollback from `current` leads to, one of `complete`, which is in the
    /// order of their age.
    ///
    /// A rollback takes back the deploys that came after the release it leads to, so that a second
    /// one leads further back and not forward again. A deploy counts from its latest time.
    pub(super) fn previous(&self, current: &Tag, complete: &[Tag]) -> Option<Tag> {
        let stack = self.stack();
        let below = match stack.iter().rposition(|release| release == current) {
            Some(at) => &stack[..at],
            // It was switched without a line, by a crash or by hand: what was current last was
            // current before it.
            None => &stack[..],
        };
        let was_current = below.iter().rev().find(|release| complete.contains(release));
        let by_age = || {
            let at = complete.iter().position(|release| release == current)?;
            at.checked_sub(1).map(|before| complete[before].clone())
        };
        match was_current {
            Some(release) => Some(release.clone()),
            None if stack.contains(current) => None,
            None => by_age(),
        }
    }

    fn stack(&self) -> Vec<Tag> {
        let mut stack: Vec<Tag> = Vec::new();
        for entry in &self.entries {
            let there = stack.iter().position(|release| *release == entry.release);
            match (entry.why, there) {
                (SwitchKind::Rollback, Some(at)) => stack.truncate(at),
                (SwitchKind::Deploy, Some(at)) => drop(stack.remove(at)),
                (_, None) => {}
            }
            stack.push(entry.release.clone());
        }
        stack
    }
}

/// Adds a line for a switch, synced.
pub(super) fn append(
    layout: &Layout,
    switch: &ReleaseSwitch,
    revision: &str,
    now: u64,
) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(layout.log())?;
    let line = line(switch, revision, now);
    // Begins a new line where a crash has left the beginning of one.
    let begin = if ends_in_a_line(&mut file)? { "" } else { "\n" };
    file.write_all(format!("{begin}{line}\n").as_bytes())?;
    file.sync_all()
}

/// Capistrano's words, behind the time; what is anybody's text comes last.
fn line(switch: &ReleaseSwitch, revision: &str, now: u64) -> String {
    let time = utc::date_time(now);
    let words = match switch.why {
        SwitchKind::Deploy => DEPLOYED,
        SwitchKind::Rollback => ROLLED_BACK,
    };
    let plain = |text: &str| text.replace(char::is_control, "?");
    let (release, by, revision) = (&switch.release, plain(&switch.by), plain(revision));
    format!("{time}Z {words}{release} by {by} (at {revision})")
}

fn parse_line(line: &str) -> Option<Entry> {
    let (time, rest) = line.split_once(' ')?;
    let (why, rest) = match (rest.strip_prefix(DEPLOYED), rest.strip_prefix(ROLLED_BACK)) {
        (Some(rest), _) => (SwitchKind::Deploy, rest),
        (_, Some(rest)) => (SwitchKind::Rollback, rest),
        _ => return None,
    };
    let release = rest.split(' ').next()?.parse().ok()?;
    Some(Entry { at_unix: utc::parse(time)?, why, release })
}

fn ends_in_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// The last part of the file, which may begin within a line.
fn read_end(layout: &Layout) -> io::Result<String> {
    let mut file = File::open(layout.log())?;
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(LONGEST)))?;
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

const DEPLOYED: &str = "deployed as release ";
const ROLLED_BACK: &str = "rolled back to release ";
/// Ten thousand switches.
const LONGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::testing::{Host, switch, tag};
    use super::*;

    /// What a rollback leads to after these switches, `-` before one being a rollback.
    fn previous(switches: &str, current: &str, complete: &str) -> Option<String> {
        let mut text = String::new();
        for word in switches.split_whitespace() {
            let (why, release) = match word.strip_prefix('-') {
                Some(release) => (SwitchKind::Rollback, release),
                None => (SwitchKind::Deploy, word),
            };
            text += &line(&ReleaseSwitch { why, ..switch("/srv/app", release) }, "abc", 7);
            text.push('\n');
        }
        let complete: Vec<_> = complete.split_whitespace().map(tag).collect();
        History::parse(&text).previous(&tag(current), &complete).map(String::from)
    }

    #[test]
    fn the_one_before_is_the_one_that_was_current_before() {
        assert_eq!(previous("a c b", "b", "a b c").as_deref(), Some("c"));
        assert_eq!(previous("a c b", "b", "a b").as_deref(), Some("a"));
        assert_eq!(previous("a", "a", "a"), None);
        // Staged and never switched to.
        assert_eq!(previous("a", "a", "0 a"), None);
    }

    #[test]
    fn a_second_rollback_leads_further_back() {
        assert_eq!(previous("a b c -b", "b", "a b c").as_deref(), Some("a"));
        assert_eq!(previous("a b c -b -a", "a", "a b c"), None);
        // And a deploy after it leads back to what it replaced.
        assert_eq!(previous("a b c -b d", "d", "a b c d").as_deref(), Some("b"));
        assert_eq!(previous("a b c -b c", "c", "a b c").as_deref(), Some("b"));
        // One that is deployed again has all others before it.
        assert_eq!(previous("a b a", "a", "a b").as_deref(), Some("b"));
    }

    #[test]
    fn without_a_usable_log_it_is_the_newest_complete_one_before() {
        assert_eq!(previous("", "b", "a b c").as_deref(), Some("a"));
        assert_eq!(previous("", "a", "a b c"), None);
        // Of an unmarked one nobody knows what came before.
        assert_eq!(previous("", "x", "a b c"), None);
        assert_eq!(previous("y z", "b", "a b").as_deref(), Some("a"));
    }

    #[test]
    fn a_switch_without_a_line_leads_back_to_the_last_one_with_a_line() {
        assert_eq!(previous("a b", "c", "a b c").as_deref(), Some("b"));
        assert_eq!(previous("a b", "a", "a b"), None);
        assert_eq!(previous("a b", "x", "a b").as_deref(), Some("b"));
    }

    #[test]
    fn lines_that_are_odd_are_passed_over() {
        let host = Host::new();
        let odd = b"Branch master (at 1) deployed as release 2019 by deploy\n\xff\xfe\n\
                    yesterday deployed as release a by me\n2026-11-25T10:30:00Z deployed as \
                    release ../a by me\n2026-11-25T10:30:00Z dep";
        std::fs::write(host.layout().log(), odd).unwrap();
        let odd_by = ReleaseSwitch { by: "eve\nand more".to_owned(), ..host.switch("r1") };
        append(&host.layout(), &odd_by, "a\tb", 1_764_066_600).unwrap();
        let text = std::fs::read(host.layout().log()).unwrap();
        let line = b"dep\n2025-11-25T10:30:00Z deployed as release r1 by eve?and more (at a?b)\n";
        assert!(text.ends_with(line), "{}", String::from_utf8_lossy(&text));
        let history = History::read(&host.layout());
        assert_eq!(history.first_switched(), [(tag("r1"), 1_764_066_600)].into());
        assert_eq!(history.since(&tag("r1")), Some(1_764_066_600));
        assert_eq!(history.since(&tag("r2")), None);
    }

    #[test]
    fn of_a_file_that_is_far_too_long_the_end_is_read() {
        let host = Host::new();
        let padding = "x".repeat(usize::try_from(LONGEST).unwrap());
        std::fs::write(host.layout().log(), padding + "\n").unwrap();
        append(&host.layout(), &host.switch("r1"), "abc", 7).unwrap();
        assert_eq!(History::read(&host.layout()).since(&tag("r1")), Some(7));
        std::fs::remove_file(host.layout().log()).unwrap();
        assert!(History::read(&host.layout()).entries.is_empty());
    }
}
