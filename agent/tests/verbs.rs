//! The executable, as the workstation uses it: a word, a line on stdin, marked lines on stdout.

#[path = "support/installed.rs"]
mod installed;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use murder_protocol::verbs::{
    Clean, Compression, Doctor, DoctorEvent, DoctorReply, Hello, Logs, NoEvent, PeerStop, SeedStop,
    Status, TorrentCreate, TorrentRead, TrackerReply, TrackerStart, TrackerStop, Uninstall, Which,
};
use murder_protocol::{Decoded, Format, Frame, PROTOCOL, decode};

use installed::{Installed, copy_executable};

/// What the executable makes of a word and these bytes.
fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // It may end without reading anything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn hello_says_who_the_agent_is_and_makes_its_folder_private() {
    let agent = Installed::new();
    let reply = agent.call(&Hello {}).unwrap();
    assert_eq!(reply.protocol, PROTOCOL);
    assert_eq!(reply.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(reply.sha256.len(), 64);
    assert_eq!(Path::new(&reply.home), agent.home());
    let mode = agent.home().join("run").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn an_unknown_verb_is_refused_in_a_frame() {
    let agent = Installed::new();
    let output = run(
        &mut agent.command("teleport"),
        &format!("{{\"protocol\":{PROTOCOL},\"request\":{{}}}}\n"),
    );
    assert_eq!(output.status.code(), Some(1));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let Decoded::Frame(Frame::Failed(failure)) = decode::<NoEvent, ()>(&stdout) else {
        panic!("{stdout:?}")
    };
    assert_eq!(
        failure.to_string(),
        "this agent does not know the verb \"teleport\" (run the task distribute_files, which \
         brings the agent up to date)"
    );
}

#[test]
fn an_agent_outside_a_bin_folder_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("murder-agent");
    copy_executable(&path);
    let mut command = Command::new(path);
    command.arg("hello").stdin(Stdio::piped()).stdout(Stdio::piped());
    let output = run(&mut command, &format!("{{\"protocol\":{PROTOCOL},\"request\":{{}}}}\n"));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("the agent runs from its own bin folder only"), "{stdout}");
    assert_eq!(dir.path().read_dir().unwrap().count(), 1);
}

#[test]
fn version_and_usage_are_for_people() {
    let agent = Installed::new();
    let output = run(&mut agent.command("--version"), "");
    let version = format!("murder-agent {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
    assert_eq!(run(&mut agent.command("--help"), "").status.code(), Some(2));
}

fn create(agent: &Installed, source: &Path) -> TorrentCreate {
    std::fs::create_dir_all(source).unwrap();
    std::fs::write(source.join("file"), vec![b'x'; 200_000]).unwrap();
    TorrentCreate {
        tag: "v1".parse().unwrap(),
        files_path: source.to_str().unwrap().to_owned(),
        path_is_file: false,
        exclude: Vec::new(),
        compression: Compression::Gzip(6),
        temp_path: Some(agent.path("temp").to_str().unwrap().to_owned()),
    }
}

#[test]
fn a_torrent_is_made_read_again_and_cleaned_up() {
    let agent = Installed::new();
    let request = create(&agent, &agent.path("source"));
    let made = agent.call(&request).unwrap();
    assert_eq!((made.summary.tree_bytes, made.summary.entries), (200_000, 2));
    let TorrentCreate { tag, temp_path, .. } = request;
    let read = TorrentRead { tag: tag.clone(), temp_path: temp_path.clone() };
    assert_eq!(agent.call(&read).unwrap().torrent, made.torrent);
    let temp = agent.path("temp");
    std::fs::write(temp.join("other.tgz"), b"somebody else's").unwrap();
    let clean = Clean { which: Which::All, earlier: false, temp_path };
    let reply = agent.call(&clean).unwrap();
    assert_eq!(reply.removed.len(), 2);
    assert_eq!(reply.bytes, made.summary.archive_bytes + made.torrent.0.len() as u64);
    assert_eq!(temp.read_dir().unwrap().count(), 1);
    assert_eq!(
        agent.call(&read).unwrap_err().to_string(),
        format!(
            "there is no torrent of tag v1 at {}/v1.tgz.torrent (run create_torrent tag=v1 first, \
             with the same temp_path)",
            temp.display()
        )
    );
}

#[test]
fn an_archive_of_another_format_takes_the_place_of_the_one_before() {
    let agent = Installed::new();
    let gzip = create(&agent, &agent.path("source"));
    let zstd = TorrentCreate { compression: Compression::Zstd(4), ..gzip.clone() };
    let TorrentCreate { tag, temp_path, .. } = gzip.clone();
    let read = TorrentRead { tag, temp_path: temp_path.clone() };
    for (request, format) in [(&gzip, Format::Tgz), (&zstd, Format::TarZst), (&gzip, Format::Tgz)] {
        let made = agent.call(request).unwrap();
        assert_eq!(made.summary.format, format);
        assert_eq!(agent.call(&read).unwrap().torrent, made.torrent);
        let names = [format.name(&request.tag), format!("{}.torrent", format.name(&request.tag))];
        assert!(names.iter().all(|name| agent.path("temp").join(name).exists()));
        assert_eq!(agent.path("temp").read_dir().unwrap().count(), 2);
    }
    agent.call(&zstd).unwrap();
    let clean = Clean { which: Which::All, earlier: false, temp_path };
    assert_eq!(agent.call(&clean).unwrap().removed.len(), 2);
}

#[test]
fn two_torrents_of_the_same_tree_differ_so_that_none_can_be_guessed() {
    let agent = Installed::new();
    let request = create(&agent, &agent.path("source"));
    let [one, two] = [(); 2].map(|()| agent.call(&request).unwrap().summary);
    assert_eq!((one.archive_bytes, one.pieces), (two.archive_bytes, two.pieces));
    assert_ne!(one.info_hash, two.info_hash);
}

#[test]
fn a_request_that_can_not_be_packed_is_refused_and_says_how_to_go_on() {
    let agent = Installed::new();
    let good = create(&agent, &agent.path("source"));
    let refusal = |request: &TorrentCreate| agent.call(request).unwrap_err().to_string();
    assert_eq!(
        refusal(&TorrentCreate { files_path: String::new(), ..good.clone() }),
        "files_path is empty (give it the directory or file on the seeder that is to be \
         distributed)"
    );
    assert_eq!(
        refusal(&TorrentCreate { files_path: "files".to_owned(), ..good.clone() }),
        "the path \"files\" is not absolute (write a path that begins with / or ~/)"
    );
    assert_eq!(
        refusal(&TorrentCreate { exclude: vec!["[".to_owned()], ..good }),
        "the exclude pattern \"[\" is not finished (write glob patterns, such as exclude='*.o')"
    );
}

#[test]
fn stopping_what_does_not_run_stops_nothing() {
    let agent = Installed::new();
    assert!(agent.call(&TrackerStop {}).unwrap().stopped.is_empty());
    assert!(agent.call(&SeedStop { which: Which::All }).unwrap().stopped.is_empty());
    let which = Which::Tag("v1".parse().unwrap());
    assert!(agent.call(&PeerStop { which }).unwrap().stopped.is_empty());
    assert!(agent.call(&Status { tag: None }).unwrap().roles.is_empty());
}

fn start_tracker(agent: &Installed) -> TrackerReply {
    let announce_ip = Some(std::net::Ipv4Addr::LOCALHOST.into());
    agent.call(&TrackerStart { port: free_port(), announce_ip }).unwrap()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[test]
fn a_detached_tracker_is_seen_by_status_and_logs_and_is_stopped_by_its_lock() {
    let agent = Installed::new();
    let pid = start_tracker(&agent).pid;
    let roles = agent.call(&Status { tag: None }).unwrap().roles;
    assert_eq!(roles.iter().map(|role| role.pid).collect::<Vec<_>>(), [Some(pid)]);
    let logs = agent.call(&Logs { tag: None, lines: 100 }).unwrap().logs;
    assert_eq!(logs.iter().map(|log| log.name.as_str()).collect::<Vec<_>>(), ["tracker.log"]);
    assert_eq!(agent.call(&TrackerStop {}).unwrap().stopped, ["tracker"]);
    assert!(!is_running(pid));
    assert!(agent.call(&TrackerStop {}).unwrap().stopped.is_empty());
}

#[test]
fn uninstall_ends_what_runs_and_leaves_other_peoples_files_only() {
    let agent = Installed::new();
    let temp = agent.path("temp");
    agent.call(&create(&agent, &agent.path("source"))).unwrap();
    let pid = start_tracker(&agent).pid;
    std::fs::write(agent.home().join("bin/.new.7"), b"half an upload").unwrap();
    std::os::unix::fs::symlink("murder-agent-0", agent.home().join("bin/murder-agent")).unwrap();
    // A verb that waits for the end of its stdin.
    let request = Doctor { paths: vec![], listen: Some((0, 0)), dial: vec![], announce_ip: None };
    let mut verb = agent.start(&request);
    read_line(&mut verb);
    let reply = agent.call(&Uninstall {}).unwrap();
    assert_eq!(reply.stopped, ["tracker"]);
    assert_eq!(Path::new(&reply.removed), agent.home());
    assert!(!is_running(pid));
    assert!(!verb.wait().unwrap().success());
    assert!(!agent.home().exists());
    assert!(!temp.exists());
}

#[test]
fn uninstall_from_a_shared_folder_takes_its_own_files_only() {
    let agent = Installed::new();
    agent.call(&Hello {}).unwrap();
    std::fs::write(agent.home().join("notes"), b"mine").unwrap();
    std::fs::write(agent.home().join("bin/tool"), b"mine").unwrap();
    agent.call(&Uninstall {}).unwrap();
    let mut left: Vec<_> =
        agent.home().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["bin", "notes"]);
}

fn read_line(child: &mut std::process::Child) -> String {
    // One byte at a time, so that nothing of the next line is lost.
    let mut line = Vec::new();
    let mut byte = [0];
    while byte != *b"\n" {
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

#[test]
fn doctor_listens_until_stdin_closes_and_dials() {
    let agent = Installed::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    let request = Doctor {
        paths: vec!["/proc".to_owned()],
        listen: Some((0, 0)),
        dial: vec![open],
        announce_ip: Some(std::net::Ipv4Addr::LOCALHOST.into()),
    };
    let mut child = agent.start(&request);
    let line = read_line(&mut child);
    let Decoded::Frame(Frame::Event(event)) = decode::<DoctorEvent, DoctorReply>(&line) else {
        panic!("{line:?}")
    };
    std::net::TcpStream::connect(event.listening[0]).unwrap();
    drop(child.stdin.take());
    let line = read_line(&mut child);
    let Decoded::Frame(Frame::Reply(reply)) = decode::<DoctorEvent, DoctorReply>(&line) else {
        panic!("{line:?}")
    };
    assert!(child.wait().unwrap().success());
    assert_eq!(reply.dialled, [(open, None)]);
    let paths: Vec<_> = reply.file_systems.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, [agent.home().to_str().unwrap(), "/proc"]);
    assert!(reply.clock_unix_ms > 1_700_000_000_000);
}
