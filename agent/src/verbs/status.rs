//! `status`: what runs on the host, and how what ran before has ended.

use std::collections::BTreeMap;

use murder_protocol::verbs::{Role, RoleStatus, Status, StatusReply};
use murder_protocol::{Blame, Failure, HostOutcome, Tag};

use super::Replies;
use crate::home::{Home, role_noun};
use crate::lock::held;
use crate::status::{read_all, silent};

pub(super) fn run(
    request: Status,
    home: &Home,
    _replies: &mut Replies<Status>,
) -> Result<StatusReply, Failure> {
    let mut roles = collect(home);
    if let Some(tag) = request.tag {
        roles.retain(|role| role.tag.as_ref() == Some(&tag));
    }
    // Running ones first; the order by role and tag stays.
    roles.sort_by_key(|role| role.pid.is_none());
    Ok(StatusReply { roles })
}

/// A role runs if somebody holds its lock, whatever its status file says.
fn collect(home: &Home) -> Vec<RoleStatus> {
    let written =
        read_all(home).into_iter().map(|status| ((status.role, status.tag.clone()), status));
    let mut all: BTreeMap<(Role, Option<Tag>), RoleStatus> = written.collect();
    let mut running: BTreeMap<(Role, Option<Tag>), u32> = BTreeMap::new();
    for (role, tag, pid) in held(home) {
        all.entry((role, tag.clone())).or_insert_with(|| silent(role, tag.clone()));
        running.insert((role, tag), pid);
    }
    let correct = |(key, mut status): ((Role, Option<Tag>), RoleStatus)| {
        let pid = running.get(&key).copied();
        if pid.is_none() && status.pid.is_some() && status.outcome.is_none() {
            status.outcome = Some(HostOutcome::Failed(vanished(status.role)));
        }
        status.pid = pid;
        status
    };
    all.into_iter().map(correct).collect()
}

fn vanished(role: Role) -> Failure {
    let text =
        format!("the {} ended without a word: killed, or the host went down", role_noun(role));
    Failure::new(Blame::Host, text).hint(match role {
        Role::Tracker => "run start_tracker again",
        Role::Seeder => "run start_seeding again",
        Role::Warm => "run warm again",
        Role::Peer => "run the task peer again, which goes on from what is verified",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::RoleLock;
    use crate::status::StatusFile;

    fn write(home: &Home, role: Role, tag: &str, pid: Option<u32>) -> Tag {
        let tag: Tag = tag.parse().unwrap();
        let status = RoleStatus { pid, ..silent(role, Some(tag.clone())) };
        StatusFile::new(home, role, Some(&tag)).write(&status).unwrap();
        tag
    }

    #[test]
    fn what_runs_comes_first_and_what_was_killed_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        write(&home, Role::Peer, "killed", Some(1));
        write(&home, Role::Peer, "ended", None);
        let tag = write(&home, Role::Peer, "runs", Some(1));
        let _lock = RoleLock::acquire(&home, Role::Peer, Some(&tag)).unwrap();
        let _tracker = RoleLock::acquire(&home, Role::Tracker, None).unwrap();
        let me = Some(std::process::id());
        let shown: Vec<_> = collect(&home)
            .into_iter()
            .map(|role| (role.tag.map(String::from), role.pid, role.outcome.is_some()))
            .collect();
        let tag = |tag: &str| Some(tag.to_owned());
        assert_eq!(
            shown,
            [
                (None, me, false),
                (tag("ended"), None, false),
                (tag("killed"), None, true),
                (tag("runs"), me, false),
            ]
        );
    }
}
