//! From what was typed to what is decided: flag > environment > inventory > default.

use std::path::{Path, PathBuf};
use std::time::Duration;

use murder_protocol::Tag;
use murder_protocol::verbs::Compression;

use super::invocation::Invocation;
use super::{
    Attach, Called, Clean, Create, Demo, Distribute, Doctor, Format, HostKeys, Logs, Mode, Output,
    Peer, ReleaseTask, ReleaseWhat, Settings, Source, Tagged, Task, TaskName, Warm,
};
use crate::cli::{CliError, Kind, Options, TaskSpec, Value, ValueError, Values, keys};
use crate::inventory::{Host, Inventory};

/// What the inventory says, for the keys that were not typed: a variable's value where it is the
/// same for the whole run.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// Decides. `variable` reads the inventory's variables, the overrides included.
    pub fn decide(
        options: &Options,
        spec: &'static TaskSpec,
        values: &Values,
        variable: Lookup<'_>,
    ) -> Result<Self, CliError> {
        let task = task(spec, values, variable)?;
        let invocation = Invocation::new(options, spec, values);
        Self::of(options, task, overrides(values), invocation)
    }

    /// Decides how a recipe is carried out.
    pub fn of_recipe(options: &Options, called: Called) -> Result<Self, CliError> {
        let overrides = called.typed.iter().filter(|(key, _)| is_variable(key)).cloned().collect();
        let invocation = Invocation::of_recipe(options, &called);
        Self::of(options, Task::Recipe(called), overrides, invocation)
    }

    fn of(
        options: &Options,
        task: Task,
        overrides: Vec<(String, String)>,
        invocation: Invocation,
    ) -> Result<Self, CliError> {
        Ok(Self {
            task,
            source: source(options)?,
            overrides,
            limit: options.limit.clone(),
            forks: options.forks.unwrap_or(FORKS).into(),
            timeout: options.timeout.unwrap_or(TIMEOUT),
            max_fail: options.max_fail,
            mode: match (options.dry_run, options.check) {
                (true, _) => Mode::DryRun,
                (false, true) => Mode::Check,
                (false, false) => Mode::Real,
            },
            host_keys: if options.accept_new_hosts {
                HostKeys::AcceptNew
            } else {
                HostKeys::Strict
            },
            output: output(options),
            invocation,
        })
    }
}

/// The task that these keys make. `variable` reads the inventory's variables.
pub fn task(
    spec: &'static TaskSpec,
    values: &Values,
    variable: Lookup<'_>,
) -> Result<Task, CliError> {
    Keys { spec, values, variable }.task()
}

/// How results are shown.
pub fn output(options: &Options) -> Output {
    Output {
        format: if options.json { Format::Json } else { Format::Human },
        color: options.color,
        verbosity: options.verbosity,
    }
}

/// Where the hosts come from.
pub fn source(options: &Options) -> Result<Source, CliError> {
    match (&options.hosts, &options.inventory) {
        (Some(hosts), _) => match Kind::List.parse(hosts) {
            Ok(Value::List(names)) if !names.is_empty() => Ok(Source::Hosts(names)),
            _ => Err(CliError::Value { key: "--hosts".into(), source: ValueError::Empty }),
        },
        (None, Some(path)) if path == Path::new("-") => Ok(Source::Stdin),
        (None, Some(path)) => Ok(Source::File(path.clone())),
        (None, None) => Ok(Source::File(PathBuf::from(INVENTORY))),
    }
}

/// What the inventory says where it is the same for the whole run: tag and files are the seeder's,
/// and it is enough if some peer has a destination.
pub fn variable(inventory: &Inventory, name: &str) -> Option<String> {
    let seeder = inventory.seeder();
    match name {
        "default_tag" => seeder.default_tag().map(Tag::to_string),
        "default_seeder_files_path" => seeder.default_seeder_files_path().map(str::to_owned),
        "default_destination_path" => {
            let peers = inventory.peers();
            peers.into_iter().find_map(Host::default_destination_path).map(str::to_owned)
        }
        _ => None,
    }
}

/// The shell of `completions`, which needs no inventory.
pub fn shell(spec: &'static TaskSpec, values: &Values) -> Result<String, CliError> {
    let keys = Keys { spec, values, variable: &|_| None };
    keys.text(keys::SHELL.name).ok_or_else(|| keys.missing(&keys::SHELL))
}

/// The typed keys that are variables of the inventory.
pub fn overrides(values: &Values) -> Vec<(String, String)> {
    values
        .iter()
        .filter(|(key, _)| is_variable(key))
        .map(|(key, (text, _))| ((*key).to_owned(), text.clone()))
        .collect()
}

/// Whether a key is a variable of the inventory, which comes before everything in it.
fn is_variable(key: &str) -> bool {
    key == keys::TEMP_PATH.name
        || keys::VARIABLES.iter().any(|variable| variable.name == key)
        || keys::DEFAULTS.iter().any(|(variable, _)| *variable == key)
}

struct Keys<'a> {
    spec: &'static TaskSpec,
    values: &'a Values,
    variable: Lookup<'a>,
}

impl Keys<'_> {
    fn task(&self) -> Result<Task, CliError> {
        Ok(match self.spec.name {
            TaskName::DistributeFiles => Task::DistributeFiles,
            TaskName::StartTracker => Task::StartTracker,
            TaskName::StopTracker => Task::StopTracker,
            TaskName::CreateTorrent => Task::CreateTorrent(self.create()?),
            TaskName::DownloadTorrent => Task::DownloadTorrent(self.tagged()?),
            TaskName::StartSeeding => Task::StartSeeding(self.tagged()?),
            TaskName::StopSeeding => Task::StopSeeding(self.tagged()?),
            TaskName::StopAllSeeding => Task::StopAllSeeding,
            TaskName::Peer => Task::Peer(self.peer()?),
            TaskName::StopPeering => Task::StopPeering(self.tagged()?),
            TaskName::StopAllPeering => Task::StopAllPeering,
            TaskName::Warm => Task::Warm(Warm { span: self.duration(&keys::FOR) }),
            TaskName::Cool => Task::Cool,
            TaskName::CleanTempFiles => Task::CleanTempFiles(Clean {
                tagged: self.tagged()?,
                earlier: self.switch("earlier_too"),
            }),
            TaskName::Distribute => {
                Task::Distribute(Distribute { create: self.create()?, peer: self.peer()? })
            }
            TaskName::Status => Task::Status(Attach { tag: self.typed_tag() }),
            TaskName::Attach => Task::Attach(Attach { tag: self.typed_tag() }),
            TaskName::Doctor => Task::Doctor(Doctor {
                destination_path: self.text("destination_path"),
                temp_path: self.text("temp_path"),
                sample: self.number(&keys::SAMPLE) as usize,
            }),
            TaskName::Logs => Task::Logs(Logs {
                tag: self.typed_tag(),
                lines: u32::try_from(self.number(&keys::LINES)).unwrap_or(u32::MAX),
            }),
            TaskName::Uninstall => Task::Uninstall,
            TaskName::Inventory => Task::Inventory,
            TaskName::Demo => Task::Demo(Demo {
                hosts: self.number(&keys::DEMO_HOSTS) as usize,
                size: self.number(&keys::DEMO_SIZE),
            }),
            TaskName::Completions => Task::Completions(shell(self.spec, self.values)?),
            TaskName::LockDeploys => self.release(ReleaseWhat::Lock)?,
            TaskName::UnlockDeploys => self.release(ReleaseWhat::Unlock)?,
            TaskName::CheckRelease => self.release(ReleaseWhat::Check)?,
            TaskName::PrepareRelease => self.release(ReleaseWhat::Prepare)?,
            TaskName::StageRelease => self.release(ReleaseWhat::Stage)?,
            TaskName::ProveRelease => self.release(ReleaseWhat::Prove)?,
            TaskName::SetAsideRelease => self.release(ReleaseWhat::SetAside)?,
            TaskName::CleanReleases => self.release(ReleaseWhat::Clean)?,
            TaskName::Releases => self.release(ReleaseWhat::List)?,
            // A recipe and its steps are made elsewhere.
            TaskName::Init | TaskName::Run | TaskName::Switch | TaskName::Recipe(_) => Task::Init,
        })
    }

    fn create(&self) -> Result<Create, CliError> {
        let from = self.text(keys::FROM.name).filter(|from| !from.is_empty());
        let files_path = match &from {
            None => self.needed(&keys::FILES_PATH)?,
            Some(_) if self.value(keys::FILES_PATH.name).is_some() => {
                return Err(CliError::Either {
                    one: keys::FROM.name,
                    other: keys::FILES_PATH.name,
                });
            }
            Some(_) => None,
        };
        Ok(Create {
            tag: self.tag()?,
            from,
            files_path,
            path_is_file: self.switch("path_is_file"),
            do_not_download_torrent: self.switch("do_not_download_torrent"),
            exclude: self.list("exclude"),
            compression: self.compression()?,
            temp_path: self.text("temp_path"),
        })
    }

    fn release(&self, what: ReleaseWhat) -> Result<Task, CliError> {
        use ReleaseWhat::{Check, Prepare, SetAside, Stage};
        let release = match self.value(keys::RELEASE.name) {
            Some(Value::Tag(release)) => Some(release.clone()),
            _ => None,
        };
        if release.is_none() && matches!(what, Check | Prepare | Stage | SetAside) {
            return Err(self.missing(&keys::RELEASE));
        }
        Ok(Task::Release(ReleaseTask {
            what,
            deploy_to: self.text(keys::DEPLOY_TO.name),
            release,
            revision: self.text(keys::REVISION.name),
            linked_files: self.list(keys::LINKED_FILES.name),
            linked_dirs: self.list(keys::LINKED_DIRS.name),
            keep: u32::try_from(self.number(&keys::KEEP_RELEASES)).unwrap_or(u32::MAX),
        }))
    }

    fn list(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }

    fn compression(&self) -> Result<Compression, CliError> {
        let level = self.text(keys::LEVEL.name);
        let number = level.as_ref().and_then(|level| level.parse().ok());
        match self.text(keys::COMPRESSION.name).as_deref() {
            Some("none") => Ok(Compression::None),
            Some("zstd") => match (number, level) {
                (Some(5..), Some(got)) => {
                    let source = ValueError::Wrong { got, expected: "a level of zstd, 1 to 4" };
                    Err(CliError::Value { key: keys::LEVEL.name.into(), source })
                }
                _ => Ok(Compression::Zstd(number.unwrap_or(ZSTD_LEVEL))),
            },
            _ => Ok(Compression::Gzip(number.unwrap_or(GZIP_LEVEL))),
        }
    }

    fn peer(&self) -> Result<Peer, CliError> {
        let peer = Peer {
            tag: self.tag()?,
            destination_path: self.needed(&keys::DESTINATION_PATH)?,
            no_tag_directory: self.switch("no_tag_directory"),
            path_is_file: self.switch("path_is_file"),
            unsafe_please_delete: self.switch("unsafe_please_delete"),
            keep_owner: self.switch("keep_owner"),
            as_release: self.switch("as_release"),
            temp_path: self.text("temp_path"),
        };
        match peer.destination_path.as_deref().and_then(|path| unfit(path, &peer)) {
            None => Ok(peer),
            Some(source) => Err(CliError::Value { key: "destination_path".into(), source }),
        }
    }

    fn tagged(&self) -> Result<Tagged, CliError> {
        Ok(Tagged { tag: self.tag()?, temp_path: self.text("temp_path") })
    }

    fn tag(&self) -> Result<Tag, CliError> {
        if let Some(tag) = self.typed_tag() {
            return Ok(tag);
        }
        let text = (self.variable)("default_tag").ok_or_else(|| self.missing(&keys::TAG))?;
        text.parse().map_err(|error| CliError::Value {
            key: "default_tag".into(),
            source: ValueError::Tag(error),
        })
    }

    fn typed_tag(&self) -> Option<Tag> {
        match self.value("tag") {
            Some(Value::Tag(tag)) => Some(tag.clone()),
            _ => None,
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).map(|(_, value)| value)
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.value(key) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    /// A path that was typed; or none if the inventory has it, which may be another for each host.
    fn needed(&self, key: &keys::Key) -> Result<Option<String>, CliError> {
        let typed = self.text(key.name);
        match key.default {
            keys::Default::Variable(variable)
                if typed.is_none() && (self.variable)(variable).is_none() =>
            {
                Err(self.missing(key))
            }
            _ => Ok(typed),
        }
    }

    fn switch(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Switch(true)))
    }

    fn number(&self, key: &keys::Key) -> u64 {
        let default = match key.default {
            keys::Default::Value(text) => key.kind.parse(text).ok(),
            _ => None,
        };
        match self.value(key.name).cloned().or(default) {
            Some(Value::Number(number)) => number,
            _ => 0,
        }
    }

    fn duration(&self, key: &keys::Key) -> Duration {
        let default = match key.default {
            keys::Default::Value(text) => key.kind.parse(text).ok(),
            _ => None,
        };
        match self.value(key.name).cloned().or(default) {
            Some(Value::Duration(span)) => span,
            _ => Duration::ZERO,
        }
    }

    fn missing(&self, key: &keys::Key) -> CliError {
        CliError::MissingKey {
            task: self.spec.name.as_str(),
            key: key.name,
            placeholder: key.kind.placeholder(),
            variable: match key.default {
                keys::Default::Variable(variable) => Some(variable),
                _ => None,
            },
        }
    }
}

/// Where the hosts are when nobody says.
const INVENTORY: &str = "inventory.yaml";

/// Connections at once. Each costs 1.3 MB and a process here, and 25-95 ms of CPU to open; a jump
/// host's sshd begins to drop logins at a hundred that are not through yet.
const FORKS: u16 = 32;

/// That of gzip itself.
const GZIP_LEVEL: u8 = 6;
/// As small as gzip makes it.
const ZSTD_LEVEL: u8 = 4;

/// Longer than any healthy distribution, shorter than a night.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// What every host would refuse, as far as it can be seen from here.
fn unfit(path: &str, peer: &Peer) -> Option<ValueError> {
    let names: Vec<_> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    let expected = match (peer.path_is_file, names.len() + usize::from(!peer.no_tag_directory)) {
        _ if names.contains(&"..") => "a path without ..",
        (false, 0 | 1) => "deep enough: /, /srv and the like are never replaced",
        _ => return None,
    };
    Some(ValueError::Wrong { got: path.to_owned(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Typed, parse};

    fn decide(line: &str, variable: Lookup<'_>) -> Result<Settings, CliError> {
        match parse(line.split_whitespace().map(Into::into))? {
            Typed::Task { options, task, values } => {
                Settings::decide(&options, task, &values, variable)
            }
            other => panic!("{other:?}"),
        }
    }

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn what_is_not_typed_has_its_default() {
        let settings = decide("peer tag=v1 destination_path=/srv", &nothing).unwrap();
        assert_eq!(settings.forks, 32);
        assert_eq!(settings.timeout, Duration::from_secs(3600));
        assert_eq!(settings.mode, Mode::Real);
        assert_eq!(
            settings.task,
            Task::Peer(Peer {
                tag: "v1".parse().unwrap(),
                destination_path: Some("/srv".into()),
                no_tag_directory: false,
                path_is_file: false,
                unsafe_please_delete: false,
                keep_owner: false,
                as_release: false,
                temp_path: None,
            })
        );
    }

    #[test]
    fn the_inventory_stands_in_for_a_tag_that_is_not_typed() {
        let variable = |name: &str| (name == "default_tag").then(|| "v7".to_owned());
        let settings = decide("stop_seeding", &variable).unwrap();
        let tag = "v7".parse().unwrap();
        assert_eq!(settings.task, Task::StopSeeding(Tagged { tag, temp_path: None }));
        let settings = decide("stop_seeding tag=v8", &variable).unwrap();
        let tag = "v8".parse().unwrap();
        assert_eq!(settings.task, Task::StopSeeding(Tagged { tag, temp_path: None }));
    }

    #[test]
    fn an_archive_is_compressed_unless_the_operator_says_otherwise() {
        let decide =
            |keys: &str| decide(&format!("create_torrent tag=v1 files_path=/srv {keys}"), &nothing);
        let compression = |keys: &str| match decide(keys).unwrap().task {
            Task::CreateTorrent(create) => create.compression,
            other => panic!("{other:?}"),
        };
        assert_eq!(compression(""), Compression::Gzip(6));
        assert_eq!(compression("level=1"), Compression::Gzip(1));
        assert_eq!(compression("compression=none"), Compression::None);
        assert_eq!(compression("compression=zstd"), Compression::Zstd(4));
        assert_eq!(compression("compression=zstd level=1"), Compression::Zstd(1));
        assert_eq!(
            decide("compression=zstd level=5").unwrap_err().to_string(),
            "wrong value of level"
        );
    }

    #[test]
    fn a_path_that_neither_the_line_nor_the_inventory_has_is_missing() {
        let error = decide("peer tag=v1", &nothing).unwrap_err();
        assert_eq!(error.to_string(), "the task peer needs destination_path=PATH");
        let has_it = |name: &str| (name == "default_destination_path").then(|| "/srv".to_owned());
        assert!(decide("peer tag=v1", &has_it).is_ok());
    }

    #[test]
    fn keys_that_are_variables_override_the_inventory() {
        let settings =
            decide("start_seeding tag=v1 temp_path=/t peer_port=7000", &nothing).unwrap();
        let overrides = [("peer_port", "7000"), ("temp_path", "/t")];
        assert_eq!(settings.overrides, overrides.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn hosts_come_from_the_command_line_from_stdin_or_from_a_file() {
        let settings = decide("--hosts a,b start_tracker", &nothing).unwrap();
        assert_eq!(settings.source, Source::Hosts(vec!["a".into(), "b".into()]));
        assert_eq!(decide("-i - start_tracker", &nothing).unwrap().source, Source::Stdin);
        let settings = decide("-i x.yaml start_tracker", &nothing).unwrap();
        assert_eq!(settings.source, Source::File("x.yaml".into()));
        let error = decide("--hosts , start_tracker", &nothing).unwrap_err();
        assert_eq!(error.to_string(), "wrong value of --hosts");
    }
}
