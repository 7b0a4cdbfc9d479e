//! Runs the program as the files of tests/cli/ say, and compares exit code, stdout and stderr
//! whole. Nothing here connects anywhere.
//!
//! With MURDER_BLESS=1 in the environment the files are written anew; read the difference then.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[test]
fn the_program_answers_as_it_is_written() {
    let mut wrong = String::new();
    let mut seen = 0;
    for path in cases() {
        let pinned = fs::read_to_string(&path).unwrap();
        let line = pinned.lines().next().unwrap_or_default();
        let args = line.strip_prefix("$ murder").expect("a case begins with its command line");
        let got = format!("{line}\n{}", render(&murder(args.split_whitespace())));
        if std::env::var_os("MURDER_BLESS").is_some() {
            fs::write(&path, &got).unwrap();
        } else if got != pinned {
            let name = path.file_name().unwrap().display();
            let _ = write!(wrong, "\n{name}:\n{got}\nand not\n{pinned}");
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(seen > 50, "{seen} cases");
}

#[test]
fn an_answer_that_nobody_reads_to_its_end_is_no_panic() {
    let mut child = command().arg("--help").stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_version_names_the_agent_by_its_content_and_says_how_large_it_is() {
    let output = murder(["--version"].into_iter());
    let text = String::from_utf8(output.stdout).unwrap();
    let (version, agent) = text.split_once('\n').unwrap();
    assert_eq!(version, format!("murder {}", env!("CARGO_PKG_VERSION")));
    let (hash, size) = agent.split_once(" sha256:").unwrap().1.split_once(' ').unwrap();
    assert!(agent.starts_with("agent linux-"), "{agent}");
    assert!(hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{agent}");
    let sizes = size.strip_suffix(" by gzip\n").unwrap().split_once(" bytes by xz, ").unwrap();
    let [xz, gzip]: [usize; 2] = [sizes.0, sizes.1].map(|size| size.parse().unwrap());
    assert!(100_000 < xz && xz < gzip, "{agent}");
}

#[test]
fn the_inventory_may_come_from_the_environment() {
    let mut command = command();
    command.env("MURDER_INVENTORY", "hosts.yaml").args(["-n", "start_tracker"]);
    let output = command.output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("on tr1\n"));
    // Whoever types hosts means those, whatever the profile exports.
    command.args(["--hosts", "a,b"]);
    let output = command.output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("on a\n"));
}

#[test]
fn bash_understands_its_completions() {
    let script = murder("completions bash".split(' ')).stdout;
    let script = String::from_utf8(script).unwrap();
    let complete = |words: &str, current: usize| {
        let test = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={current}\n\
             compopt() {{ :; }}\n_murder_without_blank murder \"${{COMP_WORDS[{current}]}}\" x\n\
             echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").args(["--norc", "-c", &test]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    assert_eq!(complete("murder start_", 1), "start_tracker start_seeding");
    assert_eq!(complete("murder peer dest", 2), "destination_path=");
    assert_eq!(complete("murder --max", 1), "--max-fail-percentage");
}

fn cases() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let cases = files.filter(|path| path.extension().is_some_and(|end| end == "case"));
    let mut cases: Vec<_> = cases.collect();
    cases.sort();
    cases
}

fn murder<'a>(args: impl Iterator<Item = &'a str>) -> Output {
    command().args(args).output().unwrap()
}

/// The program, in tests/cli/ and with an environment that has nothing of ours.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_murder"));
    command.current_dir(folder()).env_clear().env("HOME", "/nowhere").stdin(Stdio::null());
    command
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli")
}

fn render(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!(
        "exit {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr)
    )
}
