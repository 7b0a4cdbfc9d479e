//! murder's agents, asked by their verbs as the workstation does, but without SSH.

use std::fs;
use std::process::Stdio;

use murder_protocol::verbs::{
    Compression, Destination, PeerStart, Reach, RunOpen, RunReply, SeedStart, TorrentCreate,
    TorrentRegister, TrackerStart, Verb,
};
use murder_protocol::{Decoded, Frame, Tag, decode, encode_request};
use murder_testfleet::PROGRAMS;

use super::Tool;
use crate::Outcome;
use crate::field::{Field, Hold, PAYLOAD};
use crate::finish::Finishes;
use crate::member::Member;
use crate::record::Sample;

/// murder.
#[derive(Default)]
pub(crate) struct Murder {
    /// Nobody needs the file any more once it is packed.
    last: bool,
}

impl Murder {
    /// For a file of which memory can't hold one copy more.
    pub(crate) fn for_the_last_time() -> Self {
        Self { last: true }
    }
}

impl Tool for Murder {
    fn name(&self) -> String {
        "murder".into()
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    fn settings(&self) -> String {
        "compression=none, since noise can't be compressed; otherwise as it comes".into()
    }

    fn run(&self, field: &Field) -> Outcome<Sample> {
        let tag: Tag = "v1".parse()?;
        field.members().try_for_each(install)?;
        let announce_ip = Some(field.tracker().address.parse()?);
        ask(field.tracker(), &TrackerStart { port: 8998, announce_ip })?;
        let made = ask(
            field.seeder(),
            &TorrentCreate {
                tag: tag.clone(),
                files_path: PAYLOAD.into(),
                path_is_file: true,
                exclude: Vec::new(),
                compression: Compression::None,
                temp_path: None,
            },
        )?;
        if self.last {
            fs::remove_file(field.seeder().host().path(PAYLOAD))?;
        }
        let register = TorrentRegister { tag: tag.clone(), torrent: made.torrent };
        let registered = ask(field.tracker(), &register)?;
        let seeder = ask(
            field.seeder(),
            &SeedStart {
                tag: tag.clone(),
                temp_path: None,
                reach: reach(field.seeder(), registered.trackers)?,
                key: registered.key,
            },
        )?;
        let run = ask(
            field.tracker(),
            &RunOpen {
                tag: tag.clone(),
                hosts: field.peers().iter().map(|peer| peer.name.clone()).collect(),
                timeout_seconds: 600,
            },
        )?;
        let hold = Hold::of_host(field.seeder().host(), seeder.pid)?;
        tell_all(field, &tag, &run)?;
        field.wait_for_connections();
        let mut finishes = Finishes::new();
        let log = |peer: &Member| (peer.name.clone(), peer.path(".murder/log/peer-v1.log"));
        finishes.on_logs(field.peers().iter().map(log), "every piece is here")?;
        let sample = field.race(&finishes, || drop(hold))?;
        field.wait_for_files(FILE)?;
        field.verify(FILE)?;
        Ok(sample)
    }
}

/// Hands each peer its job, some at a time.
fn tell_all(field: &Field, tag: &Tag, run: &RunReply) -> Outcome<()> {
    let told = |peer: &Member| -> Result<(), String> {
        let request = PeerStart {
            run: run.run.clone(),
            key: run.key.clone(),
            tag: tag.clone(),
            torrent: run.torrent.clone(),
            reach: reach(peer, run.trackers.clone()).map_err(|error| error.to_string())?,
            destination: Destination {
                path: peer.file(FILE),
                unsafe_please_delete: false,
                keep_owner: false,
                as_release: false,
            },
            temp_path: None,
            seed_seconds: 600,
            lease_seconds: 600,
            timeout_seconds: 600,
        };
        ask(peer, &request).map(drop).map_err(|error| error.to_string())
    };
    std::thread::scope(|scope| {
        let share = field.peers().len().div_ceil(FORKS);
        let threads: Vec<_> = field
            .peers()
            .chunks(share)
            .map(|peers| scope.spawn(move || peers.iter().try_for_each(told)))
            .collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(told) => Ok(told?),
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

fn install(member: &Member) -> Outcome<()> {
    let bin = member.path(".murder/bin");
    fs::create_dir_all(&bin)?;
    fs::copy(member.host().path(&format!("{PROGRAMS}/murder-agent")), bin.join("murder-agent"))?;
    Ok(())
}

fn reach(member: &Member, trackers: Vec<std::net::SocketAddr>) -> Outcome<Reach> {
    let announce_ip = Some(member.address.parse()?);
    Ok(Reach { host: member.name.clone(), trackers, announce_ip, peer_ports: (6881, 6889) })
}

/// Asks a member's agent.
pub(crate) fn ask<V: Verb>(member: &Member, request: &V) -> Outcome<V::Reply> {
    fs::write(member.path("request"), encode_request(request))?;
    let line = format!("exec .murder/bin/murder-agent {} <request", V::NAME);
    let output = member
        .command("sh")
        .args(["-c", &format!("cd {} && {line}", member.folder)])
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = said.lines().last().unwrap_or_default();
    match decode::<V::Event, V::Reply>(last) {
        Decoded::Frame(Frame::Reply(reply)) => Ok(reply),
        Decoded::Frame(Frame::Failed(failure)) => {
            Err(format!("{}: {}: {failure}", member.name, V::NAME).into())
        }
        _ => Err(format!("{}: {} said {said:?}", member.name, V::NAME).into()),
    }
}

/// Where the tree goes.
const FILE: &str = "tree";
const FORKS: usize = 8;
