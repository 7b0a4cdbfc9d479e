//! How a command is started: as the user that logs in, or as another one by sudo.
//!
//! A variable may hold a secret, so none stands in the arguments of a process, which every user of
//! the host can read. sudo keeps none either. So a command with variables is started by an `sh`
//! of the other user, which reads them, and the command, from its stdin. One without goes by sudo
//! as it is, so that a narrow rule of sudoers is enough for it.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use murder_protocol::Secret;
use murder_protocol::verbs::{Command as Wanted, Exec};
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::error::ExecError;
use crate::home::{expand, user_home};

/// Starts it in a process group of its own, with pipes for what it prints.
pub(super) fn start(request: &Exec) -> Result<Child, ExecError> {
    let argv = argv(&request.command)?;
    for (name, Secret(value)) in &request.environment {
        check_variable(name, value)?;
    }
    let directory = directory(request)?;
    match &request.become_user {
        None => start_here(&argv, directory, &request.environment),
        Some(user) => start_as(user, &argv, directory, &request.environment),
    }
}

fn start_here(
    argv: &[String],
    directory: Option<PathBuf>,
    environment: &Environment,
) -> Result<Child, ExecError> {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).envs(environment.iter().map(|(name, value)| (name, &value.0)));
    if let Some(directory) = directory {
        check_directory(&directory)?;
        command.current_dir(directory);
    }
    let started = spawn(command.stdin(Stdio::null()));
    started.map_err(|source| ExecError::Start { program: argv[0].clone(), source })
}

fn start_as(
    user: &str,
    argv: &[String],
    directory: Option<PathBuf>,
    environment: &Environment,
) -> Result<Child, ExecError> {
    let mut command = Command::new("sudo");
    command.args(["-n", "-H", "-u", user, "--"]);
    let is_closed = |path: &PathBuf| access(path, Access::EXEC_OK) == Err(Errno::ACCESS);
    let script = if environment.is_empty() && !directory.as_ref().is_some_and(is_closed) {
        let directory = directory.unwrap_or_else(|| PathBuf::from("/"));
        check_directory(&directory)?;
        command.args(argv).stdin(Stdio::null()).current_dir(directory);
        None
    } else {
        command.args(["sh", "-s"]).stdin(Stdio::piped()).current_dir("/");
        Some(script(argv, directory.as_deref(), environment))
    };
    let mut child = spawn(&mut command).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ExecError::NoSudo { user: user.to_owned() },
        _ => ExecError::Start { program: "sudo".to_owned(), source },
    })?;
    if let (Some(script), Some(mut stdin)) = (script, child.stdin.take()) {
        // If sudo refuses nobody reads it, and sudo says why.
        std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    }
    Ok(child)
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn argv(command: &Wanted) -> Result<Vec<String>, ExecError> {
    let argv = match command {
        Wanted::Argv(argv) => argv.clone(),
        Wanted::Shell(text) => ["sh", "-c", text].map(str::to_owned).to_vec(),
    };
    if argv.first().is_none_or(String::is_empty) {
        return Err(ExecError::Empty);
    }
    if argv.iter().any(|word| word.contains('\0')) { Err(ExecError::Nul) } else { Ok(argv) }
}

/// The directory that was asked for. Without one the command runs in the home of the user that
/// logs in, and as another user in none that could be closed to them.
fn directory(request: &Exec) -> Result<Option<PathBuf>, ExecError> {
    match &request.directory {
        Some(text) => expand(text).map(Some).map_err(ExecError::Directory),
        None if request.become_user.is_some() => Ok(None),
        None => Ok(user_home()),
    }
}

fn check_directory(path: &Path) -> Result<(), ExecError> {
    if path.is_dir() { Ok(()) } else { Err(ExecError::NoDirectory(path.to_owned())) }
}

/// As shells have it, one of which may have to set it.
fn check_variable(name: &str, value: &str) -> Result<(), ExecError> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || !name.chars().all(is_fit)
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(ExecError::Variable(name.to_owned()));
    }
    if value.contains('\0') { Err(ExecError::Nul) } else { Ok(()) }
}

/// What the other user's `sh` is told. It becomes the command, whose stdin is not the rest of
/// this.
fn script(argv: &[String], directory: Option<&Path>, environment: &Environment) -> String {
    let mut script = String::new();
    if let Some(directory) = directory {
        script += &format!("cd {} || exit\n", quoted(&directory.to_string_lossy()));
    }
    for (name, Secret(value)) in environment {
        script += &format!("export {name}={}\n", quoted(value));
    }
    script += "exec";
    for word in argv {
        script.push(' ');
        script += &quoted(word);
    }
    script + " </dev/null\n"
}

/// One word of a POSIX shell that stands for the text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

type Environment = BTreeMap<String, Secret>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blamed::Blamed as _;

    fn refusal(argv: &[&str], name: &str, value: &str) -> String {
        let request = Exec {
            command: Wanted::Argv(argv.iter().map(|&word| word.to_owned()).collect()),
            directory: None,
            environment: [(name.to_owned(), Secret(value.to_owned()))].into(),
            become_user: None,
            timeout_seconds: 1,
        };
        start(&request).unwrap_err().failure().to_string()
    }

    #[test]
    fn what_can_not_be_run_is_refused_before_anything_runs() {
        let empty = "the command is empty (give it a program, or leave the step out)";
        assert_eq!(refusal(&[], "A", ""), empty);
        assert_eq!(refusal(&[""], "A", ""), empty);
        let nul = "the command has a NUL character in it";
        assert_eq!(refusal(&["true", "\0"], "A", ""), nul);
        assert_eq!(refusal(&["true"], "A", "\0"), nul);
        for name in ["", "A-B", "1A", "A=B", "é", "A\nB"] {
            let wanted = format!(
                "the variable {name:?} can't be set (name it with letters, digits and _, no \
                 digit first)"
            );
            assert_eq!(refusal(&["true"], name, ""), wanted);
        }
    }

    #[test]
    fn whatever_a_word_has_in_it_the_shell_takes_it_as_it_is() {
        let odd = "it's $HOME `id` \"\\ \n*é;#";
        let argv = ["printf", "%s|%s|%s", odd, "-n"].map(str::to_owned);
        let environment = [("ODD".to_owned(), Secret(odd.to_owned()))].into();
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join(odd);
        std::fs::create_dir(&directory).unwrap();
        let script = script(&argv, Some(&directory), &environment);
        let script = script.replace("exec", "printf %s \"$ODD|$PWD|\"; exec");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let wanted = format!("{odd}|{}|{odd}|-n|", directory.display());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted);
    }
}
