//! The answer to `--dry-run`: who would do what, and which paths would be made or replaced.

use std::collections::BTreeMap;
use std::sync::Arc;

use murder_protocol::{Format, Tag};

use super::context::Cast;
use super::releases;
use super::sending;
use super::torrent::temp_path;
use crate::inventory::Host;
use crate::plan::{Change, PathChange, Plan, Step};
use crate::report::units;
use crate::settings::{Clean, Create, Peer, ReleaseTask, ReleaseWhat, Settings, Tagged, Task};

/// The steps of a task, in order.
pub(super) fn of(settings: &Settings, cast: &Cast) -> Plan {
    let planner = Planner { cast };
    let steps = match &settings.task {
        Task::DistributeFiles => vec![planner.distribute_files()],
        Task::StartTracker => vec![planner.start_tracker()],
        Task::StopTracker => vec![planner.at_tracker("stop the tracker, if it runs")],
        Task::CreateTorrent(create) => vec![planner.create(create)],
        Task::DownloadTorrent(tagged) => vec![planner.download(tagged)],
        Task::StartSeeding(tagged) => vec![planner.start_seeding(tagged, &Format::ALL)],
        Task::StopSeeding(tagged) => {
            vec![planner.at_seeder(format!("stop the seeder of {}, if it runs", tagged.tag))]
        }
        Task::StopAllSeeding => vec![planner.at_seeder("stop every seeder".into())],
        Task::Peer(peer) => vec![planner.peer(peer)],
        Task::StopPeering(tagged) => {
            vec![planner.at_peers(format!("stop the peer of {}, if it runs", tagged.tag))]
        }
        Task::StopAllPeering => vec![planner.at_peers("stop every peer".into())],
        Task::Warm(warm) => {
            let span = units::whole_duration(warm.span);
            vec![
                planner
                    .at_peers(format!("let an agent wait for {span}, in place of one that does")),
            ]
        }
        Task::Cool => vec![planner.at_peers("end the agent that waits, if one does".into())],
        Task::CleanTempFiles(clean) => vec![planner.clean(clean)],
        Task::Distribute(distribute) => {
            let create = &distribute.create;
            let tag = &create.tag;
            let tagged = Tagged { tag: tag.clone(), temp_path: create.temp_path.clone() };
            vec![
                planner.distribute_files(),
                planner.start_tracker(),
                planner.create(create),
                planner.start_seeding(&tagged, &[create.compression.format()]),
                planner.peer(&distribute.peer),
                planner.at_seeder(format!("stop the seeder of {tag}, if this run started it")),
                planner.at_tracker("stop the tracker, if this run started it"),
            ]
        }
        Task::Status(_) => vec![planner.at_named("ask what runs")],
        Task::Attach(_) => vec![planner.at_tracker("follow the latest run")],
        Task::Doctor(_) => vec![planner.at_named("look for whatever could stop a run")],
        Task::Logs(_) => vec![planner.at_named("read the logs")],
        Task::Uninstall => vec![planner.uninstall()],
        Task::Release(task) => vec![planner.release(task)],
        _ => Vec::new(),
    };
    Plan { task: settings.task.name(), steps }
}

struct Planner<'a> {
    cast: &'a Cast,
}

impl Planner<'_> {
    fn distribute_files(&self) -> Step {
        let hosts = self.cast.all();
        let bin = |host: &Host| format!("{}/bin/murder-agent", host.remote_murder_path());
        let paths = changes(&hosts, Change::Replace, |host| Some(bin(host)));
        step("push the agent that fits, unless it is there", &hosts, paths)
    }

    fn start_tracker(&self) -> Step {
        let port = self.cast.tracker.tracker_port();
        self.at_tracker(&format!("start the tracker on port {port}, unless it runs"))
    }

    fn create(&self, create: &Create) -> Step {
        let hosts = [self.cast.seeder.clone()];
        let files_path = create
            .files_path
            .as_deref()
            .or_else(|| self.cast.seeder.default_seeder_files_path())
            .map(str::to_owned);
        let files_path = if create.from.is_some() { None } else { files_path };
        let mut paths = changes(&hosts, Change::Read, |_| files_path.clone());
        let tagged = Tagged { tag: create.tag.clone(), temp_path: create.temp_path.clone() };
        let formats = [create.compression.format()];
        paths.extend(archives(&hosts, Change::Replace, &tagged, &formats, &["", ".torrent"]));
        let what = match &create.from {
            None => format!("pack {} and make its torrent", create.tag),
            Some(from) => format!(
                "pack {} of this machine and send it to the seeder, and make its torrent",
                sending::absolute(from).display()
            ),
        };
        step(&what, &hosts, paths)
    }

    fn download(&self, tagged: &Tagged) -> Step {
        let hosts = [self.cast.seeder.clone()];
        let paths = archives(&hosts, Change::Read, tagged, &Format::ALL, &[".torrent"]);
        step(&format!("fetch the torrent of {}", tagged.tag), &hosts, paths)
    }

    fn start_seeding(&self, tagged: &Tagged, formats: &[Format]) -> Step {
        let hosts = [self.cast.seeder.clone()];
        let paths = archives(&hosts, Change::Read, tagged, formats, &[""]);
        step(&format!("start the seeder of {}, unless it runs", tagged.tag), &hosts, paths)
    }

    fn peer(&self, peer: &Peer) -> Step {
        let change = match peer.unsafe_please_delete || peer.path_is_file {
            true => Change::Replace,
            false => Change::Create,
        };
        let paths = changes(&self.cast.peers, change, |host| {
            let base = peer.destination_path.as_deref().or_else(|| host.default_destination_path());
            let base = base?;
            Some(match peer.path_is_file || peer.no_tag_directory {
                true => base.to_owned(),
                false => format!("{}/{}", base.trim_end_matches('/'), peer.tag),
            })
        });
        step(&format!("fetch {} and put it in place", peer.tag), &self.cast.peers, paths)
    }

    fn clean(&self, Clean { tagged, earlier }: &Clean) -> Step {
        let hosts = self.cast.seeder_and_peers();
        let ends = ["", ".torrent", ".partial"];
        let paths = archives(&hosts, Change::Remove, tagged, &Format::ALL, &ends);
        let before = if *earlier { ", and of deploys before it" } else { "" };
        let tag = &tagged.tag;
        let what = format!("remove the archive of {tag} and what belongs to it{before}");
        step(&what, &hosts, paths)
    }

    fn release(&self, task: &ReleaseTask) -> Step {
        let release = task.release.as_ref().map_or("the release before".to_owned(), Tag::to_string);
        let at = |end: String, change: Change| {
            changes(&self.cast.peers, change, |host| {
                let deploy_to = releases::deploy_to(task.deploy_to.as_deref(), host).ok()?;
                Some(format!("{}{end}", deploy_to.trim_end_matches('/')))
            })
        };
        let made = || at(format!("/releases/{release}"), Change::Create);
        let (what, paths) = match task.what {
            ReleaseWhat::Lock => {
                return self.at_tracker("take the lock of the application's deploys");
            }
            ReleaseWhat::Unlock => return self.at_tracker("give the lock of the deploys back"),
            ReleaseWhat::Check => (format!("look whether {release} could go there"), Vec::new()),
            ReleaseWhat::Prepare => {
                (format!("make the folders for {release}"), at("/releases".into(), Change::Create))
            }
            ReleaseWhat::Stage => {
                (format!("link what {release} shares, and mark it whole"), made())
            }
            ReleaseWhat::Prove => (format!("look whether {release} is there whole"), Vec::new()),
            ReleaseWhat::SetAside => (
                format!("keep {release} apart"),
                at(format!("/releases/{release}"), Change::Remove),
            ),
            ReleaseWhat::Clean => {
                (format!("remove all but the latest {} releases", task.keep), Vec::new())
            }
            ReleaseWhat::List => ("look which releases are there".to_owned(), Vec::new()),
        };
        step(&what, &self.cast.peers, paths)
    }

    fn uninstall(&self) -> Step {
        let hosts = &self.cast.named;
        let paths =
            changes(hosts, Change::Remove, |host| Some(host.remote_murder_path().to_owned()));
        step("stop every agent and remove its folder", hosts, paths)
    }

    fn at_tracker(&self, what: &str) -> Step {
        step(what, std::slice::from_ref(&self.cast.tracker), Vec::new())
    }

    fn at_seeder(&self, what: String) -> Step {
        step(&what, std::slice::from_ref(&self.cast.seeder), Vec::new())
    }

    fn at_peers(&self, what: String) -> Step {
        step(&what, &self.cast.peers, Vec::new())
    }

    fn at_named(&self, what: &str) -> Step {
        step(what, &self.cast.named, Vec::new())
    }
}

fn step(what: &str, hosts: &[Arc<Host>], paths: Vec<PathChange>) -> Step {
    Step::new(what.to_owned(), names(hosts), paths)
}

fn names(hosts: &[Arc<Host>]) -> Vec<String> {
    hosts.iter().map(|host| host.name.clone()).collect()
}

/// One entry for each path, with the hosts that it is the path for unless it is for all.
fn changes(
    hosts: &[Arc<Host>],
    change: Change,
    path: impl Fn(&Host) -> Option<String>,
) -> Vec<PathChange> {
    let mut by_path: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for host in hosts {
        if let Some(path) = path(host) {
            by_path.entry(path).or_default().push(host.name.clone());
        }
    }
    by_path
        .into_iter()
        .map(|(path, of)| {
            let hosts = if of.len() == hosts.len() { Vec::new() } else { of };
            PathChange { path, change, hosts }
        })
        .collect()
}

/// The archive of a tag and what belongs to it, in each of the formats that it may have.
fn archives(
    hosts: &[Arc<Host>],
    change: Change,
    tagged: &Tagged,
    formats: &[Format],
    ends: &[&str],
) -> Vec<PathChange> {
    let mut paths = Vec::new();
    for name in formats.iter().map(|format| format.name(&tagged.tag)) {
        for end in ends {
            paths.extend(changes(hosts, change, |host| {
                Some(match temp_path(host, tagged.temp_path.as_deref()) {
                    Some(folder) => format!("{}/{name}{end}", folder.trim_end_matches('/')),
                    None => format!("{}/spool/{name}{end}", host.remote_murder_path()),
                })
            }));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;

    fn cast() -> Cast {
        let yaml = b"all:\n  children:\n    tracker:\n      hosts: {t1: }\n    seeder:\n      \
                     hosts: {s1: }\n    peer:\n      vars: {default_destination_path: /srv}\n      \
                     hosts: {p1: , p2: {default_destination_path: /opt/x}}\n";
        let inventory = Inventory::parse(yaml, "i.yaml", &[]).unwrap();
        Cast::of(&inventory, None, &Task::StopTracker).unwrap()
    }

    fn peer(unsafe_please_delete: bool) -> Peer {
        Peer {
            tag: "v1".parse().unwrap(),
            destination_path: None,
            no_tag_directory: false,
            path_is_file: false,
            unsafe_please_delete,
            keep_owner: false,
            as_release: false,
            temp_path: None,
        }
    }

    #[test]
    fn a_plan_names_the_paths_that_would_be_made_and_on_which_hosts() {
        let step = Planner { cast: &cast() }.peer(&peer(false));
        assert_eq!(step.hosts, ["p1", "p2"]);
        let path = |path: &str, host: &str| PathChange {
            path: path.into(),
            change: Change::Create,
            hosts: vec![host.into()],
        };
        assert_eq!(step.paths, [path("/opt/x/v1", "p2"), path("/srv/v1", "p1")]);
    }

    #[test]
    fn a_plan_says_what_would_be_replaced() {
        let step = Planner { cast: &cast() }.peer(&peer(true));
        assert!(step.paths.iter().all(|path| path.change == Change::Replace));
    }

    #[test]
    fn a_path_that_is_the_same_everywhere_is_named_once() {
        let step = Planner { cast: &cast() }.distribute_files();
        assert_eq!(step.hosts, ["t1", "s1", "p1", "p2"]);
        assert_eq!(step.paths.len(), 1);
        assert_eq!(step.paths[0].path, "~/.murder/bin/murder-agent");
        assert!(step.paths[0].hosts.is_empty());
    }
}
