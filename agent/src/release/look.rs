//! What releases there are.

use std::collections::BTreeMap;

use murder_protocol::Tag;
use murder_protocol::verbs::{ReleaseEntry, Releases};

use super::error::ReleaseError;
use super::history::History;
use super::layout::{Current, Layout};
use super::marker::Marker;

/// Looks at the application's folder, which may be missing, and changes nothing.
pub(super) fn look(layout: &Layout) -> Result<Releases, ReleaseError> {
    let history = History::read(layout);
    let first = history.first_switched();
    let mut complete = Vec::new();
    let mut incomplete = Vec::new();
    for release in Layout::tags_in(&layout.releases())? {
        match Marker::read(layout, &release) {
            Some(marker) => complete.push(entry(marker, &first)),
            None => incomplete.push(release),
        }
    }
    // By name too, since two may be staged in the same second.
    complete.sort_by(|a, b| (a.staged_unix, &a.release).cmp(&(b.staged_unix, &b.release)));
    let current = match layout.current()? {
        Current::Release(release) => Some(release),
        Current::Nothing | Current::Elsewhere(_) | Current::Taken => None,
    };
    let in_order: Vec<_> = complete.iter().map(|entry| entry.release.clone()).collect();
    let previous = current.as_ref().and_then(|current| history.previous(current, &in_order));
    let failed = Layout::tags_in(&layout.failed())?.pop();
    let current_since_unix = current.as_ref().and_then(|current| history.since(current));
    Ok(Releases { current, current_since_unix, previous, complete, incomplete, failed })
}

fn entry(marker: Marker, first_switched: &BTreeMap<Tag, u64>) -> ReleaseEntry {
    let switched_unix = first_switched.get(&marker.release).copied();
    let Marker { release, revision, staged_unix, .. } = marker;
    ReleaseEntry { release, revision, staged_unix, switched_unix }
}
