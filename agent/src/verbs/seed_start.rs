//! `seed-start`: starts a detached seeder, unless the same one runs.

use murder_protocol::Failure;
use murder_protocol::verbs::{Role, SeedReply, SeedStart};

use super::Replies;
use crate::blamed::Blamed as _;
use crate::detach;
use crate::home::Home;
use crate::lock;
use crate::roles::{JobFile, SEEDER_PATIENCE, SeedJob, load_torrent};

/// Returns once the tracker knows the seeder. One that runs with another torrent, key or address
/// is stopped first: it would serve what nobody asks for any more.
pub(super) fn run(
    request: SeedStart,
    home: &Home,
    _replies: &mut Replies<SeedStart>,
) -> Result<SeedReply, Failure> {
    let tag = &request.tag;
    let path = home.torrent(tag, request.temp_path.as_deref()).map_err(|error| error.failure())?;
    let metainfo = load_torrent(&path, tag).map_err(|error| error.failure())?;
    let job = SeedJob { info_hash: metainfo.info_hash().to_string(), request: &request };
    if let Some(pid) = lock::holder(home, Role::Seeder, Some(tag)) {
        if JobFile::new(home, Role::Seeder, tag).is(&job) {
            return Ok(SeedReply { already_running: true, pid });
        }
        lock::stop(home, Role::Seeder, Some(tag), lock::GRACE).map_err(|error| error.failure())?;
    }
    let ready = detach::spawn::<()>(Role::Seeder, &request, SEEDER_PATIENCE)?;
    Ok(SeedReply { already_running: false, pid: ready.pid })
}
