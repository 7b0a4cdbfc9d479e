//! The tasks as data: parsing, help, listing and completions are all made from this table.

use super::keys::{self, Key};
use crate::settings::TaskName;

/// One task.
#[derive(Clone, Copy, Debug)]
pub struct TaskSpec {
    /// Its name.
    pub name: TaskName,
    /// On which hosts it does something.
    pub on: On,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What else is worth knowing: sentences.
    pub help: &'static str,
    /// The keys that it takes.
    pub keys: &'static [Key],
}

/// On which hosts a task does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Every host with a role.
    All,
    /// The tracker.
    Tracker,
    /// The seeder.
    Seeder,
    /// The peers.
    Peers,
    /// The seeder and the peers.
    SeederAndPeers,
    /// The machine where `murder` runs.
    Here,
}

impl std::fmt::Display for On {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::All => "all hosts",
            Self::Tracker => "tracker",
            Self::Seeder => "seeder",
            Self::Peers => "peers",
            Self::SeederAndPeers => "seeder, peers",
            Self::Here => "this machine",
        })
    }
}

impl TaskSpec {
    /// The task of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        TASKS.iter().find(|task| task.name.as_str() == name)
    }

    /// Every key that the task takes: its own, and the inventory's variables.
    pub fn all_keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        let variables: &'static [Key] = if self.takes_variables() { &keys::VARIABLES } else { &[] };
        self.keys.iter().chain(variables)
    }

    /// The key of this name; or, for a variable that stands in for a key, that key under the
    /// variable's name.
    pub fn key(&self, name: &str) -> Option<(&'static str, &'static Key)> {
        let stands_for = keys::DEFAULTS.iter().find(|(variable, _)| *variable == name);
        let wanted = stands_for.map_or(name, |(_, key)| key);
        let key = self.all_keys().find(|key| key.name == wanted)?;
        Some((stands_for.map_or(key.name, |(variable, _)| variable), key))
    }

    /// Whether variables of the inventory can be overridden.
    pub fn takes_variables(&self) -> bool {
        self.on != On::Here || self.name == TaskName::Inventory
    }
}

/// Every task, in the order in which one meets them.
pub const TASKS: &[TaskSpec] = &[
    TaskSpec {
        name: TaskName::Distribute,
        on: On::All,
        summary: "the whole job in a row, leaving out what is already so",
        help: "Pushes the agent, starts the tracker, packs files_path on the seeder, seeds it, \
               brings it to every peer, and stops what it started itself.",
        keys: &[
            keys::TAG,
            keys::FILES_PATH,
            keys::FROM,
            keys::DESTINATION_PATH,
            keys::NO_TAG_DIRECTORY,
            keys::PATH_IS_FILE,
            keys::UNSAFE_PLEASE_DELETE,
            keys::KEEP_OWNER,
            keys::EXCLUDE,
            keys::COMPRESSION,
            keys::LEVEL,
            keys::DO_NOT_DOWNLOAD_TORRENT,
            keys::TEMP_PATH,
        ],
    },
    TaskSpec {
        name: TaskName::DistributeFiles,
        on: On::All,
        summary: "push murder's agent to every host that lacks it",
        help: "Each host gets the agent that fits its system and processor, as one file in \
               remote_murder_path/bin. A host that has this very agent is skipped. An agent that \
               runs is left alone: the new file gets a name of its own.",
        keys: &[],
    },
    TaskSpec {
        name: TaskName::StartTracker,
        on: On::Tracker,
        summary: "start the tracker, unless it runs",
        help: "Returns once the tracker answers. It runs on by itself until stop_tracker.",
        keys: &[],
    },
    TaskSpec {
        name: TaskName::StopTracker,
        on: On::Tracker,
        summary: "stop the tracker; says so if none runs",
        help: "Hosts that still download lose their view of the fleet, and go on with the peers \
               that they know.",
        keys: &[],
    },
    TaskSpec {
        name: TaskName::CreateTorrent,
        on: On::Seeder,
        summary: "pack a path of the seeder or from=, and make its torrent",
        help: "Writes TAG.tgz (TAG.tar.zst with compression=zstd) and its .torrent on the seeder \
               and fetches the torrent to this machine, into murder/torrents in the state folder. \
               Sockets, pipes and devices in the tree are errors, and so is a file that changes \
               while it is read.",
        keys: &[
            keys::TAG,
            keys::FILES_PATH,
            keys::FROM,
            keys::PATH_IS_FILE,
            keys::DO_NOT_DOWNLOAD_TORRENT,
            keys::EXCLUDE,
            keys::COMPRESSION,
            keys::LEVEL,
            keys::TEMP_PATH,
        ],
    },
    TaskSpec {
        name: TaskName::DownloadTorrent,
        on: On::Seeder,
        summary: "fetch the torrent from the seeder again",
        help: "Writes TAG.tgz.torrent or TAG.tar.zst.torrent into murder/torrents in the state \
               folder of this machine ($XDG_STATE_HOME, else ~/.local/state).",
        keys: &[keys::TAG, keys::TEMP_PATH],
    },
    TaskSpec {
        name: TaskName::StartSeeding,
        on: On::Seeder,
        summary: "start the seeder of a tag, unless it runs",
        help: "Returns once the tracker knows the seeder. It runs on by itself until stop_seeding.",
        keys: &[keys::TAG, keys::TEMP_PATH],
    },
    TaskSpec {
        name: TaskName::StopSeeding,
        on: On::Seeder,
        summary: "stop the seeder of a tag",
        help: "Archive and torrent stay; clean_temp_files removes them.",
        keys: &[keys::TAG],
    },
    TaskSpec {
        name: TaskName::StopAllSeeding,
        on: On::Seeder,
        summary: "stop the seeders of all tags",
        help: "Archives and torrents stay; clean_temp_files removes them.",
        keys: &[],
    },
    TaskSpec {
        name: TaskName::Peer,
        on: On::Peers,
        summary: "bring a tag to the peers; ends when each has an outcome",
        help: "Each peer fetches the archive from the seeder and from other peers, unpacks it beside \
               the destination, and renames it in whole. Ctrl-C stops the view and not the peers: \
               attach follows them again, stop_peering stops them.",
        keys: &[
            keys::TAG,
            keys::DESTINATION_PATH,
            keys::NO_TAG_DIRECTORY,
            keys::PATH_IS_FILE,
            keys::UNSAFE_PLEASE_DELETE,
            keys::KEEP_OWNER,
            keys::AS_RELEASE,
            keys::TEMP_PATH,
        ],
    },
    TaskSpec {
        name: TaskName::StopPeering,
        on: On::Peers,
        summary: "stop the peers of a tag",
        help: "What was fetched stays, and the next peer run goes on from there.",
        keys: &[keys::TAG],
    },
    TaskSpec {
        name: TaskName::StopAllPeering,
        on: On::Peers,
        summary: "stop the peers of all tags",
        help: "What was fetched stays, and the next peer run goes on from there.",
        keys: &[],
    },
    TaskSpec {
        name: TaskName::Warm,
        on: On::Peers,
        summary: "let an agent wait on each peer, so that peer starts at once",
        help: "Needs a tracker that runs. While the agents wait, peer hands these hosts their part \
               through the tracker, which takes one SSH connection and not one a host. The agents \
               end when their time is over, by cool, and when they find no tracker for five \
               minutes; a tracker that is started again within that time finds them again. Once \
               more, it gives them a new time.",
        keys: &[keys::FOR],
    },
    TaskSpec {
        name: TaskName::Cool,
        on: On::Peers,
        summary: "end the agents that wait",
        help: "Peers that they have started go on.",
        keys: &[],
    },
    TaskSpec {
        name: TaskName::CleanTempFiles,
        on: On::SeederAndPeers,
        summary: "remove archive, torrent and partial data of a tag",
        help: "Released trees are not touched. A tag that is being seeded or fetched is refused.",
        keys: &[keys::TAG, keys::EARLIER_TOO, keys::TEMP_PATH],
    },
    TaskSpec {
        name: TaskName::Status,
        on: On::All,
        summary: "what runs where, for which tag, how far",
        help: "Also says how the last run on each host ended.",
        keys: &[keys::TAG_OPTIONAL],
    },
    TaskSpec {
        name: TaskName::Attach,
        on: On::Tracker,
        summary: "follow a running peer task again",
        help: "Shows the same view and ends with the same summary and exit code as peer would have.",
        keys: &[keys::TAG_LATEST],
    },
    TaskSpec {
        name: TaskName::Doctor,
        on: On::All,
        summary: "look for whatever could stop a run",
        help: "SSH, processor, agent, disk space and inodes, noexec mounts, clocks, and the ports of \
               tracker and peers, tried from a sample of hosts. Findings are folded: one line each.",
        keys: &[
            Key {
                default: keys::Default::Nothing("the host's default_destination_path"),
                help: "Its file system is looked at too.",
                ..keys::DESTINATION_PATH
            },
            keys::TEMP_PATH,
            keys::SAMPLE,
        ],
    },
    TaskSpec {
        name: TaskName::Logs,
        on: On::All,
        summary: "show the agents' logs, best with --limit",
        help: "The logs are in remote_murder_path/log on each host.",
        keys: &[keys::TAG_OPTIONAL, keys::LINES],
    },
    TaskSpec {
        name: TaskName::Uninstall,
        on: On::All,
        summary: "stop every agent and remove its folder",
        help: "Leaves no process and no file of murder on the hosts. Released trees stay.",
        keys: &[],
    },
    TaskSpec {
        name: TaskName::Releases,
        on: On::Peers,
        summary: "who runs which release, and where hosts differ",
        help: "Per host: the current release, the one before it, and those that are there. Staged \
               are complete releases that were never current. Hosts that differ from most are \
               marked.",
        keys: &[keys::DEPLOY_TO],
    },
    TaskSpec {
        name: TaskName::LockDeploys,
        on: On::Tracker,
        summary: "take the lock of an application's deploys",
        help: "Two people can't deploy to one fleet at once. Recipes take the lock and give it back.",
        keys: &[keys::DEPLOY_TO],
    },
    TaskSpec {
        name: TaskName::UnlockDeploys,
        on: On::Tracker,
        summary: "give the lock of an application's deploys back",
        help: "By hand it takes the lock from whoever holds it, and says who that was.",
        keys: &[keys::DEPLOY_TO],
    },
    TaskSpec {
        name: TaskName::CheckRelease,
        on: On::Peers,
        summary: "look whether a release could go to each peer",
        help: "The folders, who may write them, and the linked files. Changes nothing.",
        keys: &[keys::DEPLOY_TO, keys::RELEASE, keys::LINKED_FILES, keys::LINKED_DIRS],
    },
    TaskSpec {
        name: TaskName::PrepareRelease,
        on: On::Peers,
        summary: "make the folders that a release needs",
        help: "A half-made release of the same name is set aside first.",
        keys: &[keys::DEPLOY_TO, keys::RELEASE, keys::LINKED_FILES, keys::LINKED_DIRS],
    },
    TaskSpec {
        name: TaskName::StageRelease,
        on: On::Peers,
        summary: "link what is shared into a release, and mark it whole",
        help: "The tree has to be in place. Nobody uses the release yet.",
        keys: &[
            keys::DEPLOY_TO,
            keys::RELEASE,
            keys::REVISION,
            keys::LINKED_FILES,
            keys::LINKED_DIRS,
        ],
    },
    TaskSpec {
        name: TaskName::ProveRelease,
        on: On::Peers,
        summary: "look whether each peer has a release whole",
        help: "Without release= it is the one that was current before. Changes nothing.",
        keys: &[keys::DEPLOY_TO, keys::RELEASE_BEFORE],
    },
    TaskSpec {
        name: TaskName::SetAsideRelease,
        on: On::Peers,
        summary: "keep a failed release apart, the last one only",
        help: "It goes to failed/ in deploy_to, with a file that says why. The current one stays.",
        keys: &[keys::DEPLOY_TO, keys::RELEASE],
    },
    TaskSpec {
        name: TaskName::CleanReleases,
        on: On::Peers,
        summary: "remove all but the latest keep_releases releases",
        help: "Only complete releases count. The current one and the one before it always stay.",
        keys: &[keys::DEPLOY_TO, keys::KEEP_RELEASES],
    },
    TaskSpec {
        name: TaskName::Init,
        on: On::Here,
        summary: "write inventory.yaml and recipes/deploy.yaml to start from",
        help: "Files that are there already stay as they are.",
        keys: &[],
    },
    TaskSpec {
        name: TaskName::Inventory,
        on: On::Here,
        summary: "show what the inventory was resolved to; connects nowhere",
        help: "Hosts, roles and variables, and the line that each variable comes from.",
        keys: &[],
    },
    TaskSpec {
        name: TaskName::Demo,
        on: On::Here,
        summary: "the whole job on this machine alone",
        help: "A tracker, a seeder and peers run on loopback addresses; every tree is compared, and \
               everything is removed at the end. Needs no inventory and no SSH.",
        keys: &[keys::DEMO_HOSTS, keys::DEMO_SIZE],
    },
    TaskSpec {
        name: TaskName::Completions,
        on: On::Here,
        summary: "print completions for bash, zsh or fish",
        help: "For bash: murder completions bash > ~/.local/share/bash-completion/completions/murder. \
               For zsh: put it into a folder of $fpath as _murder. For fish: murder completions fish \
               > ~/.config/fish/completions/murder.fish.",
        keys: &[keys::SHELL],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_and_a_key_have_one_meaning() {
        let mut names: Vec<_> = TASKS.iter().map(|task| task.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TASKS.len());
        for task in TASKS {
            let mut keys: Vec<_> = task.all_keys().map(|key| key.name).collect();
            keys.sort_unstable();
            let all = keys.len();
            keys.dedup();
            assert_eq!(keys.len(), all, "{}", task.name);
        }
    }

    #[test]
    fn every_default_and_example_is_a_value_of_its_kind() {
        for key in TASKS.iter().flat_map(TaskSpec::all_keys) {
            let example = key.example.trim_matches('"');
            assert!(key.kind.parse(example).is_ok(), "{} {example}", key.name);
            if let keys::Default::Value(default) = key.default {
                assert!(key.kind.parse(default).is_ok(), "{} {default}", key.name);
            }
        }
    }

    #[test]
    fn a_line_of_the_listing_fits_a_narrow_terminal() {
        for task in TASKS {
            assert!(task.summary.len() <= 59, "{}: {}", task.name, task.summary.len());
        }
    }
}
