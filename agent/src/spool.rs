//! The files of a tag wherever archives are kept, told apart from other people's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use murder_protocol::{Format, Tag};
use murder_swarm::metainfo::Metainfo;

use crate::home::{FILE_ENDS, Home, parse_role_name};

/// The tag's files in the folder, whether they are there or not: archive, torrent and partial
/// data, each also as it is while it is written.
pub fn files_of(folder: &Path, tag: &Tag) -> Vec<PathBuf> {
    let names = ends().flat_map(|end| [format!("{tag}{end}"), format!("{tag}{end}.new")]);
    names.map(|name| folder.join(name)).collect()
}

/// The tags that have files in the folder.
///
/// In a folder of the operator's choice an archive may be somebody else's: there only those count
/// that have a torrent of ours beside them or that a role on this host was about.
pub fn tags_in(home: &Home, folder: &Path) -> BTreeSet<Tag> {
    let is_spool = folder == home.spool();
    let known = tags_of_roles(home);
    let tags = names(folder).into_iter().filter_map(|name| tag_of(&name));
    tags.filter(|tag| is_spool || known.contains(tag) || has_our_torrent(folder, tag)).collect()
}

fn tags_of_roles(home: &Home) -> BTreeSet<Tag> {
    let stem = |name: String| {
        let ends = [".lock", ".status.json", ".job.json"];
        let stem = ends.iter().find_map(|end| name.strip_suffix(end))?;
        parse_role_name(stem)?.1
    };
    names(&home.run()).into_iter().filter_map(stem).collect()
}

fn has_our_torrent(folder: &Path, tag: &Tag) -> bool {
    Format::ALL.into_iter().any(|format| {
        let name = format.name(tag);
        let torrent = std::fs::read(folder.join(format!("{name}.torrent")));
        let metainfo = torrent.ok().and_then(|bytes| Metainfo::parse(&bytes).ok());
        metainfo.is_some_and(|it| it.about().is_some() && it.name() == name)
    })
}

fn tag_of(name: &str) -> Option<Tag> {
    let name = name.strip_suffix(".new").unwrap_or(name);
    // No end is that of another one.
    ends().find_map(|end| name.strip_suffix(&end)?.parse().ok())
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn ends() -> impl Iterator<Item = String> {
    let of = |format: Format| FILE_ENDS.map(|end| format!("{}{end}", format.end()));
    Format::ALL.into_iter().flat_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_a_file_is_what_stands_before_its_ends() {
        for name in [
            "v1.0.tgz",
            "v1.0.tgz.new",
            "v1.0.tgz.torrent",
            "v1.0.tgz.partial.new",
            "v1.0.tar.zst",
            "v1.0.tar.zst.partial",
        ] {
            assert_eq!(tag_of(name).unwrap().as_str(), "v1.0", "{name}");
        }
        assert_eq!(tag_of("v1.tar"), None);
        assert_eq!(tag_of(".tgz"), None);
    }

    #[test]
    fn other_peoples_archives_are_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(&dir.path().join("murder")).unwrap();
        let folder = dir.path().join("backup");
        std::fs::create_dir(&folder).unwrap();
        for name in ["backup.tgz", "v1.tgz", "notes.tgz.torrent"] {
            std::fs::write(folder.join(name), b"x").unwrap();
        }
        assert!(tags_in(&home, &folder).is_empty());
        std::fs::write(home.run().join("peer-v1.lock"), b"").unwrap();
        let tags: Vec<_> = tags_in(&home, &folder).into_iter().map(String::from).collect();
        assert_eq!(tags, ["v1"]);
        std::fs::write(home.spool().join("v2.tgz.partial"), b"").unwrap();
        assert_eq!(tags_in(&home, &home.spool()).len(), 1);
    }
}
