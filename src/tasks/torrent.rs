//! `create_torrent` and `download_torrent`: the seeder packs, or takes in what is packed here, and
//! the torrent comes here.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use murder_protocol::verbs::{TorrentCreate, TorrentRead, TorrentReply, TorrentSummary};
use murder_protocol::{Blame, Failure, Format, Tag};

use super::context::{Context, Stop, missing};
use super::sending;
use crate::fleet::{Done, Ended, Job, Outcome};
use crate::inventory::Host;
use crate::report::{Event, units};
use crate::settings::{Create, Tagged, TaskName};
use crate::ssh::Step;

/// Packs a path of the seeder and makes its torrent.
pub(super) async fn create(
    context: &Context,
    create: &Create,
) -> Result<Vec<Ended<TorrentSummary>>, Stop> {
    let hosts = vec![context.cast.seeder.clone()];
    context
        .on_hosts(TaskName::CreateTorrent, hosts, context.limits(), |host| {
            pack(context.clone(), create.clone(), host)
        })
        .await
}

/// Fetches the torrent again.
pub(super) async fn download(
    context: &Context,
    tagged: &Tagged,
) -> Result<Vec<Ended<TorrentSummary>>, Stop> {
    let hosts = vec![context.cast.seeder.clone()];
    let tag = tagged.tag.clone();
    let request = |host: &Host| TorrentRead {
        tag: tag.clone(),
        temp_path: temp_path(host, tagged.temp_path.as_deref()),
    };
    let tag = tagged.tag.clone();
    context
        .ask(TaskName::DownloadTorrent, hosts, request, move |reply| {
            let path = keep(&tag, reply.summary.format, &reply.torrent.0)?;
            let detail = format!("{}; torrent in {}", summary(&reply.summary), path.display());
            Ok(Done { detail, value: reply.summary })
        })
        .await
}

/// Where a host keeps archives: what was typed, else what the inventory has for it.
pub(super) fn temp_path(host: &Host, typed: Option<&str>) -> Option<String> {
    typed.or_else(|| host.temp_path()).map(str::to_owned)
}

async fn pack(context: Context, create: Create, host: Arc<Host>) -> Job<TorrentSummary> {
    let TorrentReply { torrent, summary: made } = match &create.from {
        Some(from) => sending::send(&context, &create, from, &host).await?,
        None => pack_there(&context, &create, &host).await?,
    };
    let mut detail = summary(&made);
    if !create.do_not_download_torrent {
        let path = keep(&create.tag, made.format, &torrent.0)?;
        detail = format!("{detail}; torrent in {}", path.display());
    }
    Ok(Done { detail, value: made })
}

async fn pack_there(
    context: &Context,
    create: &Create,
    host: &Host,
) -> Result<TorrentReply, Outcome> {
    let files_path = create.files_path.as_deref().or_else(|| host.default_seeder_files_path());
    let request = TorrentCreate {
        tag: create.tag.clone(),
        files_path: files_path.ok_or_else(|| missing("files_path"))?.to_owned(),
        path_is_file: create.path_is_file,
        exclude: create.exclude.clone(),
        compression: create.compression,
        temp_path: temp_path(host, create.temp_path.as_deref()),
    };
    let mut stream = context.stream(host, &request).await?;
    loop {
        match stream.next().await? {
            Step::Reply(reply) => return Ok(reply),
            Step::Event(event) => context.reporter.emit(Event::Progress {
                host: host.name.clone(),
                what: "packing",
                bytes: event.bytes,
                total: event.total,
            }),
        }
    }
}

fn summary(summary: &TorrentSummary) -> String {
    let what = match (summary.path_is_file, summary.entries) {
        (true, _) => "one file".to_owned(),
        (false, 1) => "1 entry".to_owned(),
        (false, entries) => format!("{entries} entries"),
    };
    format!(
        "{what} of {}, packed into {}",
        units::bytes(summary.tree_bytes),
        units::bytes(summary.archive_bytes)
    )
}

/// Writes a torrent beside its final name and renames it. Who has it may join the swarm, so
/// nobody else may read it.
fn keep(tag: &Tag, format: Format, torrent: &[u8]) -> Result<PathBuf, Failure> {
    let folder = folder().ok_or_else(|| {
        Failure::new(Blame::Operator, "there is no folder to keep torrents in")
            .hint("set HOME or XDG_STATE_HOME")
    })?;
    let path = |format: Format| folder.join(format!("{}.torrent", format.name(tag)));
    // Of an archive of the same tag that is no more.
    let _ = std::fs::remove_file(path(format.other()));
    let path = path(format);
    write(&folder, &path, torrent).map_err(|error| {
        Failure::new(Blame::Operator, format!("{} on this machine: {error}", path.display()))
            .hint("make room for it, or say do_not_download_torrent=1")
    })?;
    Ok(path)
}

fn write(folder: &Path, path: &Path, torrent: &[u8]) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = path.with_extension(format!("new.{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    let written = file.write_all(torrent).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| std::fs::rename(&new, path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    renamed
}

/// The XDG base directory specification's place for what persists and is no configuration.
fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = given
        .filter(|path| path.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
    Some(state.join("murder/torrents"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path_is_file: bool, entries: u64) -> TorrentSummary {
        TorrentSummary {
            format: Format::Tgz,
            info_hash: String::new(),
            archive_bytes: 5,
            tree_bytes: 10,
            entries,
            pieces: 1,
            piece_length: 16,
            path_is_file,
        }
    }

    #[test]
    fn a_summary_tells_a_tree_from_a_file() {
        assert_eq!(summary(&of(false, 3)), "3 entries of 10 B, packed into 5 B");
        assert_eq!(summary(&of(false, 1)), "1 entry of 10 B, packed into 5 B");
        assert_eq!(summary(&of(true, 1)), "one file of 10 B, packed into 5 B");
    }

    #[test]
    fn a_torrent_is_written_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("murder-keep-{}", std::process::id()));
        let path = folder.join("v1.tgz.torrent");
        write(&folder, &path, b"one").unwrap();
        write(&folder, &path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
