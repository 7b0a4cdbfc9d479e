//! What the doctor finds, in words that are the same wherever the finding is the same.

use std::collections::BTreeMap;

use murder_protocol::verbs::FileSystem;
use serde_json::json;

use crate::report::{Data, units};

/// One thing that was found on one host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    /// How bad it is.
    pub(super) grade: Grade,
    /// The same text on each host that it holds for.
    pub(super) text: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// A run will fail.
    Problem,
    /// A run may work.
    Note,
}

impl Finding {
    /// A run will fail.
    pub(super) fn problem(text: impl Into<String>) -> Self {
        Self { grade: Grade::Problem, text: text.into() }
    }

    /// A run may work.
    pub(super) fn note(text: impl Into<String>) -> Self {
        Self { grade: Grade::Note, text: text.into() }
    }
}

/// What there is to say about a file system.
pub(super) fn of_file_system(seen: &FileSystem) -> Vec<Finding> {
    let path = &seen.path;
    let mut findings = Vec::new();
    if seen.read_only {
        findings.push(Finding::problem(format!("{path}: its file system is read-only")));
    } else if !seen.writable {
        let nearest = &seen.nearest;
        findings.push(Finding::problem(format!("{path}: the user may not write to {nearest}")));
    }
    if seen.free_bytes < LITTLE_SPACE {
        let little = units::bytes(LITTLE_SPACE);
        findings.push(Finding::note(format!("{path}: less than {little} free")));
    }
    if seen.free_inodes.is_some_and(|free| free < FEW_INODES) {
        findings.push(Finding::note(format!("{path}: room for less than {FEW_INODES} files")));
    }
    findings
}

/// Whether a host's clock is off, given ours before and after it was read.
pub(super) fn of_clock(theirs: u64, before: u64, after: u64) -> Option<Finding> {
    let off = theirs.saturating_sub(after).max(before.saturating_sub(theirs));
    let seconds = CLOCK_OFF_MS / 1000;
    (off > CLOCK_OFF_MS)
        .then(|| Finding::note(format!("the clock is off by more than {seconds} s")))
}

/// One line a finding, the worst first.
pub(super) fn data(findings: &BTreeMap<String, Vec<Finding>>, hosts: usize) -> Data {
    let mut folded: BTreeMap<&Finding, Vec<&str>> = BTreeMap::new();
    for (host, found) in findings {
        for finding in found {
            folded.entry(finding).or_default().push(host);
        }
    }
    let mut text = String::new();
    let mut json = Vec::new();
    for (finding, hosts) in &folded {
        let grade = match finding.grade {
            Grade::Problem => "problem",
            Grade::Note => "note",
        };
        text.push_str(&format!("{grade}: {} ({})\n", finding.text, named(hosts)));
        let line = json!({
            "event": "finding", "grade": grade, "text": finding.text, "hosts": hosts
        });
        json.push(line.to_string());
    }
    if folded.is_empty() {
        text = format!("nothing found on {}\n", units::hosts(hosts));
    }
    Data { text, json }
}

fn named(hosts: &[&str]) -> String {
    let shown = hosts.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match hosts.len() {
        n if n > NAMES_SHOWN => format!("{n} hosts: {shown} and {} more", n - NAMES_SHOWN),
        1 => shown,
        n => format!("{n} hosts: {shown}"),
    }
}

/// A release of any size needs more; in bytes.
const LITTLE_SPACE: u64 = 1 << 30;
const FEW_INODES: u64 = 10_000;
/// Logs of different hosts can't be compared beyond it.
const CLOCK_OFF_MS: u64 = 10_000;
const NAMES_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> FileSystem {
        FileSystem {
            path: "/srv/app".into(),
            nearest: "/srv".into(),
            free_bytes: 1 << 40,
            free_inodes: Some(1 << 20),
            noexec: false,
            read_only: false,
            writable: true,
        }
    }

    fn texts(findings: Vec<Finding>) -> Vec<String> {
        findings.into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn a_file_system_with_room_is_no_finding() {
        assert!(of_file_system(&seen()).is_empty());
        assert!(of_file_system(&FileSystem { free_inodes: None, ..seen() }).is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_file_system_is_named_with_its_path() {
        let bad = FileSystem { read_only: true, free_bytes: 5, free_inodes: Some(7), ..seen() };
        assert_eq!(
            texts(of_file_system(&bad)),
            [
                "/srv/app: its file system is read-only",
                "/srv/app: less than 1.0 GiB free",
                "/srv/app: room for less than 10000 files"
            ]
        );
        assert_eq!(
            texts(of_file_system(&FileSystem { writable: false, ..seen() })),
            ["/srv/app: the user may not write to /srv"]
        );
    }

    #[test]
    fn a_clock_is_off_only_beyond_the_time_that_asking_took() {
        assert_eq!(of_clock(1_000_000, 995_000, 1_005_000), None);
        assert_eq!(of_clock(1_000_000, 1_005_000, 1_006_000), None);
        assert_eq!(
            of_clock(1_000_000, 1_011_000, 1_012_000).unwrap().text,
            "the clock is off by more than 10 s"
        );
        assert!(of_clock(1_030_000, 1_000_000, 1_001_000).is_some());
    }

    #[test]
    fn the_same_finding_on_many_hosts_is_one_line_and_problems_come_first() {
        let mut findings = BTreeMap::new();
        for number in 1..=7 {
            let of = vec![Finding::note("the clock is off")];
            findings.insert(format!("web{number}"), of);
        }
        findings.get_mut("web3").unwrap().push(Finding::problem("no port is free"));
        let data = data(&findings, 7);
        assert_eq!(
            data.text,
            "problem: no port is free (web3)\n\
             note: the clock is off (7 hosts: web1, web2, web3, web4, web5 and 2 more)\n"
        );
        assert_eq!(data.json.len(), 2);
    }
}
