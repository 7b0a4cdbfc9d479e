//! The log of one run of a recipe: whatever its steps said, whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use murder_protocol::verbs::OutputStream;

use crate::recipe::Secrets;
use crate::report::{Event, FailedHosts, Reporter};

/// A file in the state folder, made with its first line. A line that can't be written is one line
/// less, and is said once at the end.
#[derive(Debug)]
pub(super) struct Transcript {
    path: PathBuf,
    secrets: Secrets,
    file: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Nothing was written so far.
    Empty,
    Open(File),
    Failed(io::Error),
}

impl Transcript {
    /// The log of a recipe and a release, where this machine keeps such.
    pub(super) fn new(recipe: &str, release: &str, secrets: Secrets) -> Self {
        let folder = FailedHosts::of_environment(|name| std::env::var_os(name)).folder();
        Self::in_folder(&folder, recipe, release, secrets)
    }

    fn in_folder(folder: &Path, recipe: &str, release: &str, secrets: Secrets) -> Self {
        // A name of a release has no slash in it, but nobody has looked at this one yet.
        let name = format!("{}-{}.log", recipe.replace(':', "-"), release.replace('/', "_"));
        let path = folder.join("log").join(name);
        Self { path, secrets, file: Mutex::new(State::Empty) }
    }

    /// Something murder says.
    pub(super) fn note(&self, text: &str) {
        self.line(&format!("* {text}"));
    }

    /// What a command printed on a host.
    pub(super) fn printed(&self, host: &str, stream: OutputStream, lines: &[String]) {
        let mark = match stream {
            OutputStream::Out => "|",
            OutputStream::Err => "!",
        };
        for line in lines {
            self.line(&format!("{host} {mark} {line}"));
        }
    }

    /// Says where it is, if there is any of it.
    pub(super) fn end(&self, reporter: &Reporter) {
        let Ok(state) = self.file.lock() else { return };
        let path = self.path.display();
        reporter.emit(match &*state {
            State::Empty => return,
            State::Open(_) => Event::Note(format!("the whole output: {path}")),
            State::Failed(error) => Event::Warning(format!("the log {path} is not whole: {error}")),
        });
    }

    fn line(&self, text: &str) {
        let Ok(mut state) = self.file.lock() else { return };
        let text = format!("{}\n", self.secrets.mask(text));
        if let Err(error) = self.write(&mut state, text.as_bytes()) {
            *state = State::Failed(error);
        }
    }

    fn write(&self, state: &mut State, bytes: &[u8]) -> io::Result<()> {
        let file = match state {
            State::Failed(_) => return Ok(()),
            State::Open(file) => file,
            State::Empty => {
                self.path.parent().map_or(Ok(()), fs::create_dir_all)?;
                *state = State::Open(File::options().create(true).append(true).open(&self.path)?);
                return self.write(state, bytes);
            }
        };
        file.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_every_line_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::default();
        secrets.add("hunter2");
        let log = Transcript::in_folder(folder.path(), "deploy:check", "7", secrets.clone());
        assert!(!folder.path().join("log").exists());
        log.note("run: login hunter2");
        secrets.add("s3cret");
        log.printed("web1", OutputStream::Out, &["a".into(), "got s3cret".into()]);
        let text = fs::read_to_string(folder.path().join("log/deploy-check-7.log")).unwrap();
        assert_eq!(text, "* run: login ***\nweb1 | a\nweb1 | got ***\n");
    }
}
