//! `clean`: removes archive, torrent and partial state of tags that nobody uses.

use std::io;
use std::path::PathBuf;

use murder_protocol::verbs::{Clean, CleanReply, Role, Which};
use murder_protocol::{Blame, Failure, Tag};

use super::Replies;
use crate::blamed::Blamed as _;
use crate::home::{Home, expand, role_word};
use crate::lock::holder;
use crate::spool::{files_of, tags_in};

pub(super) fn run(
    request: Clean,
    home: &Home,
    _replies: &mut Replies<Clean>,
) -> Result<CleanReply, Failure> {
    let folder = match &request.temp_path {
        Some(temp) => expand(temp).map_err(|error| error.failure())?,
        None => home.spool(),
    };
    let mut tags = match &request.which {
        Which::Tag(tag) => [tag.clone()].into(),
        Which::All => tags_in(home, &folder),
    };
    tags.iter().try_for_each(|tag| check_unused(home, tag))?;
    if let (Which::Tag(tag), true) = (&request.which, request.earlier) {
        let others = tags_in(home, &folder).into_iter();
        tags.extend(
            others.filter(|other| is_earlier(other, tag) && check_unused(home, other).is_ok()),
        );
    }
    let mut reply = CleanReply { removed: Vec::new(), bytes: 0 };
    for path in tags.iter().flat_map(|tag| files_of(&folder, tag)) {
        remove(path, &mut reply)?;
    }
    Ok(reply)
}

/// Whether the one tag is that of an earlier deploy of the same application: `app-` and a UTC time.
fn is_earlier(one: &Tag, other: &Tag) -> bool {
    match (named_by_time(one), named_by_time(other)) {
        (Some((name, time)), Some((same, later))) => name == same && time < later,
        _ => false,
    }
}

fn named_by_time(tag: &Tag) -> Option<(&str, &str)> {
    let (name, time) = tag.as_str().rsplit_once('-')?;
    let is_time = time.len() == TIME.len() && time.bytes().all(|byte| byte.is_ascii_digit());
    is_time.then_some((name, time))
}

fn check_unused(home: &Home, tag: &Tag) -> Result<(), Failure> {
    for (role, task) in [(Role::Seeder, "stop_seeding"), (Role::Peer, "stop_peering")] {
        if let Some(pid) = holder(home, role, Some(tag)) {
            let role = role_word(role);
            let text = format!("the files of tag {tag} are in use by a {role}, process {pid}");
            return Err(
                Failure::new(Blame::Operator, text).hint(format!("run {task} tag={tag} first"))
            );
        }
    }
    Ok(())
}

fn remove(path: PathBuf, reply: &mut CleanReply) -> Result<(), Failure> {
    let bytes = path.symlink_metadata().map_or(0, |metadata| metadata.len());
    match std::fs::remove_file(&path) {
        Ok(()) => {
            reply.bytes += bytes;
            reply.removed.push(path.to_string_lossy().into_owned());
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let text = format!("could not remove {}: {error}", path.display());
            Err(Failure::new(Blame::Host, text))
        }
    }
}

/// What a release is called that nobody has given a name.
const TIME: &str = "YYYYMMDDhhmmss";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_is_what_differs_in_its_time_only() {
        let later: Tag = "my-app-20261125120000".parse().unwrap();
        for (tag, earlier) in [
            ("my-app-20261125115959", true),
            ("my-app-20261125120000", false),
            ("my-app-20261125120001", false),
            ("my-20261125115959", false),
            ("my-app-api-20261125115959", false),
            ("my-app-v1", false),
        ] {
            assert_eq!(is_earlier(&tag.parse().unwrap(), &later), earlier, "{tag}");
        }
    }
}
