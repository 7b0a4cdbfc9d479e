//! How `murder` was called, to build the commands that messages suggest.

use murder_protocol::Tag;

use super::Called;
use crate::cli::{Options, TaskSpec, Values};
use crate::recipe::MASK;

/// The words of a command line, quoted for a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The options that say which hosts and how to reach them, without `--limit`.
    hosts: Vec<String>,
    /// `--limit` as it was typed.
    limit: Option<String>,
    /// The task and its keys.
    task: Vec<String>,
}

impl Invocation {
    /// Keeps what a further command needs.
    pub fn new(options: &Options, spec: &TaskSpec, values: &Values) -> Self {
        let keys = values.iter().map(|(key, (text, _))| (*key, text.as_str()));
        Self::of(options, spec.name.as_str(), keys)
    }

    /// The same for a recipe. What nobody may see has to be typed again.
    pub fn of_recipe(options: &Options, called: &Called) -> Self {
        let keys = called.typed.iter().map(|(key, text)| match called.secret.contains(key) {
            true => (key.as_str(), MASK),
            false => (key.as_str(), text.as_str()),
        });
        Self::of(options, called.name, keys)
    }

    fn of<'a>(
        options: &Options,
        task: &str,
        keys: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut hosts = Vec::new();
        if let Some(list) = &options.hosts {
            hosts.extend(["--hosts".to_owned(), quote(list)]);
        } else if let Some(path) = &options.inventory {
            hosts.extend(["-i".to_owned(), quote(&path.to_string_lossy())]);
        }
        if let Some(forks) = options.forks {
            hosts.extend(["-f".to_owned(), forks.to_string()]);
        }
        if options.accept_new_hosts {
            hosts.push("--accept-new-hosts".to_owned());
        }
        if let Some(recipe) = &options.recipe {
            hosts.extend(["--recipe".to_owned(), quote(&recipe.to_string_lossy())]);
        }
        let mut task = vec![task.to_owned()];
        task.extend(keys.map(|(key, text)| format!("{key}={}", quote(text))));
        Self { hosts, limit: options.limit.clone(), task }
    }

    /// From now on the task is about this release, unless its keys name one.
    pub fn name_release(&mut self, release: &Tag) {
        if !self.task.iter().any(|word| word.starts_with("release=")) {
            self.task.push(format!("release={release}"));
        }
    }

    /// The same task on the hosts in a file.
    pub fn retry(&self, failed_hosts: &std::path::Path) -> String {
        let limit = format!("@{}", failed_hosts.display());
        self.command(Some(&limit), &self.task)
    }

    /// The task `peer` on the hosts in a file, after a run that was begun with keys unknown here.
    pub fn peer_on(&self, failed_hosts: &std::path::Path) -> String {
        let tag = self.task.iter().find(|word| word.starts_with("tag="));
        let task = ["peer", tag.map_or("tag=…", String::as_str), "destination_path=…"];
        let limit = format!("@{}", failed_hosts.display());
        self.command(Some(&limit), &task.map(str::to_owned))
    }

    /// The same command again.
    pub fn again(&self) -> String {
        self.command(self.limit.as_deref(), &self.task)
    }

    /// Another task on the same hosts: `["attach", "tag=v1"]`.
    pub fn other(&self, task: &[&str]) -> String {
        let words: Vec<_> = task.iter().map(|word| quote(word)).collect();
        self.command(self.limit.as_deref(), &words)
    }

    /// The same command with one key set to this.
    pub fn again_with(&self, key: &str, text: &str) -> String {
        let key = format!("{key}=");
        let mut task = self.task.clone();
        task.retain(|word| !word.starts_with(&key));
        task.push(format!("{key}{}", quote(text)));
        self.command(self.limit.as_deref(), &task)
    }

    /// Another recipe about the same application.
    pub fn of_application(&self, recipe: &str) -> String {
        let is_its =
            |word: &&String| ["application=", "deploy_to="].iter().any(|key| word.starts_with(key));
        let mut task = vec![recipe.to_owned()];
        task.extend(self.task.iter().filter(is_its).cloned());
        self.command(self.limit.as_deref(), &task)
    }

    fn command(&self, limit: Option<&str>, task: &[String]) -> String {
        let mut words = vec!["murder".to_owned()];
        words.extend(self.hosts.iter().cloned());
        if let Some(limit) = limit {
            words.extend(["--limit".to_owned(), quote(limit)]);
        }
        words.extend(task.iter().cloned());
        words.join(" ")
    }
}

/// A word as a POSIX shell has to be given it: unchanged if all of it is harmless, else in single
/// quotes.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Typed, parse};

    fn invocation(words: &[&str]) -> Invocation {
        match parse(words.iter().map(Into::into)).unwrap() {
            Typed::Task { options, task, values } => Invocation::new(&options, task, &values),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_retry_is_the_same_command_on_the_failed_hosts() {
        let typed = invocation(&[
            "-i",
            "my hosts.yaml",
            "--limit",
            "web*",
            "-n",
            "create_torrent",
            "tag=v1",
            "files_path=~/it's",
        ]);
        assert_eq!(
            typed.retry("/state/failed".as_ref()),
            r"murder -i 'my hosts.yaml' --limit @/state/failed create_torrent files_path='~/it'\''s' tag=v1"
        );
    }

    #[test]
    fn a_retry_names_the_release_once() {
        let mut typed = invocation(&["stage_release", "deploy_to=/srv/app"]);
        for release in ["r1", "r2"] {
            typed.name_release(&release.parse().unwrap());
        }
        assert_eq!(typed.again(), "murder stage_release deploy_to=/srv/app release=r1");
    }

    #[test]
    fn a_run_that_was_attached_to_is_tried_again_with_peer() {
        let path = "/state/failed".as_ref();
        assert_eq!(
            invocation(&["-i", "i", "attach", "tag=v1"]).peer_on(path),
            "murder -i i --limit @/state/failed peer tag=v1 destination_path=…"
        );
        assert_eq!(
            invocation(&["attach"]).peer_on(path),
            "murder --limit @/state/failed peer tag=… destination_path=…"
        );
    }

    #[test]
    fn another_task_keeps_the_limit() {
        let typed = invocation(&["--hosts", "a,b", "--limit", "!b", "-f", "9", "peer", "tag=v1"]);
        assert_eq!(
            typed.other(&["attach", "tag=v1"]),
            "murder --hosts a,b -f 9 --limit '!b' attach tag=v1"
        );
    }
}
