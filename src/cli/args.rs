//! What was typed: options, the task and its `KEY=VALUE`s, with the types they must have and
//! before anything is decided.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::error::CliError;
use super::tasks::TaskSpec;
use super::value::{Value, duration};
use crate::settings::{Color, Percent, Verbosity};
use crate::suggest::nearest;

/// What somebody typed.
#[derive(Clone, Debug)]
pub enum Typed {
    /// `murder` alone.
    Nothing,
    /// `murder --help`.
    Help,
    /// `murder TASK --help`, or `murder help TASK`.
    TaskHelp(&'static TaskSpec),
    /// `--version`.
    Version,
    /// `-T`.
    Tasks(Options),
    /// A word that may be a recipe, explained.
    RecipeHelp(Options, String),
    /// A word that may be a recipe.
    Recipe {
        /// The options.
        options: Options,
        /// The word.
        name: String,
        /// The keys after it, as they were typed.
        typed: Vec<(String, String)>,
    },
    /// A task.
    Task {
        /// The options.
        options: Options,
        /// The task.
        task: &'static TaskSpec,
        /// Its keys.
        values: Values,
    },
}

/// The options; `None` is one that was not typed.
#[derive(Clone, Debug)]
pub struct Options {
    /// `-i`, or MURDER_INVENTORY.
    pub inventory: Option<PathBuf>,
    /// `--hosts`, which comes before MURDER_INVENTORY.
    pub hosts: Option<String>,
    /// `--limit`.
    pub limit: Option<String>,
    /// `--forks`.
    pub forks: Option<u16>,
    /// `--timeout`.
    pub timeout: Option<Duration>,
    /// `--max-fail-percentage`.
    pub max_fail: Option<Percent>,
    /// `--dry-run`.
    pub dry_run: bool,
    /// `--check`.
    pub check: bool,
    /// `--recipe`.
    pub recipe: Option<PathBuf>,
    /// `--accept-new-hosts`.
    pub accept_new_hosts: bool,
    /// `--json`.
    pub json: bool,
    /// `--color`.
    pub color: Color,
    /// `-q` and `-v`.
    pub verbosity: Verbosity,
}

/// The `KEY=VALUE`s by key: each as it was typed and as the value it is.
pub type Values = BTreeMap<&'static str, (String, Value)>;

/// Reads a command line without its first word, the program.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Typed, CliError> {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.is_empty() {
        return Ok(Typed::Nothing);
    }
    let matches = command()
        .no_binary_name(true)
        .try_get_matches_from(args)
        .map_err(|error| refused(&error))?;
    let mut words = matches.get_many::<String>("words").into_iter().flatten().map(String::as_str);
    let mut first = words.next();
    let mut help = matches.get_flag("help");
    if first == Some("help") {
        help = true;
        first = words.next();
    }
    if matches.get_flag("version") {
        return Ok(Typed::Version);
    }
    // clap's own conflicts_with would refuse MURDER_INVENTORY beside --hosts too.
    let typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    if !help && typed("inventory") && typed("hosts") {
        return Err(CliError::TwoSources);
    }
    let options = options(&matches);
    let Some(name) = first else {
        return match (help, matches.get_flag("tasks")) {
            (true, _) => Ok(Typed::Help),
            (false, true) => Ok(Typed::Tasks(options)),
            (false, false) => Err(CliError::NoTask),
        };
    };
    let Some(task) = TaskSpec::find(name) else {
        let name = name.to_owned();
        return match (name.contains('='), help, matches.get_flag("tasks")) {
            (true, ..) => Err(CliError::UnknownTask { typed: name, recipe: None }),
            (false, true, _) => Ok(Typed::RecipeHelp(options, name)),
            (false, false, true) => Ok(Typed::Tasks(options)),
            (false, false, false) => {
                let typed = typed_keys(&name, words)?;
                Ok(Typed::Recipe { options, name, typed })
            }
        };
    };
    if help {
        return Ok(Typed::TaskHelp(task));
    }
    if matches.get_flag("tasks") {
        return Ok(Typed::Tasks(options));
    }
    if options.check {
        return Err(CliError::NoCheck { task: task.name.as_str() });
    }
    Ok(Typed::Task { options, task, values: values(task, words)? })
}

/// The keys of a recipe, of which nothing is known yet.
fn typed_keys<'a>(
    task: &str,
    words: impl Iterator<Item = &'a str>,
) -> Result<Vec<(String, String)>, CliError> {
    let mut typed: Vec<(String, String)> = Vec::new();
    for word in words {
        let Some((key, text)) = word.split_once('=') else {
            let (word, task) = (word.to_owned(), task.to_owned());
            return Err(CliError::NotAnAssignment { word, task });
        };
        if let Some((_, first)) = typed.iter().find(|(known, _)| known == key) {
            let (key, first, second) = (key.to_owned(), first.clone(), text.to_owned());
            return Err(CliError::Twice { key, first, second });
        }
        typed.push((key.to_owned(), text.to_owned()));
    }
    Ok(typed)
}

/// The keys of a built-in task that a recipe calls. A key whose value is empty is not given.
pub fn assign(task: &'static TaskSpec, keys: &[(String, String)]) -> Result<Values, CliError> {
    let mut values = Values::new();
    for (key, text) in keys.iter().filter(|(_, text)| !text.is_empty()) {
        insert(&mut values, task, key, text)?;
    }
    Ok(values)
}

/// Whether `--json` is among the arguments, for errors that come before they are read.
pub fn wants_json(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--json")
}

/// The options as clap knows them.
pub(super) fn command() -> Command {
    Command::new("murder")
        .about("Puts a directory on a thousand servers at once: BitTorrent inside, SSH outside.")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args(host_options())
        .args(run_options())
        .args(output_options())
        .arg(
            Arg::new("words")
                .value_name("TASK [KEY=VALUE]")
                .num_args(0..)
                .help("The task, and its keys with their values"),
        )
}

fn host_options() -> [Arg; 4] {
    [
        Arg::new("inventory")
            .short('i')
            .long("inventory")
            .value_name("FILE")
            .env("MURDER_INVENTORY")
            .hide_env(true)
            .value_parser(value_parser!(PathBuf))
            .value_hint(clap::ValueHint::FilePath)
            .help(
                "Ansible inventory in YAML, or a list of host names; - is stdin \
                   [env: MURDER_INVENTORY, else inventory.yaml]",
            ),
        Arg::new("hosts")
            .long("hosts")
            .value_name("A,B,...")
            .value_hint(clap::ValueHint::Hostname)
            .help("Hosts to use instead of an inventory; the first is tracker and seeder too"),
        Arg::new("limit").short('l').long("limit").value_name("PATTERN").help(
            "Only these peers: names, groups, globs, ~regex, a:b, :&, :!, @FILE; tracker and \
                   seeder stay the same",
        ),
        flag("accept_new_hosts", None, "accept-new-hosts")
            .help("Trust the SSH key of a host that known_hosts does not have"),
    ]
}

fn run_options() -> [Arg; 7] {
    [
        Arg::new("forks")
            .short('f')
            .long("forks")
            .value_name("N")
            .value_parser(parse_forks)
            .help("SSH connections at once [32]"),
        Arg::new("timeout")
            .long("timeout")
            .value_name("DURATION")
            .value_parser(parse_timeout)
            .help("How long one host may take, such as 90s, 30m or 2h [1h]"),
        Arg::new("max_fail")
            .long("max-fail-percentage")
            .value_name("PERCENT")
            .value_parser(value_parser!(Percent))
            .help("Exit with 4 and not 3 if no more hosts than this failed"),
        flag("dry_run", Some('n'), "dry-run")
            .help("Say what would be done where, and connect to no host"),
        flag("check", None, "check")
            .conflicts_with("dry_run")
            .help("With a recipe: connect and look, change nothing, and say what would be done"),
        Arg::new("recipe")
            .long("recipe")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(clap::ValueHint::FilePath)
            .help("One more recipe, beside those in recipes/ and murder's own"),
        flag("tasks", Some('T'), "tasks").help("List the tasks, those of recipes too"),
    ]
}

fn output_options() -> [Arg; 6] {
    [
        flag("json", None, "json").help("Results on stdout, one JSON object a line"),
        Arg::new("color")
            .long("color")
            .value_name("WHEN")
            .value_parser(parse_color)
            .help("Colours: auto, always or never [auto; never if NO_COLOR is set]"),
        flag("quiet", Some('q'), "quiet").conflicts_with("verbose").help("Only failures"),
        flag("verbose", Some('v'), "verbose").help("Each step of each host"),
        flag("help", Some('h'), "help").help("Explain the options, or a TASK and its keys"),
        flag("version", Some('V'), "version").help("Version, and the agent's content hash"),
    ]
}

fn flag(name: &'static str, short: Option<char>, long: &'static str) -> Arg {
    Arg::new(name).short(short).long(long).action(ArgAction::SetTrue)
}

fn parse_forks(text: &str) -> Result<u16, String> {
    let forks = text.parse().ok().filter(|forks| (1..=1000).contains(forks));
    forks.ok_or_else(|| "it is no number from 1 to 1000".to_owned())
}

fn parse_color(text: &str) -> Result<Color, String> {
    match text {
        "auto" => Ok(Color::Auto),
        "always" => Ok(Color::Always),
        "never" => Ok(Color::Never),
        _ => Err("it is not auto, always or never".to_owned()),
    }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    duration(text)
        .filter(|span| !span.is_zero())
        .ok_or_else(|| "it is no duration such as 90s, 30m or 2h".to_owned())
}

fn options(matches: &ArgMatches) -> Options {
    Options {
        inventory: matches.get_one("inventory").cloned(),
        hosts: matches.get_one("hosts").cloned(),
        limit: matches.get_one("limit").cloned(),
        forks: matches.get_one("forks").copied(),
        timeout: matches.get_one("timeout").copied(),
        max_fail: matches.get_one("max_fail").copied(),
        dry_run: matches.get_flag("dry_run"),
        check: matches.get_flag("check"),
        recipe: matches.get_one("recipe").cloned(),
        accept_new_hosts: matches.get_flag("accept_new_hosts"),
        json: matches.get_flag("json"),
        color: matches.get_one("color").copied().unwrap_or(Color::Auto),
        verbosity: match (matches.get_flag("quiet"), matches.get_flag("verbose")) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        },
    }
}

fn values<'a>(
    task: &'static TaskSpec,
    words: impl Iterator<Item = &'a str>,
) -> Result<Values, CliError> {
    let mut values = Values::new();
    let mut words = words.peekable();
    if task.name == crate::settings::TaskName::Completions
        && let Some(shell) = words.next_if(|word| !word.contains('='))
    {
        insert(&mut values, task, "shell", shell)?;
    }
    for word in words {
        let Some((key, text)) = word.split_once('=') else {
            return Err(CliError::NotAnAssignment {
                word: word.to_owned(),
                task: task.name.to_string(),
            });
        };
        insert(&mut values, task, key, text)?;
    }
    Ok(values)
}

fn insert(
    values: &mut Values,
    task: &'static TaskSpec,
    typed: &str,
    text: &str,
) -> Result<(), CliError> {
    let Some((name, key)) = task.key(typed) else {
        return Err(CliError::UnknownKey { task: task.name.as_str(), key: typed.to_owned() });
    };
    let value =
        key.kind.parse(text).map_err(|source| CliError::Value { key: name.to_owned(), source })?;
    if let Some((first, _)) = values.insert(name, (text.to_owned(), value)) {
        return Err(CliError::Twice { key: name.to_owned(), first, second: text.to_owned() });
    }
    Ok(())
}

/// clap's refusal in our words.
fn refused(error: &clap::Error) -> CliError {
    let invalid = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match (error.kind(), invalid) {
        (ErrorKind::UnknownArgument, Some(typed)) => {
            let typed = typed.split('=').next().unwrap_or(typed).to_owned();
            let command = command();
            let longs: Vec<_> = command.get_arguments().filter_map(Arg::get_long).collect();
            let option = nearest(typed.trim_start_matches('-'), longs)
                .filter(|_| typed.starts_with("--"))
                .map(|long| format!("--{long}"));
            CliError::UnknownOption { typed, option }
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            CliError::Option(line.strip_prefix("error: ").unwrap_or(line).to_owned())
        }
    }
}
