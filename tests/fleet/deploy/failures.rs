//! Hosts that fail before the word, and what the others do then.

use super::{DEPLOY, Site, read};
use crate::murder::Ended;
use crate::net::{Host, Link};

/// A command that fails on h3 when all is staged.
const FAILS: &str = r#"
include: [murder:deploy]
hooks:
  before:
    publishing:
      - name: warm the cache
        run: "test {{ host }} != h3 || { echo the cache is full; exit 4; }"
"#;

#[test]
fn a_step_that_fails_on_one_host_stops_all_or_within_the_tolerance_that_host_alone() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    site.build("r2").recipe(FAILS);

    let ended = site.deploy("release=r2").code(3);

    ended.says("h3").says("ended with exit status 4").says("the cache is full");
    site.all_have("r1");
    for host in site.0.hosts() {
        assert!(!there(host, "releases/r2"), "{} still counts r2", host.name());
    }

    site.build("r3");
    let ended = site.0.run(&format!("--max-fail-percentage 25 {DEPLOY} release=r3")).code(4);
    ended.says("h3").says("the cache is full");
    site.all_have_but("r3", 3, "r1");
}

#[test]
fn a_linked_file_that_one_host_lacks_is_named_before_anything_moves() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    for host in site.0.hosts() {
        host.sh("touch /srv/app/shared/settings.toml");
    }
    site.0.host(5).sh("rm /srv/app/shared/settings.toml");

    let ended = site.build("r2").deploy("release=r2 linked_files=settings.toml").code(3);

    ended.says("h5").says("shared/settings.toml");
    site.all_have("r1");
    for host in site.0.hosts() {
        assert!(!there(host, "releases/r2"), "{} has something of r2", host.name());
    }
    site.0.host(5).sh("touch /srv/app/shared/settings.toml");
    site.deploy("release=r2 linked_files=settings.toml").code(0);
    site.all_have("r2");
}

#[test]
fn a_host_without_room_for_a_release_says_so_and_nobody_switches() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    let host = site.0.host(2);
    // There is room for the bytes, and none for so many files.
    host.sh("mount -t tmpfs -o nr_inodes=40 tmpfs /srv/app/releases");
    site.0.host(1).sh("for n in $(seq 100); do echo $n >build/$n; done");

    let ended = site.build("r2").deploy("release=r2").code(3);

    ended.says("failed h2: /srv/app/releases has room for ").says("more files, and 103 are needed");
    assert!(site.0.hosts().iter().all(|host| !there(host, "releases/r2/.")));
    host.sh("umount /srv/app/releases");
    site.all_have("r1");
    site.deploy("release=r2").code(0);
    site.all_have("r2");
}

#[test]
fn a_deploy_of_a_name_that_is_taken_is_refused_and_takes_no_release_away() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    site.released("r2");

    let taken = "the release r1 in /srv/app/releases was current before";
    site.build("r3").deploy("release=r1").code(3).says(taken);

    site.all_have("r2");
    site.0.ok("deploy:rollback application=app");
    site.all_have("r1");
}

#[test]
fn a_disk_that_fills_up_as_a_release_is_unpacked_fails_its_host_alone_which_stays_as_it_was() {
    let Some(site) = Site::up() else { return };
    let host = site.0.host(2);
    host.sh("mkdir /srv/app && mount -t tmpfs -o size=20m tmpfs /srv/app");
    site.released("r1");
    site.0.host(1).sh("head -c 12M /dev/urandom >build/large");
    site.0.host(1).limit_uplink(40);

    let ended = site.build("r2").deploy_while_it_fills_up(host, "release=r2").code(3);

    ended.says("No space left on device");
    site.all_have("r1");
    let words = "--max-fail-percentage 25 release=r3";
    let ended = site.build("r3").deploy_while_it_fills_up(host, words).code(4);
    ended.says("No space left on device");
    site.all_have_but("r3", 2, "r1");
    assert_eq!(host.sh("ls -A /srv/app/releases"), "r1\n");

    site.0.host(1).sh("rm build/large");
    site.released("r4");
}

impl Site {
    /// A deploy in whose midst the file system of an application is full, until it has ended.
    fn deploy_while_it_fills_up(&self, host: &Host, words: &str) -> Ended {
        let mut run = self.0.follow(&format!("{DEPLOY} {words}"));
        run.until_share(0.3);
        // Others may have had all of that: it too has seen that there is room, and unpacks.
        let releases = host.path("/srv/app/releases");
        run.until(|_| std::fs::read_dir(&releases).is_ok_and(|entries| entries.count() > 1));
        // Nothing arrives while the room is taken away.
        host.set_link(Link::Down);
        host.try_sh("head -c 20M /dev/zero >/srv/app/filler");
        host.set_link(Link::Up);
        let ended = run.end();
        assert_eq!(read(host, "current/file"), "r1");
        host.sh("rm /srv/app/filler");
        ended
    }
}

fn there(host: &Host, path: &str) -> bool {
    host.path(&format!("/srv/app/{path}")).exists()
}
