//! `tracker-stop`, `seed-stop` and `peer-stop`: end roles by the locks they hold.

use std::thread;

use murder_protocol::verbs::{PeerStop, Role, SeedStop, StopReply, TrackerStop, Which};
use murder_protocol::{Failure, Tag};

use super::Replies;
use crate::blamed::Blamed as _;
use crate::home::Home;
use crate::lock::{GRACE, held, holder, stop};

pub(super) fn tracker(
    _request: TrackerStop,
    home: &Home,
    _replies: &mut Replies<TrackerStop>,
) -> Result<StopReply, Failure> {
    let roles = holder(home, Role::Tracker, None).map(|_| (Role::Tracker, None));
    let stopped = stop_all(home, roles.into_iter().collect())?;
    Ok(StopReply { stopped: stopped.iter().map(|_| "tracker".to_owned()).collect() })
}

pub(super) fn seeders(
    request: SeedStop,
    home: &Home,
    _replies: &mut Replies<SeedStop>,
) -> Result<StopReply, Failure> {
    of_role(home, Role::Seeder, &request.which)
}

pub(super) fn peers(
    request: PeerStop,
    home: &Home,
    _replies: &mut Replies<PeerStop>,
) -> Result<StopReply, Failure> {
    of_role(home, Role::Peer, &request.which)
}

/// Ends these roles side by side, so that many of them take no longer than one, and says which
/// ones ran. The first failure is told when all of them were tried.
pub(super) fn stop_all(
    home: &Home,
    roles: Vec<(Role, Option<Tag>)>,
) -> Result<Vec<(Role, Option<Tag>)>, Failure> {
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = roles
            .iter()
            .map(|(role, tag)| scope.spawn(move || stop(home, *role, tag.as_ref(), GRACE)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("stopping does not panic")).collect()
    });
    let mut stopped = Vec::new();
    for (role, result) in roles.into_iter().zip(results) {
        if result.map_err(|error| error.failure())?.is_some() {
            stopped.push(role);
        }
    }
    Ok(stopped)
}

fn of_role(home: &Home, role: Role, which: &Which) -> Result<StopReply, Failure> {
    let is_meant = |tag: &Option<Tag>| match which {
        Which::All => true,
        Which::Tag(wanted) => tag.as_ref() == Some(wanted),
    };
    let roles = held(home).into_iter().map(|(role, tag, _)| (role, tag));
    let roles = roles.filter(|(held, tag)| *held == role && is_meant(tag)).collect();
    let stopped = stop_all(home, roles)?;
    let tags = stopped.into_iter().filter_map(|(_, tag)| tag);
    Ok(StopReply { stopped: tags.map(String::from).collect() })
}
