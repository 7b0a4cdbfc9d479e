//! Shell completions of options, tasks and keys.

use clap::builder::PossibleValue;
use clap::{Arg, Command};
use clap_complete::Shell;

use super::args;
use super::tasks::{TASKS, TaskSpec};

/// The completion script for a shell, one of those that the key `shell` takes.
pub fn completions(shell: &str) -> String {
    let generator = match shell {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut command(), "murder", &mut script);
    let script = String::from_utf8(script).expect("the tables are text");
    match generator {
        // A key is followed by its value at once, without a blank.
        Shell::Bash => script + BASH,
        _ => script,
    }
}

/// The tasks as subcommands, which is what completion scripts know.
fn command() -> Command {
    let options = args::command();
    let globals = options.get_arguments().filter(|arg| !arg.is_positional());
    Command::new("murder")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args(globals.map(|arg| arg.clone().global(true)))
        .subcommands(TASKS.iter().map(subcommand))
}

fn subcommand(task: &TaskSpec) -> Command {
    let command = Command::new(task.name.as_str()).about(task.summary);
    let keys: Vec<_> = if task.name == crate::settings::TaskName::Completions {
        ["bash", "zsh", "fish"].map(PossibleValue::new).into()
    } else {
        task.all_keys()
            .map(|key| PossibleValue::new(format!("{}=", key.name)).help(key.help))
            .collect()
    };
    if keys.is_empty() {
        return command;
    }
    command.arg(Arg::new("keys").num_args(0..).value_parser(keys))
}

const BASH: &str = r#"
_murder_without_blank() {
    _murder "$@"
    if [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace
    fi
}
complete -F _murder_without_blank -o bashdefault -o default murder
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_gets_tasks_keys_and_options() {
        for shell in ["bash", "zsh", "fish"] {
            let script = completions(shell);
            for word in ["start_tracker", "max-fail-percentage"] {
                assert!(script.contains(word), "{shell} {word}");
            }
        }
        assert!(completions("bash").contains("destination_path="));
        assert!(completions("zsh").contains("destination_path="));
    }
}
