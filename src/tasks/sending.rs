//! `create_torrent from=`: this machine packs, and the seeder takes the archive in.

use std::path::PathBuf;

use murder_protocol::verbs::{Pack, PackEvent, PackReply, TorrentReceive, TorrentReply};
use murder_protocol::{Blame, Failure, Frame, encode};

use super::context::Context;
use super::torrent::temp_path;
use crate::fleet::Outcome;
use crate::inventory::Host;
use crate::report::Event;
use crate::settings::Create;
use crate::ssh::{Step, Stream, stream_here};

/// Packs a path of this machine into the seeder's archive. Nothing is written here, and whatever
/// ends it, the seeder keeps no half of an archive.
pub(super) async fn send(
    context: &Context,
    create: &Create,
    from: &str,
    host: &Host,
) -> Result<TorrentReply, Outcome> {
    let path = absolute(from).into_os_string().into_string().map_err(|path| {
        let text = format!("{} is not UTF-8", path.display());
        here(Failure::new(Blame::Operator, text).hint("rename it"))
    })?;
    let pack = Pack {
        path,
        path_is_file: create.path_is_file,
        exclude: create.exclude.clone(),
        compression: create.compression,
    };
    let receive = TorrentReceive {
        tag: create.tag.clone(),
        path_is_file: create.path_is_file,
        format: create.compression.format(),
        temp_path: temp_path(host, create.temp_path.as_deref()),
    };
    let mut packing = stream_here(&context.agents, &pack).await.map_err(here)?;
    let mut receiving = context.stream(host, &receive).await?;
    relay(context, host, &mut packing, &mut receiving).await?;
    receiving.close_input();
    Ok(receiving.reply().await?)
}

/// A path of this machine: agents start in the home folder, wherever `murder` was called.
pub(super) fn absolute(from: &str) -> PathBuf {
    let path = match (from.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(from),
    };
    std::path::absolute(&path).unwrap_or(path)
}

/// Until all was sent, or until the seeder no longer reads: then it has something to say.
async fn relay(
    context: &Context,
    host: &Host,
    packing: &mut Stream<Pack>,
    receiving: &mut Stream<TorrentReceive>,
) -> Result<(), Outcome> {
    let (mut total, mut told) = (0, 0);
    loop {
        let step = packing.next().await.map_err(|error| here(error.failure()))?;
        let mut bytes = Vec::new();
        let frame: Frame<PackEvent, PackReply> = match step {
            Step::Reply(reply) => Frame::Reply(reply),
            Step::Event(event) => {
                match event {
                    PackEvent::Begins { tree_bytes, .. } => total = tree_bytes,
                    PackEvent::Bytes { length, read } => {
                        let packet = packing.bytes(length as usize).await;
                        bytes = packet.map_err(|error| here(error.failure()))?;
                        if read == total || read >= told + TELL_EVERY {
                            told = read;
                            context.reporter.emit(progress(host, read, total));
                        }
                    }
                }
                Frame::Event(event)
            }
        };
        let is_last = matches!(frame, Frame::Reply(_));
        let line = encode(&frame);
        let takes_more = receiving.send_bytes(line.as_bytes()).await
            && (bytes.is_empty() || receiving.send_bytes(&bytes).await);
        if is_last || !takes_more {
            return Ok(());
        }
    }
}

fn progress(host: &Host, bytes: u64, total: u64) -> Event {
    Event::Progress { host: host.name.clone(), what: "sending", bytes, total }
}

fn here(failure: Failure) -> Failure {
    Failure { message: format!("on this machine: {}", failure.message), ..failure }
}

/// In bytes of the tree.
const TELL_EVERY: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_that_of_the_working_directory_or_of_the_home() {
        let folder = std::env::current_dir().unwrap();
        assert_eq!(absolute("./build"), folder.join("build"));
        assert_eq!(absolute("/srv/build"), PathBuf::from("/srv/build"));
        assert_eq!(absolute("~/build"), std::env::home_dir().unwrap().join("build"));
    }
}
