//! An archive that one machine packs and another one takes in: what `pack` writes, byte for byte,
//! is what `torrent-receive` reads.

#[path = "support/installed.rs"]
mod installed;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use murder_protocol::verbs::{
    Compression, Pack, PackEvent, PackReply, TorrentCreate, TorrentReceive, TorrentReply, Verb,
};
use murder_protocol::{Decoded, Failure, Format, Frame, Tag, decode, encode_request};

use installed::{Installed, copy_executable};

fn tag() -> Tag {
    "v1".parse().unwrap()
}

/// Some noise, so that there are many packets and pieces, and what is left out.
fn tree(root: &Path) {
    std::fs::create_dir_all(root.join("sub/empty")).unwrap();
    let noise: Vec<u8> = (0..1_500_000u32).map(|n| (n.wrapping_mul(n) >> 9) as u8).collect();
    std::fs::write(root.join("sub/noise"), noise).unwrap();
    std::fs::write(root.join("small"), "hello").unwrap();
    std::fs::write(root.join("left.o"), "out").unwrap();
}

fn request(path: &Path) -> Pack {
    Pack {
        path: path.to_str().unwrap().to_owned(),
        path_is_file: path.is_file(),
        exclude: vec!["*.o".to_owned()],
        compression: Compression::Gzip(6),
    }
}

fn packed(agent: &Installed, pack: &Pack) -> Output {
    agent.start(pack).wait_with_output().unwrap()
}

/// What the seeder makes of this stream, and whatever is in its folder then.
fn receive(
    seeder: &Installed,
    stream: &[u8],
    path_is_file: bool,
) -> (Result<TorrentReply, Failure>, Vec<String>) {
    receive_as(Format::Tgz, seeder, stream, path_is_file)
}

fn receive_as(
    format: Format,
    seeder: &Installed,
    stream: &[u8],
    path_is_file: bool,
) -> (Result<TorrentReply, Failure>, Vec<String>) {
    let temp = seeder.path("temp");
    let temp_path = Some(temp.to_str().unwrap().to_owned());
    let request = TorrentReceive { tag: tag(), path_is_file, format, temp_path };
    let mut child = seeder.command(TorrentReceive::NAME).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(encode_request(&request).as_bytes()).unwrap();
    // It may refuse before it has read all.
    let _ = stdin.write_all(stream);
    drop(stdin);
    let stdout = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let Decoded::Frame(frame) = decode::<(), TorrentReply>(&stdout) else { panic!("{stdout:?}") };
    let result = match frame {
        Frame::Reply(reply) => Ok(reply),
        Frame::Failed(failure) => Err(failure),
        Frame::Event(()) => panic!("{stdout:?}"),
    };
    let names = temp.read_dir().unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    (result, names)
}

/// The torrent, without the nonce that makes each another one.
fn in_form(reply: &TorrentReply) -> Vec<u8> {
    let torrent = &reply.torrent.0;
    let key = b"5:nonce";
    let at = torrent.windows(key.len()).position(|window| window == key);
    match at {
        Some(at) => [&torrent[..at], &torrent[at + key.len() + 3 + 16..]].concat(),
        None => panic!("a torrent without a nonce: {}", String::from_utf8_lossy(torrent)),
    }
}

#[test]
fn what_is_packed_elsewhere_is_the_archive_and_the_torrent_that_create_makes() {
    for (name, compression) in [
        ("", Compression::Gzip(6)),
        ("sub/noise", Compression::Gzip(6)),
        ("", Compression::Zstd(4)),
    ] {
        let (workstation, seeder, other) = (Installed::new(), Installed::new(), Installed::new());
        let source = workstation.path("source");
        tree(&source);
        let pack = Pack { compression, ..request(&source.join(name)) };
        let output = packed(&workstation, &pack);
        assert_eq!(output.status.code(), Some(0));
        let format = compression.format();
        let (received, names) = receive_as(format, &seeder, &output.stdout, pack.path_is_file);
        let received = received.unwrap();
        let archive = format.name(&tag());
        assert_eq!(names, [archive.clone(), format!("{archive}.torrent")]);
        let created = other.call(&TorrentCreate {
            tag: tag(),
            files_path: pack.path.clone(),
            path_is_file: pack.path_is_file,
            exclude: pack.exclude.clone(),
            compression: pack.compression,
            temp_path: Some(other.path("temp").to_str().unwrap().to_owned()),
        });
        assert_eq!(in_form(&received), in_form(&created.unwrap()));
        let bytes = |agent: &Installed| std::fs::read(agent.path("temp").join(&archive)).unwrap();
        assert!(bytes(&seeder) == bytes(&other), "{name:?}");
    }
}

#[test]
fn packing_needs_no_folder_of_an_agent_and_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    tree(&dir.path().join("source"));
    let agent = dir.path().join("agent");
    copy_executable(&agent);
    let mut command = Command::new(agent);
    command.arg(Pack::NAME).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let line = encode_request(&request(&dir.path().join("source")));
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(dir.path().read_dir().unwrap().count(), 2);
}

#[test]
fn a_stream_that_breaks_leaves_nothing() {
    let (workstation, seeder) = (Installed::new(), Installed::new());
    let source = workstation.path("source");
    tree(&source);
    let whole = packed(&workstation, &request(&source)).stdout;
    let last_line = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for end in [0, whole.len() / 2, last_line + 1] {
        let (result, names) = receive(&seeder, &whole[..end], false);
        let failure = result.unwrap_err().to_string();
        assert_eq!(
            failure,
            "the archive did not arrive whole: its sender has gone (create the torrent again)"
        );
        assert!(names.is_empty(), "{names:?} after {end} bytes");
    }
}

#[test]
fn a_byte_that_is_not_as_it_was_sent_is_refused() {
    let (workstation, seeder) = (Installed::new(), Installed::new());
    let source = workstation.path("source");
    tree(&source);
    let mut stream = packed(&workstation, &request(&source)).stdout;
    let mut ends = (0..stream.len()).filter(|at| stream[*at] == b'\n');
    let of_the_first_packet = ends.nth(1).unwrap();
    stream[of_the_first_packet + 100] ^= 1;
    let (result, names) = receive(&seeder, &stream, false);
    assert_eq!(
        result.unwrap_err().to_string(),
        "what arrived of the archive is not what was sent: a hash (create the torrent again)"
    );
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn a_seeder_that_is_handed_the_failure_of_packing_keeps_nothing() {
    let (workstation, seeder) = (Installed::new(), Installed::new());
    let output = packed(&workstation, &request(&workstation.path("no")));
    let line = String::from_utf8(output.stdout).unwrap();
    let Decoded::Frame(Frame::Failed(failure)) = decode::<PackEvent, PackReply>(&line) else {
        panic!("{line:?}")
    };
    assert!(failure.to_string().ends_with("/no does not exist (give a path that exists there)"));
    let (result, names) = receive(&seeder, line.as_bytes(), false);
    assert_eq!(
        result.unwrap_err().to_string(),
        "the archive did not arrive whole: nothing was packed (create the torrent again)"
    );
    assert!(names.is_empty(), "{names:?}");
}
