//! Destinations: which are taken, what appears in them, and what is left behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use murder_agent::blamed::Blamed as _;
use murder_agent::home::Home;
use murder_agent::place::{Placed, Placement, sweep};
use murder_protocol::verbs::Destination;
use murder_swarm::metainfo::{About, Kind};

struct Host {
    dir: tempfile::TempDir,
    home: Home,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(&dir.path().join("murder")).unwrap();
        fs::create_dir(dir.path().join("srv")).unwrap();
        Self { dir, home }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn destination(&self, path: &str) -> Destination {
        let path = format!("{}/{path}", self.dir.path().display());
        Destination { path, unsafe_please_delete: false, keep_owner: false, as_release: false }
    }

    fn check(&self, destination: &Destination, kind: Kind) -> Result<Placement, String> {
        let about = About { kind, tree_bytes: 10, entries: 2 };
        Placement::check(&self.home, destination, &about).map_err(|error| {
            error.failure().to_string().replace(self.dir.path().to_str().unwrap(), "")
        })
    }

    fn refusal(&self, path: &str, kind: Kind) -> String {
        self.check(&self.destination(path), kind).unwrap_err()
    }

    /// Puts a tree with one file, `new`, in place, or the file itself.
    fn put(&self, destination: &Destination, kind: Kind) -> Placed {
        let placement = self.check(destination, kind).unwrap();
        let staging = placement.stage().unwrap();
        fs::write(staging.path().join("new"), b"new").unwrap();
        placement.commit(staging).unwrap()
    }

    /// What is in the folder that destinations are in, and what the agent still has on record.
    fn left(&self) -> Vec<String> {
        let mut left: Vec<_> = [self.path("srv"), self.home.run()]
            .iter()
            .flat_map(|path| path.read_dir().unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        left
    }
}

fn names(path: &Path) -> Vec<String> {
    let names = path.read_dir().unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_tree_goes_to_an_absent_or_empty_directory_and_nothing_else_stays() {
    let host = Host::new();
    let placed = host.put(&host.destination("srv/a/b/v1"), Kind::Tree);
    assert_eq!(placed, Placed { path: host.path("srv/a/b/v1"), left_over: None });
    assert_eq!(names(&host.path("srv/a/b/v1")), ["new"]);
    fs::create_dir(host.path("srv/empty")).unwrap();
    host.put(&host.destination("srv/empty"), Kind::Tree);
    assert_eq!(names(&host.path("srv/empty")), ["new"]);
    assert_eq!(host.left(), ["a", "empty"]);
    assert_eq!(names(&host.path("srv/a/b")), ["v1"]);
}

#[test]
fn what_is_there_is_replaced_on_demand_only() {
    let host = Host::new();
    let path = host.path("srv/v1");
    fs::create_dir_all(path.join("old/closed")).unwrap();
    fs::write(path.join("old/closed/x"), b"x").unwrap();
    fs::set_permissions(path.join("old/closed"), fs::Permissions::from_mode(0o500)).unwrap();
    assert_eq!(
        host.refusal("srv/v1", Kind::Tree),
        "the destination /srv/v1 is there already and not empty (choose another destination_path, \
         or add unsafe_please_delete=1 to replace it)"
    );
    let replace = Destination { unsafe_please_delete: true, ..host.destination("srv/v1") };
    host.put(&replace, Kind::Tree);
    assert_eq!(names(&path), ["new"]);
    assert_eq!(host.left(), ["v1"]);
    fs::write(host.path("srv/file"), b"x").unwrap();
    assert!(host.refusal("srv/file", Kind::Tree).contains("is there already and is no directory"));
    let replace = Destination { unsafe_please_delete: true, ..host.destination("srv/file") };
    host.put(&replace, Kind::Tree);
    assert_eq!(names(&host.path("srv/file")), ["new"]);
    assert_eq!(host.left(), ["file", "v1"]);
}

#[test]
fn a_tree_that_appears_meanwhile_is_not_replaced() {
    let host = Host::new();
    let placement = host.check(&host.destination("srv/v1"), Kind::Tree).unwrap();
    let staging = placement.stage().unwrap();
    fs::create_dir_all(host.path("srv/v1/theirs")).unwrap();
    let error = placement.commit(staging).unwrap_err().to_string();
    assert!(error.ends_with("srv/v1 is there already and not empty"), "{error}");
    assert_eq!(names(&host.path("srv/v1")), ["theirs"]);
    assert_eq!(host.left(), ["v1"]);
}

#[test]
fn a_failed_run_leaves_no_folder_behind() {
    let host = Host::new();
    let placement = host.check(&host.destination("srv/a/b/v1"), Kind::Tree).unwrap();
    let staging = placement.stage().unwrap();
    assert_eq!(staging.path().metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(staging.path().parent(), Some(host.path("srv/a/b").as_path()));
    fs::write(staging.path().join("x"), b"x").unwrap();
    drop(staging);
    assert!(host.left().is_empty());
}

#[test]
fn what_a_crashed_run_left_is_removed_and_what_a_living_one_uses_is_not() {
    let host = Host::new();
    let living = host.check(&host.destination("srv/v1"), Kind::Tree).unwrap().stage().unwrap();
    let crashed = host.path("srv/.murder-staging-0123456789abcdef");
    fs::create_dir_all(crashed.join("half")).unwrap();
    let record = |name: &str, path: &Path, destination: &Path| {
        let [path, destination] =
            [path, destination].map(|path| murder_protocol::Bytes(path.to_str().unwrap().into()));
        let json = serde_json::json!({"staging": path, "destination": destination});
        fs::write(host.home.run().join(name), json.to_string()).unwrap();
    };
    record("staging-1.json", &crashed, &host.path("srv/v2"));
    // Ended between two renames: the old tree has to come back.
    let between = host.path("srv/.murder-staging-1");
    fs::create_dir_all(&between).unwrap();
    fs::create_dir_all(host.path("srv/.murder-staging-1-old/old")).unwrap();
    record("staging-2.json", &between, &host.path("srv/v3"));
    // Nobody's record makes us delete what is not named as ours is.
    record("staging-3.json", &host.path("srv"), &host.path("srv/v4"));
    let mut swept = sweep(&host.home);
    swept.sort();
    assert_eq!(swept, [crashed, between]);
    assert!(living.path().is_dir());
    assert_eq!(names(&host.path("srv/v3")), ["old"]);
    drop(living);
    assert_eq!(host.left(), ["staging-3.json", "v3"]);
}

#[test]
fn destinations_that_can_not_be_meant_are_refused() {
    let host = Host::new();
    symlink("elsewhere", host.path("srv/link")).unwrap();
    fs::write(host.path("srv/file"), b"x").unwrap();
    for (path, wanted) in [
        (
            "srv/link",
            "the destination /srv/link is a symlink (remove it, or give destination_path what it points to)",
        ),
        ("srv/../srv/x", "the destination /srv/../srv/x has .. in it (write the path without ..)"),
        (
            "murder/spool/x",
            "the destination /murder/spool/x is within murder's own folder, which is never replaced (choose a deeper destination_path)",
        ),
        (
            "",
            "the destination  is around murder's own folder, which is never replaced (choose a deeper destination_path)",
        ),
        (
            "srv/file/x",
            "/srv/file is no directory, so nothing can be put below it (choose another destination_path)",
        ),
        ("srv/link/x", "could not find /srv/link: No such file or directory (os error 2)"),
    ] {
        let mut destination = host.destination(path);
        for replace in [false, true] {
            destination.unsafe_please_delete = replace;
            assert_eq!(host.check(&destination, Kind::Tree).unwrap_err(), wanted);
        }
    }
    for (path, wanted) in [
        (
            "tmp/x",
            "the destination can't be used: the path \"tmp/x\" is not absolute (write a path that begins with / or ~/)",
        ),
        (
            "/",
            "the destination / is the root of the file system, which is never replaced (choose a deeper destination_path)",
        ),
        (
            "//tmp/./",
            "the destination /tmp is a path of one component, which is never replaced (choose a deeper destination_path)",
        ),
    ] {
        let destination = Destination {
            path: path.to_owned(),
            unsafe_please_delete: true,
            keep_owner: false,
            as_release: false,
        };
        let refusal = host.check(&destination, Kind::Tree).unwrap_err();
        assert_eq!(refusal, wanted);
    }
}

#[test]
fn too_little_room_is_said_before_anything_moves() {
    let host = Host::new();
    let about = |tree_bytes, entries| About { kind: Kind::Tree, tree_bytes, entries };
    let check = |about: &About| {
        let error = Placement::check(&host.home, &host.destination("srv/x/y"), about);
        error.unwrap_err().failure().to_string()
    };
    let text = check(&about(u64::MAX, 1));
    assert!(text.contains("/srv has ") && text.contains("16384.0 PiB are needed"), "{text}");
    let text = check(&about(1, u64::MAX));
    assert!(text.ends_with("more files, and 18446744073709551615 are needed (free some, or choose another file system)"), "{text}");
}

#[test]
fn a_file_goes_where_cp_would_put_it() {
    let host = Host::new();
    let put = |path: &str| host.put(&host.destination(path), Kind::File).path;
    assert_eq!(put("srv"), host.path("srv/new"));
    assert_eq!(put("srv/name"), host.path("srv/name"));
    assert_eq!(put("srv/deep/down/name"), host.path("srv/deep/down/name"));
    assert_eq!(put("srv/folder/"), host.path("srv/folder/new"));
    fs::write(host.path("srv/name"), b"old").unwrap();
    put("srv/name");
    assert_eq!(fs::read(host.path("srv/name")).unwrap(), b"new");
    assert_eq!(host.left(), ["deep", "folder", "name", "new"]);
}

#[test]
fn a_file_never_replaces_a_socket_or_the_like() {
    let host = Host::new();
    let _socket = std::os::unix::net::UnixListener::bind(host.path("srv/socket")).unwrap();
    assert_eq!(
        host.refusal("srv/socket", Kind::File),
        "the destination /srv/socket is no regular file (choose another destination_path)"
    );
}

#[test]
fn a_file_never_replaces_a_directory_or_a_link() {
    let host = Host::new();
    fs::create_dir_all(host.path("srv/new/x")).unwrap();
    let placement = host.check(&host.destination("srv"), Kind::File).unwrap();
    let staging = placement.stage().unwrap();
    fs::write(staging.path().join("new"), b"new").unwrap();
    let error = placement.commit(staging).unwrap_err().to_string();
    assert!(error.ends_with("/srv/new is a directory, which a file never replaces"), "{error}");
    symlink("new", host.path("srv/link")).unwrap();
    symlink("nowhere", host.path("srv/dangling")).unwrap();
    assert!(
        host.refusal("srv/dangling", Kind::File)
            .starts_with("the destination /srv/dangling is a symlink")
    );
    assert_eq!(host.put(&host.destination("srv/link"), Kind::File).path, host.path("srv/new/new"));
    assert_eq!(host.left(), ["dangling", "link", "new"]);
}
