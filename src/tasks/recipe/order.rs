//! A command as it is to be run on a host, and as it is shown.

use std::collections::BTreeMap;

use murder_protocol::Secret;
use murder_protocol::verbs::{self, Exec};

use super::walk::Walk;
use crate::recipe::{Action, Command, GroupSize, Groups, Mode, RecipeError, Run, Scope, Template};
use crate::report::units;
use crate::settings::quote;

/// One host's command.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// What the step is called, if it has a name.
    name: Option<String>,
    pub(super) exec: Exec,
    /// Neither the command nor what it prints is shown.
    pub(super) no_log: bool,
}

impl Walk<'_> {
    pub(super) fn order(
        &self,
        action: &Action,
        run: &Run,
        scope: &Scope,
    ) -> Result<Order, RecipeError> {
        let text = |template: &Template| self.text(template, scope);
        let maybe = |template: &Option<Template>| template.as_ref().map(text).transpose();
        let command = match &run.command {
            Command::Argv(words) => {
                verbs::Command::Argv(words.iter().map(text).collect::<Result<_, _>>()?)
            }
            Command::Shell(script) => verbs::Command::Shell(text(script)?),
        };
        let mut environment = BTreeMap::new();
        for (name, value) in &run.env {
            environment.insert(name.clone(), Secret(text(value)?));
        }
        let timeout = run.timeout.unwrap_or(self.settings.timeout);
        let exec = Exec {
            command,
            directory: maybe(&run.directory)?,
            environment,
            become_user: maybe(&run.become_user)?,
            timeout_seconds: timeout.as_secs().max(1),
        };
        Ok(Order { name: maybe(&action.step.name)?, exec, no_log: action.no_log })
    }
}

impl Order {
    /// The command alone.
    pub(super) fn command(&self) -> String {
        match &self.exec.command {
            _ if self.no_log => HIDDEN.to_owned(),
            verbs::Command::Argv(words) => {
                let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
                words.join(" ")
            }
            verbs::Command::Shell(script) => script.clone(),
        }
    }

    /// What the step is called, or else its command.
    pub(super) fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.command())
    }

    /// All of it in one sentence, with how it is run.
    pub(super) fn sentence(&self, run: &Run) -> String {
        let mut text = match &self.name {
            Some(name) => format!("{name}: run "),
            None => "run ".to_owned(),
        };
        if !self.no_log && matches!(self.exec.command, verbs::Command::Shell(_)) {
            text.push_str("by sh: ");
        }
        text.push_str(&self.command());
        let mut more = Vec::new();
        if !self.no_log {
            more.extend(self.exec.directory.as_ref().map(|folder| format!("in {folder}")));
            let with =
                |(name, value): (&String, &Secret)| format!("with {name}={}", quote(&value.0));
            more.extend(self.exec.environment.iter().map(with));
        }
        more.extend(self.exec.become_user.as_ref().map(|user| format!("as {user}")));
        match &run.mode {
            Mode::Parallel => {}
            Mode::Sequence => more.push("one host after another".to_owned()),
            Mode::Groups(groups) => more.push(in_words(groups)),
        }
        more.extend(run.timeout.map(|most| format!("for {} at most", units::whole_duration(most))));
        match run.retries {
            0 => {}
            1 => more.push("once more where it fails".to_owned()),
            times => more.push(format!("up to {times} times more where it fails")),
        }
        for more in more {
            text.push_str(", ");
            text.push_str(&more);
        }
        text
    }
}

/// "in groups of 25%, 10s apart, 50 at once".
pub(super) fn in_words(groups: &Groups) -> String {
    let mut text = match groups.size {
        GroupSize::Hosts(1) => "in groups of 1 host".to_owned(),
        GroupSize::Hosts(hosts) => format!("in groups of {hosts} hosts"),
        GroupSize::Part(part) => format!("in groups of {part}%"),
    };
    if !groups.wait.is_zero() {
        text.push_str(&format!(", {} apart", units::whole_duration(groups.wait)));
    }
    if let Some(limit) = groups.limit {
        text.push_str(&format!(", {limit} at once"));
    }
    text
}

/// What stands for a command that nobody may see.
const HIDDEN: &str = "a command that is not shown (no_log)";
