//! Commands of the operator, through the executable as the workstation uses it.

#[path = "support/installed.rs"]
mod installed;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use murder_protocol::verbs::{
    Command as Wanted, Exec, ExecEnd, ExecEvent, ExecReply, OutputStream, Verb as _,
};
use murder_protocol::{Decoded, Failure, Frame, Secret, decode, encode_request};

use installed::Installed;

fn argv(words: &[&str]) -> Exec {
    Exec {
        command: Wanted::Argv(words.iter().map(|&word| word.to_owned()).collect()),
        directory: None,
        environment: BTreeMap::new(),
        become_user: None,
        timeout_seconds: 60,
    }
}

fn shell(text: &str) -> Exec {
    Exec { command: Wanted::Shell(text.to_owned()), ..argv(&[]) }
}

/// All that a command printed, and its end.
#[derive(Debug, Default)]
struct Ran {
    out: Vec<String>,
    err: Vec<String>,
    events: usize,
    end: Option<Result<ExecReply, Failure>>,
}

impl Ran {
    fn read(mut frames: impl Iterator<Item = Frame<ExecEvent, ExecReply>>) -> Self {
        let mut ran = Self::default();
        while ran.end.is_none() {
            match frames.next().expect("a last word") {
                Frame::Event(ExecEvent { stream, lines }) => {
                    ran.events += 1;
                    match stream {
                        OutputStream::Out => ran.out.extend(lines),
                        OutputStream::Err => ran.err.extend(lines),
                    }
                }
                Frame::Reply(reply) => ran.end = Some(Ok(reply)),
                Frame::Failed(failure) => ran.end = Some(Err(failure)),
            }
        }
        ran
    }

    fn end(&self) -> ExecEnd {
        self.end.clone().unwrap().unwrap().end
    }

    fn refusal(&self) -> String {
        self.end.clone().unwrap().unwrap_err().to_string()
    }
}

fn frames(stdout: ChildStdout) -> impl Iterator<Item = Frame<ExecEvent, ExecReply>> {
    BufReader::new(stdout).lines().map(|line| match decode(&line.unwrap()) {
        Decoded::Frame(frame) => frame,
        other => panic!("{other:?}"),
    })
}

fn run(request: &Exec) -> Ran {
    let agent = Installed::new();
    let mut child = agent.start(request);
    let ran = Ran::read(frames(child.stdout.take().unwrap()));
    child.wait().unwrap();
    ran
}

#[test]
fn a_program_gets_its_arguments_as_they_are() {
    let ran = run(&argv(&["printf", "%s\\n", "$HOME `id` *", "it's", ""]));
    assert_eq!(ran.out, ["$HOME `id` *", "it's", ""]);
    assert_eq!(ran.end(), ExecEnd::Status(0));
}

#[test]
fn a_text_is_for_the_shell() {
    let ran = run(&shell("echo out; echo err >&2; echo $((1 + 2)); exit 7"));
    assert_eq!(
        (ran.out, ran.err),
        (vec!["out".to_owned(), "3".to_owned()], vec!["err".to_owned()])
    );
    assert_eq!(ran.end.unwrap().unwrap().end, ExecEnd::Status(7));
}

#[test]
fn a_signal_is_told_apart_from_a_status() {
    let reply = Installed::new().call(&shell("kill -KILL $$")).unwrap();
    assert_eq!(reply.end, ExecEnd::Signal(9));
}

#[test]
fn it_runs_where_it_is_told_to_and_finds_programs_there() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("warm");
    fs::write(&program, "#!/bin/sh\npwd\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let directory = dir.path().to_str().unwrap().to_owned();
    let ran = run(&Exec { directory: Some(directory.clone()), ..argv(&["./warm"]) });
    assert_eq!(ran.out, [directory]);
    // Without a word it is the home of the user that logs in.
    assert_eq!(run(&argv(&["pwd"])).out, [std::env::var("HOME").unwrap()]);
    let missing = Exec { directory: Some("/not/there".to_owned()), ..argv(&["pwd"]) };
    assert_eq!(
        run(&missing).refusal(),
        "there is no directory /not/there (make it, or name another one)"
    );
}

#[test]
fn a_program_that_is_not_there_is_said_to_be_missing() {
    assert_eq!(
        run(&argv(&["no-such-program", "x"])).refusal(),
        "could not run no-such-program: No such file or directory (os error 2) (install it, or \
         write its path)"
    );
}

#[test]
fn a_variable_is_in_the_environment_and_in_no_arguments() {
    let environment = [("TOKEN".to_owned(), Secret("s3cr3t word".to_owned()))].into();
    let script = "echo \"$TOKEN\"; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >all; \
                  grep -c s3c'r3t' all || true";
    let dir = tempfile::tempdir().unwrap();
    let directory = Some(dir.path().to_str().unwrap().to_owned());
    let ran = run(&Exec { environment, directory, ..shell(script) });
    assert_eq!(ran.out, ["s3cr3t word", "0"]);
}

#[test]
fn much_output_comes_whole_and_in_few_events() {
    let ran = run(&shell("seq 200000; echo last >&2"));
    assert_eq!(ran.out.len(), 200_000);
    assert!(ran.out.iter().enumerate().all(|(at, line)| *line == (at + 1).to_string()));
    assert_eq!(ran.err, ["last"]);
    assert!(ran.events < 20_000, "{}", ran.events);
}

#[test]
fn lines_come_while_the_command_runs() {
    let agent = Installed::new();
    let fifo = agent.path("go-on");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut child = agent.start(&shell(&format!("echo one; cat {}", fifo.display())));
    let mut frames = frames(child.stdout.take().unwrap());
    let first = frames.next().unwrap();
    let wanted = ExecEvent { stream: OutputStream::Out, lines: vec!["one".to_owned()] };
    assert_eq!(first, Frame::Event(wanted));
    fs::write(&fifo, "two").unwrap();
    assert_eq!(Ran::read(frames).out, ["two"]);
    child.wait().unwrap();
}

/// Holds a lock for as long as it lives, and says so with a line.
fn hold(lock: &std::path::Path) -> String {
    format!("exec 9>{}; flock 9; echo held", lock.display())
}

/// Returns when nobody holds the lock any more.
fn wait_for(lock: &std::path::Path) {
    assert!(Command::new("flock").arg(lock).arg("true").status().unwrap().success());
}

#[test]
fn what_takes_too_long_is_ended_with_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    let script = format!("{}; sleep 1000 & sleep 1000", hold(&lock));
    let ran = run(&Exec { timeout_seconds: 1, ..shell(&script) });
    assert_eq!(
        (ran.out.as_slice(), ran.end()),
        (["held".to_owned()].as_slice(), ExecEnd::TimedOut)
    );
    wait_for(&lock);
}

#[test]
fn it_may_tidy_up_when_it_is_asked_to_end() {
    let script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let ran = run(&Exec { timeout_seconds: 1, ..shell(script) });
    assert_eq!(ran.out, ["ready", "bye"]);
    assert_eq!(ran.end(), ExecEnd::TimedOut);
}

#[test]
fn when_nobody_listens_any_more_it_is_ended_even_if_it_says_nothing() {
    let agent = Installed::new();
    let lock = agent.path("lock");
    let mut child = agent.start(&shell(&format!("{}; sleep 1000", hold(&lock))));
    let mut frames = frames(child.stdout.take().unwrap());
    assert!(matches!(frames.next(), Some(Frame::Event(_))));
    drop(frames);
    wait_for(&lock);
    child.wait().unwrap();
}

#[test]
fn what_it_leaves_running_is_neither_waited_for_nor_ended() {
    // It holds both pipes open.
    let ran = run(&shell("sleep 1000 & echo $!"));
    assert_eq!(ran.end(), ExecEnd::Status(0));
    assert!(Command::new("kill").arg(&ran.out[0]).status().unwrap().success());
}

/// A host whose sudoers are its own, where `nobody` logs in, who has a folder that is closed to
/// others.
struct SudoHost {
    agent: Installed,
}

impl SudoHost {
    /// Unless this machine can't have one, which is said.
    fn with(rules: &str) -> Option<Self> {
        let works = |command: &mut Command| command.output().is_ok_and(|it| it.status.success());
        if !works(Command::new("sudo").arg("-V")) {
            eprintln!("skipped: sudo is not installed");
            return None;
        }
        if !works(Command::new("unshare").args(["--mount", "true"])) {
            eprintln!("skipped: only root can give a host sudoers of its own");
            return None;
        }
        let agent = Installed::new();
        fs::write(agent.path("sudoers"), format!("Defaults use_pty\n{rules}\n")).unwrap();
        fs::set_permissions(agent.path("sudoers"), fs::Permissions::from_mode(0o440)).unwrap();
        fs::create_dir(agent.path("open")).unwrap();
        fs::set_permissions(agent.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
        fs::set_permissions(agent.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        let given = Command::new("chown").args(["-R", LOGIN]).arg(agent.home()).status();
        assert!(given.unwrap().success());
        fs::set_permissions(agent.home(), fs::Permissions::from_mode(0o700)).unwrap();
        Some(Self { agent })
    }

    fn start(&self, request: &Exec) -> Child {
        let program = self.agent.command(Exec::NAME);
        let script = "mount --bind \"$0\" /etc/sudoers && exec setpriv --reuid \"$1\" --regid nogroup \
                      --clear-groups \"$2\" exec";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(self.agent.path("sudoers"));
        command.arg(LOGIN).arg(program.get_program());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(encode_request(request).as_bytes()).unwrap();
        child
    }

    fn run(&self, request: Exec) -> Ran {
        self.run_as(OTHER, request)
    }

    fn run_as(&self, user: &str, request: Exec) -> Ran {
        let mut child = self.start(&Exec { become_user: Some(user.to_owned()), ..request });
        let ran = Ran::read(frames(child.stdout.take().unwrap()));
        child.wait().unwrap();
        ran
    }

    fn open(&self, name: &str) -> String {
        self.agent.path("open").join(name).to_str().unwrap().to_owned()
    }
}

/// Who logs in, and who that one may become.
const LOGIN: &str = "nobody";
const OTHER: &str = "daemon";

#[test]
fn another_user_runs_it_though_the_agents_folder_is_closed_to_them() {
    let Some(host) = SudoHost::with("nobody ALL=(daemon) NOPASSWD: ALL") else { return };
    let ran = host.run(shell("id -un; pwd; exit 3"));
    assert_eq!(ran.out, [OTHER, "/"]);
    assert_eq!(ran.end(), ExecEnd::Status(3));
    // By way of a shell, too.
    let environment = [("A".to_owned(), Secret("it's $x".to_owned()))].into();
    let ran = host
        .run(Exec { environment, ..argv(&["sh", "-c", "id -un; echo \"$A\"; read x; exit 1"]) });
    assert_eq!(ran.out, [OTHER, "it's $x"]);
    assert_eq!(ran.end(), ExecEnd::Status(1));
}

#[test]
fn a_directory_may_be_open_to_the_other_user_alone() {
    let Some(host) = SudoHost::with("nobody ALL=(daemon) NOPASSWD: ALL") else { return };
    let directory = host.open("private");
    host.run(argv(&["mkdir", "-m", "700", "-p", &host.open("private/deep")]));
    for directory in [directory.clone(), directory + "/deep"] {
        let ran = host.run(Exec { directory: Some(directory.clone()), ..argv(&["pwd"]) });
        assert_eq!((ran.out, ran.err), (vec![directory], Vec::new()));
    }
}

#[test]
fn another_users_variables_are_in_no_arguments_either() {
    let Some(host) = SudoHost::with("nobody ALL=(daemon) NOPASSWD: ALL") else { return };
    let environment = [("TOKEN".to_owned(), Secret("s3cr3t".to_owned()))].into();
    let script = "echo \"$TOKEN\"; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >all; \
                  grep -c s3c'r3t' all";
    let ran = host.run(Exec { environment, directory: Some(host.open("")), ..shell(script) });
    assert_eq!(ran.out, ["s3cr3t", "0"]);
}

#[test]
fn who_may_not_become_another_user_is_told_what_sudo_says_and_what_to_do() {
    let Some(host) = SudoHost::with("nobody ALL=(daemon) ALL") else { return };
    let hint = "(let sudoers allow it without a password (NOPASSWD), or log in as daemon)";
    let password = format!("may not become daemon: sudo: a password is required {hint}");
    assert_eq!(host.run(argv(&["true"])).refusal(), password);
    let environment = [("A".to_owned(), Secret(String::new()))].into();
    assert_eq!(host.run(Exec { environment, ..argv(&["true"]) }).refusal(), password);
    assert_eq!(
        host.run_as("no-such-user", argv(&["true"])).refusal(),
        "may not become no-such-user: sudo: unknown user no-such-user (let sudoers allow it \
         without a password (NOPASSWD), or log in as no-such-user)"
    );
}

#[test]
fn a_narrow_rule_is_enough_for_a_command_without_variables() {
    let rules = "nobody ALL=(daemon) NOPASSWD: /usr/bin/id -un";
    let Some(host) = SudoHost::with(rules) else { return };
    assert_eq!(host.run(argv(&["/usr/bin/id", "-un"])).out, [OTHER]);
    let refusal = host.run(argv(&["/usr/bin/id", "-u"])).refusal();
    assert!(refusal.starts_with("may not become daemon: sudo: "), "{refusal}");
}

#[test]
fn a_narrow_rule_lets_a_command_be_asked_to_end() {
    let rules = "nobody ALL=(daemon) NOPASSWD: /usr/bin/sleep 1000";
    let Some(host) = SudoHost::with(rules) else { return };
    let ran = host.run(Exec { timeout_seconds: 1, ..argv(&["/usr/bin/sleep", "1000"]) });
    assert_eq!(ran.end(), ExecEnd::TimedOut);
}

#[test]
fn a_command_of_another_user_is_ended_too() {
    let Some(host) = SudoHost::with("nobody ALL=(daemon) NOPASSWD: ALL") else { return };
    for (name, environment) in [
        ("plain", BTreeMap::new()),
        ("with-variables", [("A".to_owned(), Secret(String::new()))].into()),
    ] {
        let lock = host.open(name);
        let script = format!("{}; sleep 1000 & sleep 1000", hold(lock.as_ref()));
        let ran = host.run(Exec { timeout_seconds: 1, environment, ..shell(&script) });
        assert_eq!(ran.out, ["held"]);
        assert_eq!(ran.end(), ExecEnd::TimedOut);
        wait_for(lock.as_ref());
    }
}
