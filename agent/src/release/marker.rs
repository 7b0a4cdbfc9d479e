//! The file that makes a release complete, and the one that says what it was made from.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use murder_protocol::Tag;
use serde::{Deserialize, Serialize};

use super::error::ReleaseError;
use super::layout::{Layout, sync_folder, tolerate_missing};

/// The marker's name. No archive has one in it, so that a copy of a release is not complete by
/// that alone.
pub(crate) const MARKER: &str = ".murder-release";

/// What the marker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// The release that it makes complete, and no other one.
    pub(super) release: Tag,
    pub(super) revision: String,
    pub(super) staged_unix: u64,
    /// What the archive was that it came in, if a peer brought it.
    pub(super) content: Option<String>,
}

/// What a peer leaves in the marker's place. It has too little in it to make a release complete.
#[derive(Serialize, Deserialize)]
struct Note {
    content: String,
}

impl Marker {
    /// The release's marker, unless it has none that is its own and can be read.
    pub(super) fn read(layout: &Layout, release: &Tag) -> Option<Self> {
        if !layout.has(release) {
            return None;
        }
        let json = read(&layout.release(release))?;
        serde_json::from_slice(&json).ok().filter(|marker: &Self| marker.release == *release)
    }

    /// Makes the release complete. Whatever else belongs to it is on the disk already.
    pub(super) fn write(&self, folder: &Path) -> Result<(), ReleaseError> {
        write(folder, serde_json::to_vec(self))
    }
}

/// Says in a tree what archive it came in. It is not complete by that.
pub(super) fn note_content(folder: &Path, content: String) -> Result<(), ReleaseError> {
    write(folder, serde_json::to_vec(&Note { content }))
}

/// What archive a tree came in, if a peer has said so.
pub(super) fn noted_content(folder: &Path) -> Option<String> {
    serde_json::from_slice(&read(folder)?).ok().map(|Note { content }| content)
}

fn read(folder: &Path) -> Option<Vec<u8>> {
    let path = folder.join(MARKER);
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut json = Vec::new();
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut json).ok()?;
    Some(json)
}

fn write(folder: &Path, json: serde_json::Result<Vec<u8>>) -> Result<(), ReleaseError> {
    let path = folder.join(MARKER);
    json.map_err(io::Error::from)
        .and_then(|json| write_synced(&path, &json))
        .map_err(ReleaseError::io("write", &path))?;
    sync_folder(folder)
}

/// Writes what the release was made from where people and programs look for it, as Capistrano
/// does.
pub(super) fn write_revision(folder: &Path, revision: &str) -> Result<(), ReleaseError> {
    let path = folder.join("REVISION");
    write_synced(&path, format!("{revision}\n").as_bytes())
        .map_err(ReleaseError::io("write", &path))
}

/// Writes the file beside its place, whatever a tree has there, and renames it.
fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".murder-new");
    let new = PathBuf::from(new);
    tolerate_missing(std::fs::remove_file(&new))?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

/// Far longer than any revision.
const LONGEST: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::super::testing::{Host, tag};
    use super::*;

    #[test]
    fn a_marker_counts_only_where_it_was_written_and_as_it_was_written() {
        let host = Host::new();
        let (release, revision, content) = (tag("r1"), "abc".to_owned(), Some("d1".to_owned()));
        let marker = Marker { release, revision, staged_unix: 7, content };
        let folder = host.tree("r1");
        assert_eq!(Marker::read(&host.layout(), &tag("r1")), None);
        note_content(&folder, "d0".to_owned()).unwrap();
        assert_eq!(Marker::read(&host.layout(), &tag("r1")), None);
        assert_eq!(noted_content(&folder).as_deref(), Some("d0"));
        marker.write(&host.path("releases/r1")).unwrap();
        assert_eq!(Marker::read(&host.layout(), &tag("r1")), Some(marker));
        // A copy under another name, as an operator might make it.
        host.tree("r2");
        let [from, to] = ["r1", "r2"].map(|name| host.path("releases").join(name).join(MARKER));
        std::fs::copy(&from, to).unwrap();
        assert_eq!(Marker::read(&host.layout(), &tag("r2")), None);
        // A link to a release.
        std::os::unix::fs::symlink("r1", host.path("releases/r3")).unwrap();
        assert_eq!(Marker::read(&host.layout(), &tag("r3")), None);
        for garbage in ["", "{", "[]", "\0\0\0\0", "{\"release\":\"r1\"}"] {
            std::fs::write(&from, garbage).unwrap();
            assert_eq!(Marker::read(&host.layout(), &tag("r1")), None, "{garbage:?}");
        }
    }

    #[test]
    fn what_the_tree_has_in_their_place_is_replaced_and_not_followed() {
        let host = Host::new();
        let release = host.tree("r1");
        std::fs::write(host.path("outside"), "mine").unwrap();
        for name in ["REVISION", "REVISION.murder-new"] {
            std::os::unix::fs::symlink(host.path("outside"), release.join(name)).unwrap();
        }
        write_revision(&release, "abc").unwrap();
        assert_eq!(std::fs::read_to_string(release.join("REVISION")).unwrap(), "abc\n");
        assert_eq!(std::fs::read_to_string(host.path("outside")).unwrap(), "mine");
    }
}
