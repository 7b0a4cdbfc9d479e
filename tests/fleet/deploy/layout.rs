//! What deploys leave on the hosts.

use super::{PLAIN, Site, read};

const LINKED: &str = "linked_files=settings.toml linked_dirs=log,tmp/cache";

#[test]
fn a_deploy_links_what_is_shared_and_a_rollback_moves_the_fleet_back_by_one_or_by_name() {
    let Some(site) = Site::up() else { return };
    site.released("r1");
    for host in site.0.hosts() {
        host.sh(&format!("echo {} >/srv/app/shared/settings.toml", host.name()));
    }

    site.build("r2").deploy(&format!("release=r2 revision=abc123 {LINKED}")).code(0);

    site.all_have("r2");
    for host in site.0.hosts() {
        assert_eq!(read(host, "current/settings.toml"), host.name());
        assert_eq!(read(host, "current/REVISION"), "abc123");
        host.sh("touch /srv/app/current/log/today /srv/app/current/tmp/cache/entry");
        host.sh("ls /srv/app/shared/log/today /srv/app/shared/tmp/cache/entry");
    }
    site.build("r3").deploy(&format!("release=r3 {LINKED}")).code(0);
    site.all_have("r3");
    site.0.host(8).sh("ls /srv/app/current/log/today");

    site.0.ok("deploy:rollback application=app").says("the release to go back to is r2");
    site.all_have("r2");
    site.0.ok("releases deploy_to=/srv/app").says("current    r2 (abc123)");
    site.0.ok("deploy:rollback application=app release=r1");
    site.all_have("r1");

    let said = site.0.ok("releases deploy_to=/srv/app").says("8 hosts").says("current    r1");
    assert!(!said.stdout.contains("differs"), "{}", said.stdout);
    site.0.host(4).sh("ln -sfn releases/r3 /srv/app/current");
    let said = site.0.ok("releases deploy_to=/srv/app");
    said.says("7 hosts").says("1 host: h4  (differs from most)");
    let log = read(site.0.host(3), "revisions.log");
    assert_eq!(log.lines().count(), 5, "{log}");
}

#[test]
fn twelve_deploys_keep_five_releases_and_the_evidence_of_the_last_that_failed() {
    let Some(site) = Site::up() else { return };
    for number in 1..=12 {
        let name = named(number);
        if [4, 9].contains(&number) {
            site.recipe(FAILS);
            site.build(&name).deploy(&format!("release={name}")).code(3);
            site.recipe(PLAIN);
        } else {
            site.released(&name);
        }
    }

    let kept = [7, 8, 10, 11, 12].map(named);
    for host in site.0.hosts() {
        let left = |folder: &str| host.sh(&format!("ls -A /srv/app/{folder} | xargs"));
        assert_eq!(left("releases"), format!("{}\n", kept.join(" ")), "{}", host.name());
        let root = ".murder-lock current failed releases revisions.log shared\n";
        assert_eq!(left(""), root, "{}", host.name());
        let failed = left("failed");
        assert!(
            failed.contains(&named(9)) && !failed.contains(&named(4)),
            "{}: {failed}",
            host.name()
        );
        assert_eq!(read(host, "current/file"), named(12));
        assert_eq!(read(host, "revisions.log").lines().count(), 10, "{}", host.name());
        // Nor does an archive stay, not even of those that failed.
        assert_eq!(host.sh("ls .murder/spool"), "", "{}", host.name());
    }
}

/// As a release is called that was given no name.
fn named(number: u32) -> String {
    format!("202611010000{number:02}")
}

const FAILS: &str = r#"
include: [murder:deploy]
hooks: { before: { publishing: [ { run: ["false"], on: h7 } ] } }
"#;

#[test]
fn where_deploy_to_is_a_link_the_application_is_where_it_leads() {
    let Some(site) = Site::up() else { return };
    for host in site.0.hosts() {
        host.sh("mkdir -p /srv/data/app && ln -s data/app /srv/app");
    }

    site.released("r1");
    site.released("r2");
    site.0.ok("deploy:rollback application=app");

    site.all_have("r1");
    for host in site.0.hosts() {
        assert_eq!(host.sh("readlink /srv/app; cat /srv/data/app/current/file"), "data/app\nr1\n");
    }
}
