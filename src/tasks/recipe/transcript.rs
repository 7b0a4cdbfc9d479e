//! The log of one run of a recipe: whatever its steps said, whole.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use murder_protocol::verbs::OutputStream;

use crate::recipe::Secrets;
use crate::report::{Event, Reporter};

/// A file in the state folder. A line that can't be written is one line less, and is said once at
/// the end.
#[derive(Debug)]
pub(super) struct Transcript {
    path: PathBuf,
    release: String,
    file: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: Option<File>,
    failed: Option<String>,
    secrets: Secrets,
}

impl Transcript {
    /// Begins a log in the folder, for a recipe and a release.
    pub(super) fn begin(folder: &Path, recipe: &str, release: &str, secrets: Secrets) -> Self {
        let name = format!("{}-{release}.log", recipe.replace(':', "-"));
        let path = folder.join("log").join(name);
        let opened = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| File::options().create(true).append(true).open(&path));
        let (file, failed) = match opened {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let file = Mutex::new(State { file, failed, secrets });
        Self { path, release: release.to_owned(), file }
    }

    /// What the run was given for a release, before hosts proved another one.
    pub(super) fn release(&self) -> String {
        self.release.clone()
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

    /// One more value that nobody may see.
    pub(super) fn hide(&self, secret: &str) {
        if let Ok(mut state) = self.file.lock() {
            state.secrets.add(secret);
        }
    }

    /// Says where it is.
    pub(super) fn end(&self, reporter: &Reporter) {
        let Ok(state) = self.file.lock() else { return };
        let path = self.path.display();
        reporter.emit(match &state.failed {
            None => Event::Note(format!("the whole output: {path}")),
            Some(error) => Event::Warning(format!("the log {path} is not whole: {error}")),
        });
    }

    fn line(&self, text: &str) {
        let Ok(mut state) = self.file.lock() else { return };
        let text = format!("{}\n", state.secrets.mask(text));
        let Some(file) = &mut state.file else { return };
        if let Err(error) = file.write_all(text.as_bytes()) {
            state.failed = Some(error.to_string());
            state.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_every_line_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        let log = Transcript::begin(folder.path(), "deploy:check", "7", secrets);
        log.note("run: login hunter2");
        log.hide("s3cret");
        log.printed("web1", OutputStream::Out, &["a".into(), "got s3cret".into()]);
        let text = fs::read_to_string(folder.path().join("log/deploy-check-7.log")).unwrap();
        assert_eq!(text, "* run: login ***\nweb1 | a\nweb1 | got ***\n");
    }
}
