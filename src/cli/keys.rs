//! The keys that tasks take, each described once.

use super::value::Kind;

/// One `KEY=VALUE`.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// What stands before the equals sign.
    pub name: &'static str,
    /// What its value has to be.
    pub kind: Kind,
    /// What counts when it is not typed.
    pub default: Default,
    /// What it is for: sentences.
    pub help: &'static str,
    /// A value as somebody may type it.
    pub example: &'static str,
}

/// What counts when a key is not typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// This inventory variable, and without it the task is refused.
    Variable(&'static str),
    /// This value.
    Value(&'static str),
    /// Nothing; the text says what that means.
    Nothing(&'static str),
}

/// The tag, where the task can't do without it.
pub const TAG: Key = Key {
    name: "tag",
    kind: Kind::Tag,
    default: Default::Variable("default_tag"),
    help: "The name of the distribution: letters and digits, and after the first also . _ -",
    example: "Deploy20100101",
};

/// The tag, where all of them are meant without it.
pub const TAG_OPTIONAL: Key =
    Key { default: Default::Nothing("all tags"), help: "Only this distribution.", ..TAG };

/// The tag of the run to follow.
pub const TAG_LATEST: Key = Key {
    default: Default::Nothing("the latest run"),
    help: "Follow the latest run of this distribution.",
    ..TAG
};

/// What is packed.
pub const FILES_PATH: Key = Key {
    name: "files_path",
    kind: Kind::Path,
    default: Default::Variable("default_seeder_files_path"),
    help: "What to distribute: a directory on the seeder, whose content travels. A path that begins \
           with ~/ is in the home of the user that logs in to the seeder; quote it, or the local \
           shell puts your own home there.",
    example: "\"~/files\"",
};

/// What is packed here.
pub const FROM: Key = Key {
    name: "from",
    kind: Kind::LocalPath,
    default: Default::Nothing("files_path, on the seeder"),
    help: "What to distribute, if it is on this machine: a directory, packed here and sent to the \
           seeder while it is packed. It may be relative to the working directory.",
    example: "./build",
};

/// One file and not a tree.
pub const PATH_IS_FILE: Key = Key {
    name: "path_is_file",
    kind: Kind::Switch,
    default: Default::Value("0"),
    help: "files_path or from is one file. On the peers it goes to destination_path as cp would put it: \
           into it if that is a directory, else to that very path. It never replaces a directory.",
    example: "1",
};

/// The torrent stays on the seeder.
pub const DO_NOT_DOWNLOAD_TORRENT: Key = Key {
    name: "do_not_download_torrent",
    kind: Kind::Switch,
    default: Default::Value("0"),
    help: "Leave the torrent on the seeder; download_torrent fetches it later.",
    example: "1",
};

/// What is not packed.
pub const EXCLUDE: Key = Key {
    name: "exclude",
    kind: Kind::List,
    default: Default::Nothing("only .git* is left out"),
    help: "Globs of names to leave out, with commas between them. What matches .git* is always \
           left out.",
    example: "\"*.log,tmp\"",
};

/// How the archive is compressed.
pub const COMPRESSION: Key = Key {
    name: "compression",
    kind: Kind::Word(&["gzip", "zstd", "none"]),
    default: Default::Value("gzip"),
    help: "zstd packs about as small as gzip in a quarter of the time on the seeder, and unpacks in \
           half the time. The archive is a .tar.zst then, else a .tgz. none stores files as they \
           are. What is compressed already is stored in any case.",
    example: "zstd",
};

/// How hard to compress.
pub const LEVEL: Key = Key {
    name: "level",
    kind: Kind::Word(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
    default: Default::Nothing("6 with gzip, 4 with zstd"),
    help: "How hard gzip or zstd tries; zstd has 1 to 4. Level 1 takes less than half the time of 6 \
           with gzip.",
    example: "1",
};

/// Where archives are kept.
pub const TEMP_PATH: Key = Key {
    name: "temp_path",
    kind: Kind::Path,
    default: Default::Nothing("the host's temp_path or default_temp_path, else the agent's folder"),
    help: "The folder on the hosts that keeps archive, torrent and partial data.",
    example: "/var/tmp",
};

/// Where the tree goes.
pub const DESTINATION_PATH: Key = Key {
    name: "destination_path",
    kind: Kind::Path,
    default: Default::Variable("default_destination_path"),
    help: "Where the tree goes on the peers: to destination_path/TAG, or with no_tag_directory=1 to \
           destination_path itself. It must be absent or empty.",
    example: "/tmp/out",
};

/// No folder of the tag's name.
pub const NO_TAG_DIRECTORY: Key = Key {
    name: "no_tag_directory",
    kind: Kind::Switch,
    default: Default::Value("0"),
    help: "The tree goes to destination_path itself and not to a folder TAG in it.",
    example: "1",
};

/// Whatever is there goes.
pub const UNSAFE_PLEASE_DELETE: Key = Key {
    name: "unsafe_please_delete",
    kind: Kind::Switch,
    default: Default::Value("0"),
    help: "Replace whatever is at the destination: the new tree is swapped in whole, then the old \
           one is deleted. Refused for /, a home, a mount point and a path of one component.",
    example: "1",
};

/// Owners too.
pub const KEEP_OWNER: Key = Key {
    name: "keep_owner",
    kind: Kind::Switch,
    default: Default::Value("0"),
    help: "Take over owners and set-id bits from the seeder. The peers' user has to be root.",
    example: "1",
};

/// Whoever has it needs nothing.
pub const AS_RELEASE: Key = Key {
    name: "as_release",
    kind: Kind::Switch,
    default: Default::Value("0"),
    help: "The destination is DEPLOY_TO/releases/RELEASE. A host that has this release complete \
           with the same content already is left out; with other content it is refused.",
    example: "1",
};

/// Whether earlier deploys are cleaned up after too.
pub const EARLIER_TOO: Key = Key {
    name: "earlier_too",
    kind: Kind::Switch,
    default: Default::Value("0"),
    help: "For a tag that ends in a time, as those of deploys do (app-20261125142909): also the \
           files of earlier ones of the same name, unless they are in use.",
    example: "1",
};

/// How long agents wait.
pub const FOR: Key = Key {
    name: "for",
    kind: Kind::Duration,
    default: Default::Value("8h"),
    help: "How long the agents wait, such as 90s, 30m, 8h or 2d.",
    example: "8h",
};

/// How many hosts `doctor` tries as peers of each other.
pub const SAMPLE: Key = Key {
    name: "sample",
    kind: Kind::Count,
    default: Default::Value("8"),
    help: "From how many hosts the tracker's port and other hosts' peer ports are tried.",
    example: "20",
};

/// How much of a log.
pub const LINES: Key = Key {
    name: "lines",
    kind: Kind::Count,
    default: Default::Value("100"),
    help: "How many lines of each log, counted from its end.",
    example: "1000",
};

/// How many peers the demo has.
pub const DEMO_HOSTS: Key = Key {
    name: "hosts",
    kind: Kind::Count,
    default: Default::Value("8"),
    help: "How many peers to play.",
    example: "32",
};

/// How much the demo distributes.
pub const DEMO_SIZE: Key = Key {
    name: "size",
    kind: Kind::Size,
    default: Default::Value("64M"),
    help: "How much to distribute.",
    example: "1G",
};

/// Where an application is.
pub const DEPLOY_TO: Key = Key {
    name: "deploy_to",
    kind: Kind::Path,
    default: Default::Nothing("the host's deploy_to, else /srv/APPLICATION by its application"),
    help: "Where the application is on the peers: releases/, current, shared/, revisions.log.",
    example: "/srv/app",
};

/// Which release.
pub const RELEASE: Key = Key {
    name: "release",
    kind: Kind::Tag,
    default: Default::Nothing("must be given"),
    help: "The name of the release, such as the time at which it was made.",
    example: "20261125103000",
};

/// Which release to go back to.
pub const RELEASE_BEFORE: Key =
    Key { default: Default::Nothing("the one that was current before"), ..RELEASE };

/// What a release was made from.
pub const REVISION: Key = Key {
    name: "revision",
    kind: Kind::Text,
    default: Default::Nothing("the release's name"),
    help: "What the release was made from, for its file REVISION.",
    example: "1f0c3a9",
};

/// Files that outlive releases.
pub const LINKED_FILES: Key = Key {
    name: "linked_files",
    kind: Kind::List,
    default: Default::Nothing("none"),
    help: "Files in shared/ that the release links to. Each has to be there.",
    example: "config/database.yml,.env",
};

/// Folders that outlive releases.
pub const LINKED_DIRS: Key = Key {
    name: "linked_dirs",
    kind: Kind::List,
    default: Default::Nothing("none"),
    help: "Folders in shared/ that the release links to. Those that are missing are made.",
    example: "log,tmp/pids",
};

/// How many releases stay.
pub const KEEP_RELEASES: Key = Key {
    name: "keep_releases",
    kind: Kind::Count,
    default: Default::Value("5"),
    help: "How many complete releases stay. The current one and the one before it always do.",
    example: "3",
};

/// Whose completions.
pub const SHELL: Key = Key {
    name: "shell",
    kind: Kind::Word(&["bash", "zsh", "fish"]),
    default: Default::Nothing("must be given; \"completions bash\" is enough"),
    help: "The shell that will read them.",
    example: "bash",
};

/// Variables of the inventory that any task on hosts lets one override, beside those that are
/// keys of the task.
pub const VARIABLES: [Key; 4] = [
    Key {
        name: "remote_murder_path",
        kind: Kind::Path,
        default: Default::Value("~/.murder"),
        help: "The agent's folder on the hosts.",
        example: "/opt/murder",
    },
    Key {
        name: "tracker_port",
        kind: Kind::Port,
        default: Default::Value("8998"),
        help: "The tracker's TCP port.",
        example: "8999",
    },
    Key {
        name: "peer_port",
        kind: Kind::Ports,
        default: Default::Value("6881-6889"),
        help: "The TCP port of seeder and peers, or a range of which the first free one is taken.",
        example: "7000-7009",
    },
    Key {
        name: "announce_ip",
        kind: Kind::Address,
        default: Default::Nothing("found out by connecting"),
        help: "The address that a host tells others to reach it at; with --limit, or for one host.",
        example: "10.0.0.7",
    },
];

/// Variables of the inventory that stand in for a key that was not typed, each with that key. A
/// task that takes the key takes the variable too.
pub const DEFAULTS: [(&str, &str); 4] = [
    ("default_tag", "tag"),
    ("default_seeder_files_path", "files_path"),
    ("default_destination_path", "destination_path"),
    ("default_temp_path", "temp_path"),
];
