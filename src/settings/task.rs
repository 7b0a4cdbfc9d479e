//! The tasks, each with its keys as decided values. A key that is `None` was not typed: the
//! host's own variable counts then (`default_destination_path` and so on).

use std::collections::BTreeSet;
use std::time::Duration;

use murder_protocol::Tag;
use murder_protocol::verbs::Compression;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Push the agent that fits each host.
    DistributeFiles,
    /// Start the tracker, unless it runs.
    StartTracker,
    /// Stop the tracker, if it runs.
    StopTracker,
    /// Pack a path of the seeder and make its torrent.
    CreateTorrent(Create),
    /// Fetch the torrent from the seeder again.
    DownloadTorrent(Tagged),
    /// Start the seeder of a tag, unless it runs.
    StartSeeding(Tagged),
    /// Stop the seeder of a tag.
    StopSeeding(Tagged),
    /// Stop every seeder.
    StopAllSeeding,
    /// Bring a tag to the peers.
    Peer(Peer),
    /// Stop the peers of a tag.
    StopPeering(Tagged),
    /// Stop every peer.
    StopAllPeering,
    /// Let an agent wait on each peer.
    Warm(Warm),
    /// End the agents that wait.
    Cool,
    /// Remove archive, torrent and partial state of a tag.
    CleanTempFiles(Clean),
    /// The whole job.
    Distribute(Distribute),
    /// What runs where.
    Status(Attach),
    /// Follow a running `peer` again.
    Attach(Attach),
    /// Look for whatever could stop a run.
    Doctor(Doctor),
    /// Show the hosts' logs.
    Logs(Logs),
    /// Leave no file and no process of ours.
    Uninstall,
    /// The same job on this machine.
    Demo(Demo),
    /// What the inventory was resolved to.
    Inventory,
    /// Something about the releases on the peers.
    Release(ReleaseTask),
    /// Write the files that a project starts from.
    Init,
    /// A recipe.
    Recipe(Called),
    /// Print completions for this shell: "bash", "zsh" or "fish".
    Completions(String),
}

/// The name of a task, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the task of the same name in `Task`")]
pub enum TaskName {
    DistributeFiles,
    StartTracker,
    StopTracker,
    CreateTorrent,
    DownloadTorrent,
    StartSeeding,
    StopSeeding,
    StopAllSeeding,
    Peer,
    StopPeering,
    StopAllPeering,
    Warm,
    Cool,
    CleanTempFiles,
    Distribute,
    Status,
    Attach,
    Doctor,
    Logs,
    Uninstall,
    Demo,
    Inventory,
    Completions,
    LockDeploys,
    UnlockDeploys,
    CheckRelease,
    PrepareRelease,
    StageRelease,
    ProveRelease,
    SetAsideRelease,
    CleanReleases,
    Releases,
    Init,
    /// A `run:` step of a recipe, which is no task by itself.
    Run,
    /// A `switch:` step of a recipe, which is no task by itself.
    Switch,
    /// The recipe that was called.
    Recipe(&'static str),
}

impl TaskName {
    /// The name as it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DistributeFiles => "distribute_files",
            Self::StartTracker => "start_tracker",
            Self::StopTracker => "stop_tracker",
            Self::CreateTorrent => "create_torrent",
            Self::DownloadTorrent => "download_torrent",
            Self::StartSeeding => "start_seeding",
            Self::StopSeeding => "stop_seeding",
            Self::StopAllSeeding => "stop_all_seeding",
            Self::Peer => "peer",
            Self::StopPeering => "stop_peering",
            Self::StopAllPeering => "stop_all_peering",
            Self::Warm => "warm",
            Self::Cool => "cool",
            Self::CleanTempFiles => "clean_temp_files",
            Self::Distribute => "distribute",
            Self::Status => "status",
            Self::Attach => "attach",
            Self::Doctor => "doctor",
            Self::Logs => "logs",
            Self::Uninstall => "uninstall",
            Self::Demo => "demo",
            Self::Inventory => "inventory",
            Self::Completions => "completions",
            Self::LockDeploys => "lock_deploys",
            Self::UnlockDeploys => "unlock_deploys",
            Self::CheckRelease => "check_release",
            Self::PrepareRelease => "prepare_release",
            Self::StageRelease => "stage_release",
            Self::ProveRelease => "prove_release",
            Self::SetAsideRelease => "set_aside_release",
            Self::CleanReleases => "clean_releases",
            Self::Releases => "releases",
            Self::Init => "init",
            Self::Run => "run",
            Self::Switch => "switch",
            Self::Recipe(name) => name,
        }
    }
}

impl std::fmt::Display for TaskName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Task {
    /// The task's name.
    pub const fn name(&self) -> TaskName {
        match self {
            Self::DistributeFiles => TaskName::DistributeFiles,
            Self::StartTracker => TaskName::StartTracker,
            Self::StopTracker => TaskName::StopTracker,
            Self::CreateTorrent(_) => TaskName::CreateTorrent,
            Self::DownloadTorrent(_) => TaskName::DownloadTorrent,
            Self::StartSeeding(_) => TaskName::StartSeeding,
            Self::StopSeeding(_) => TaskName::StopSeeding,
            Self::StopAllSeeding => TaskName::StopAllSeeding,
            Self::Peer(_) => TaskName::Peer,
            Self::StopPeering(_) => TaskName::StopPeering,
            Self::StopAllPeering => TaskName::StopAllPeering,
            Self::Warm(_) => TaskName::Warm,
            Self::Cool => TaskName::Cool,
            Self::CleanTempFiles(_) => TaskName::CleanTempFiles,
            Self::Distribute(_) => TaskName::Distribute,
            Self::Status(_) => TaskName::Status,
            Self::Attach(_) => TaskName::Attach,
            Self::Doctor(_) => TaskName::Doctor,
            Self::Logs(_) => TaskName::Logs,
            Self::Uninstall => TaskName::Uninstall,
            Self::Demo(_) => TaskName::Demo,
            Self::Inventory => TaskName::Inventory,
            Self::Completions(_) => TaskName::Completions,
            Self::Release(release) => release.what.name(),
            Self::Init => TaskName::Init,
            Self::Recipe(called) => TaskName::Recipe(called.name),
        }
    }
}

/// A task that takes nothing but a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The distribution's name.
    pub tag: Tag,
    /// Where the host keeps archive and torrent.
    pub temp_path: Option<String>,
}

/// `clean_temp_files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clean {
    /// Whose files.
    pub tagged: Tagged,
    /// Those of earlier deploys of the same application too.
    pub earlier: bool,
}

/// `create_torrent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// The distribution's name.
    pub tag: Tag,
    /// The path on this machine, in place of one on the seeder.
    pub from: Option<String>,
    /// The path on the seeder; without it the seeder's `default_seeder_files_path`.
    pub files_path: Option<String>,
    /// It is one file.
    pub path_is_file: bool,
    /// The torrent stays on the seeder.
    pub do_not_download_torrent: bool,
    /// Globs of what is left out, beside `.git*`.
    pub exclude: Vec<String>,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Where the seeder keeps archive and torrent.
    pub temp_path: Option<String>,
}

/// `peer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The distribution's name.
    pub tag: Tag,
    /// Without it the host's `default_destination_path`.
    pub destination_path: Option<String>,
    /// The tree goes to `destination_path` itself and not to `destination_path/TAG`.
    pub no_tag_directory: bool,
    /// What travels is one file.
    pub path_is_file: bool,
    /// Whatever is at the destination is replaced.
    pub unsafe_please_delete: bool,
    /// Owner and set-id bits are taken over; needs root on the peers.
    pub keep_owner: bool,
    /// It is a release: a host that has the same one whole already needs nothing.
    pub as_release: bool,
    /// Where the peers keep archive and partial data.
    pub temp_path: Option<String>,
}

/// `warm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warm {
    /// How long the agents wait.
    pub span: Duration,
}

/// `distribute`: [`Create`] and [`Peer`] in one; both have the same tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribute {
    /// What is packed.
    pub create: Create,
    /// Where it goes.
    pub peer: Peer,
}

/// `attach` and `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attach {
    /// Only this tag; without it the latest run (`attach`) or everything (`status`).
    pub tag: Option<Tag>,
}

/// `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doctor {
    /// Looked at beside the agent's folder; without it the host's `default_destination_path`.
    pub destination_path: Option<String>,
    /// Looked at too.
    pub temp_path: Option<String>,
    /// How many hosts are tried as each other's peers.
    pub sample: usize,
}

/// `logs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// Only this tag.
    pub tag: Option<Tag>,
    /// The last so many lines of each log.
    pub lines: u32,
}

/// `demo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demo {
    /// Number of peers.
    pub hosts: usize,
    /// Bytes in the tree.
    pub size: u64,
}

/// Something about the releases on the peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseTask {
    /// What.
    pub what: ReleaseWhat,
    /// Where the application is; without it the host's own `deploy_to`.
    pub deploy_to: Option<String>,
    /// Which release.
    pub release: Option<Tag>,
    /// What it was made from.
    pub revision: Option<String>,
    /// Files below `shared/` that it links to.
    pub linked_files: Vec<String>,
    /// Folders below `shared/` that it links to.
    pub linked_dirs: Vec<String>,
    /// How many complete releases stay.
    pub keep: u32,
}

/// What is done with releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the task of the same name")]
pub enum ReleaseWhat {
    Lock,
    Unlock,
    Check,
    Prepare,
    Stage,
    Prove,
    SetAside,
    Clean,
    List,
}

impl ReleaseWhat {
    /// The task.
    pub const fn name(self) -> TaskName {
        match self {
            Self::Lock => TaskName::LockDeploys,
            Self::Unlock => TaskName::UnlockDeploys,
            Self::Check => TaskName::CheckRelease,
            Self::Prepare => TaskName::PrepareRelease,
            Self::Stage => TaskName::StageRelease,
            Self::Prove => TaskName::ProveRelease,
            Self::SetAside => TaskName::SetAsideRelease,
            Self::Clean => TaskName::CleanReleases,
            Self::List => TaskName::Releases,
        }
    }
}

/// A recipe as it was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Its task.
    pub name: &'static str,
    /// The `KEY=VALUE`s, as they were typed.
    pub typed: Vec<(String, String)>,
    /// The keys whose values nobody may see.
    pub secret: BTreeSet<String>,
}
