//! Recipes carried out on this machine: deploys, a rollback, failures within the tolerance and
//! beyond it, and secrets.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use crate::site::Site;

/// A project whose peers each have a folder of their own for the application.
fn project(peers: usize) -> Site {
    let site = Site::new(peers);
    let inventory = site.path("inventory.yaml");
    let yaml = fs::read_to_string(&inventory).unwrap();
    let mut with_places = String::new();
    for line in yaml.lines() {
        with_places += &format!("{line}\n");
        if let Some(peer) = site.peers().find(|peer| line == format!("        {peer}:")) {
            let place = place(&site, peer);
            with_places += &format!("          deploy_to: {}\n", place.display());
            fs::create_dir_all(place.join("shared")).unwrap();
        }
    }
    let yaml =
        with_places.replace("  vars:\n", "  vars:\n    application: app\n    keep_releases: 2\n");
    fs::write(&inventory, yaml).unwrap();
    site
}

fn place(site: &Site, peer: &str) -> std::path::PathBuf {
    site.path(peer).join("app")
}

fn recipe(site: &Site, name: &str, text: &str) {
    fs::create_dir_all(site.path("recipes")).unwrap();
    fs::write(site.path("recipes").join(name), text).unwrap();
}

fn current(site: &Site, peer: &str) -> String {
    let link = fs::read_link(place(site, peer).join("current")).unwrap();
    link.file_name().unwrap().to_str().unwrap().to_owned()
}

/// What is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn files_of(place: &Path, release: &str) -> std::path::PathBuf {
    place.join("releases").join(release)
}

#[test]
fn a_deploy_links_what_is_shared_and_a_rollback_leads_back() {
    let site = project(3);
    for peer in site.peers() {
        fs::write(place(&site, peer).join("shared/.env"), peer).unwrap();
    }
    for release in ["r1", "r2"] {
        let line =
            format!("deploy release={release} files_path=FILES linked_files=.env linked_dirs=log");
        site.murder(&line).expect(0);
        for peer in site.peers() {
            assert_eq!(current(&site, peer), release);
            let release = files_of(&place(&site, peer), release);
            assert_eq!(fs::read_to_string(release.join(".env")).unwrap(), peer);
            assert!(fs::symlink_metadata(release.join("log")).unwrap().is_symlink());
        }
    }
    site.murder("deploy:rollback").expect(0);
    for peer in site.peers() {
        assert_eq!(current(&site, peer), "r1");
    }
    let ran = site.murder("deploy:rollback release=r9").expect(3);
    assert!(ran.stderr.contains("there is no release r9 in "), "{}", ran.stderr);
    let releases = site.murder("releases").expect(0).stdout;
    assert!(
        releases.starts_with("3 hosts: p[1:3]\n  current    r1\n  since      20"),
        "{releases}"
    );
    assert!(releases.contains("  available  r2\n"), "{releases}");
    // What the deploys started is gone with them.
    assert!(!site.murder("status").expect(0).stdout.contains("running, process"));
}

#[test]
fn hooks_run_at_every_stage_and_in_order() {
    let site = project(2);
    let mut text =
        "description: a deploy that tells\ninclude: [murder:deploy]\nhooks:\n".to_owned();
    let stages = [
        "starting",
        "started",
        "updating",
        "updated",
        "publishing",
        "published",
        "finishing",
        "finished",
    ];
    for moment in ["before", "after"] {
        text += &format!("  {moment}:\n");
        for stage in stages {
            text += &format!(
                "    {stage}:\n      - run: \"echo {moment} {{{{ stage }}}} >> {{{{ deploy_to | quote }}}}/told\"\n"
            );
        }
    }
    recipe(&site, "deploy.yaml", &text);
    site.murder("deploy files_path=FILES").expect(0);
    let expected: String =
        stages.iter().map(|stage| format!("before {stage}\nafter {stage}\n")).collect();
    for peer in site.peers() {
        assert_eq!(fs::read_to_string(place(&site, peer).join("told")).unwrap(), expected);
    }
}

#[test]
fn a_host_that_fails_beyond_the_tolerance_stops_the_deploy_before_anybody_switches() {
    let site = project(3);
    site.murder("deploy release=r1 files_path=FILES").expect(0);
    let text = "description: a deploy with a check\ninclude: [murder:deploy]\nhooks:\n  after:\n    \
                updated:\n      - name: look at it\n        run: \"echo odd; test {{ host }} != p2\"\n";
    recipe(&site, "deploy.yaml", text);
    let ran = site.murder("deploy release=r2 files_path=FILES").expect(3);
    assert!(ran.stderr.contains("ended with exit status 1: odd"), "{}", ran.stderr);
    for peer in site.peers() {
        assert_eq!(current(&site, peer), "r1");
    }
    // The lock was given back, and within the tolerance the others go on.
    site.murder("--max-fail-percentage 40 deploy release=r3 files_path=FILES").expect(4);
    let now: Vec<_> = site.peers().map(|peer| current(&site, peer)).collect();
    assert_eq!(now, ["r3", "r1", "r3"]);
    let releases = site.murder("releases").expect(0).stdout;
    assert!(releases.contains("1 host: p2  (differs from most)\n"), "{releases}");
}

#[test]
fn a_deploy_that_failed_before_the_word_is_tried_again_by_the_name_that_it_has_made() {
    let site = project(2);
    let text = "description: a deploy with a check\ninclude: [murder:deploy]\nhooks:\n  after:\n    \
                updated:\n      - run: \"false\"\n";
    recipe(&site, "deploy.yaml", text);
    let ran = site.murder("deploy files_path=FILES").expect(3);
    let (_, again) = ran.stderr.split_once("try these hosts again:\n").unwrap();
    let release = again.split_whitespace().find(|word| word.starts_with("release=")).unwrap();

    fs::remove_dir_all(site.path("recipes")).unwrap();
    site.murder(&format!("deploy files_path=FILES {release}")).expect(0);

    for peer in site.peers() {
        assert_eq!(format!("release={}", current(&site, peer)), release);
    }
}

/// Stages a release and goes no further, as a deploy whose workstation dies before the word.
const STAGES: &str = "\
description: stages a release
vars: {files_path: \"\"}
steps:
  - task: distribute_files
  - task: start_tracker
  - task: prepare_release
    with: {release: \"{{ release }}\"}
  - task: create_torrent
    with: {tag: \"{{ tag }}\", files_path: \"{{ files_path }}\"}
  - task: start_seeding
    with: {tag: \"{{ tag }}\"}
  - task: peer
    with: {tag: \"{{ tag }}\", destination_path: \"{{ release_path }}\", no_tag_directory: true, as_release: true}
  - task: stage_release
    with: {release: \"{{ release }}\"}
";

#[test]
fn a_release_that_is_staged_already_is_not_brought_again_where_it_is_the_same() {
    let site = project(3);
    recipe(&site, "stage.yaml", STAGES);
    site.murder("stage release=r1 files_path=FILES").expect(0);
    fs::remove_dir_all(files_of(&place(&site, "p3"), "r1")).unwrap();
    let files = |peer| files_of(&place(&site, peer), "r1").join("large");
    let inode = |peer| fs::metadata(files(peer)).unwrap().ino();
    let before = ["p1", "p2"].map(inode);

    let ran = site.murder("-v deploy release=r1 files_path=FILES").expect(0);

    for peer in ["p1", "p2"] {
        let told = format!("{peer}: skipped, the release is there already, with the same content");
        assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    }
    assert_eq!(["p1", "p2"].map(inode), before);
    for peer in site.peers() {
        assert_eq!(current(&site, peer), "r1");
    }
}

#[test]
fn a_release_that_is_staged_with_other_content_is_refused_and_current_stays() {
    let site = project(2);
    recipe(&site, "stage.yaml", STAGES);
    site.murder("deploy release=r1 files_path=FILES").expect(0);
    site.murder("stage release=r2 files_path=FILES").expect(0);
    fs::write(site.path("files/large"), "something else").unwrap();

    let ran = site.murder("deploy release=r2 files_path=FILES").expect(3);

    let folder = place(&site, "p1").join("releases");
    let told = format!(
        "failed p1: the release r2 in {} is there already with other content (give the new \
         release another name)",
        folder.display()
    );
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    for peer in site.peers() {
        assert_eq!(current(&site, peer), "r1");
        assert!(files_of(&place(&site, peer), "r2").join(".murder-release").exists());
    }
    // Nothing is packed for a name that can't work.
    let ran = site.murder("deploy release=r1 files_path=FILES").expect(3);
    assert!(ran.stderr.contains("is current already (give "), "{}", ran.stderr);
    assert!(!ran.stderr.contains("create_torrent"), "{}", ran.stderr);
    site.murder("deploy release=r3 files_path=FILES").expect(0);
    let ran = site.murder("deploy release=r1 files_path=FILES").expect(3);
    assert!(ran.stderr.contains("was current before (give "), "{}", ran.stderr);
}

#[test]
fn a_condition_holds_for_every_step_of_a_call_and_for_its_switch_too() {
    let site = project(3);
    recipe(
        &site,
        "most.yaml",
        "description: deploys to most\nvars: { tree: '' }\nsteps:\n  - task: deploy\n    when: \"{{ host != \
         'p2' }}\"\n    with: { files_path: '{{ tree }}' }\n",
    );
    site.murder("most release=r1 tree=FILES").expect(0);
    for peer in ["p1", "p3"] {
        assert_eq!(current(&site, peer), "r1");
    }
    assert_eq!(names(&place(&site, "p2")), ["shared"]);
}

#[test]
fn a_revision_of_a_git_repository_is_exported_on_the_seeder_and_deployed() {
    let site = project(2);
    let repository = site.path("repository");
    fs::create_dir_all(&repository).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(&repository).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let commit = |text: &str| {
        fs::write(repository.join("page"), text).unwrap();
        git(&["add", "page"]);
        git(&["commit", "--quiet", "--message", text]);
        git(&["rev-parse", "HEAD"])
    };
    git(&["init", "--quiet"]);
    let commits = [commit("one"), commit("two")];
    git(&["tag", "v1", &commits[0]]);
    let deploy = |revision: &str, release: &str| {
        site.murder(&format!(
            "deploy-git repository=FOLDER/repository git_path=FOLDER/copy \
             files_path=FOLDER/copy/{release} revision={revision} release={release}"
        ))
    };
    for (revision, release, text, commit) in
        [("v1", "r1", "one", &commits[0]), ("HEAD", "r2", "two", &commits[1])]
    {
        deploy(revision, release).expect(0);
        for peer in site.peers() {
            let place = place(&site, peer);
            assert_eq!(current(&site, peer), release);
            assert_eq!(fs::read_to_string(place.join("current/page")).unwrap(), text);
            assert_eq!(fs::read_to_string(place.join("current/REVISION")).unwrap().trim(), commit);
        }
    }
    let ran = deploy("v9", "r3").expect(3);
    assert!(ran.stderr.contains("rev-parse --verify"), "{}", ran.stderr);
    assert_eq!(current(&site, "p1"), "r2");
    assert_eq!(names(&site.path("copy")), ["repository"]);
}

#[test]
fn a_second_deploy_is_told_who_holds_the_lock() {
    let site = project(1);
    site.murder("distribute_files").expect(0);
    site.murder("lock_deploys").expect(0);
    let ran = site.murder("deploy release=r1 files_path=FILES").expect(3);
    assert!(ran.stderr.contains("locked by "), "{}", ran.stderr);
    assert!(!place(&site, "p1").join("current").exists());
    let ran = site.murder("deploy:unlock").expect(0);
    assert!(!ran.stderr.contains("skipped"), "{}", ran.stderr);
    site.murder("deploy release=r1 files_path=FILES").expect(0);
    assert_eq!(current(&site, "p1"), "r1");
}

/// Says a secret in every way that a step has, and then fails.
const TELLS: &str = "description: tells
vars: { password: '', place: '/nowhere/{{ password }}' }
no_log: [password]
steps:
  - name: log in as {{ password }}
    run: 'echo {{ password }}; echo {{ password }} >&2; exit {{ code }}'
    directory: '{{ home }}'
    env: { WORD: '{{ password }}' }
    retries: 1
  - run: 'echo {{ password | upper }}'
    run_once: true
    no_log: true
    register: loud
  - run: [echo, '{{ loud }}']
  - task: prove_release
    with: { deploy_to: '{{ place }}' }
hooks:
  after:
    failed:
      - run: ['no-such-{{ password }}']
      - { run: ['no-such-program'], no_log: true }
      - { task: prove_release, with: { deploy_to: /vault/of/ours }, no_log: true }
";

#[test]
fn a_secret_leaves_by_no_way_out() {
    let site = project(2);
    recipe(&site, "tell.yaml", TELLS);
    recipe(&site, "wrong.yaml", &TELLS.replace("deploy_to: '{{ place", "release: '/{{ password"));
    site.murder("distribute_files").expect(0);
    let home = site.path("p1").to_string_lossy().into_owned();
    let line = format!("tell password=hunter2 home={home}");
    let mut seen = Vec::new();
    for (options, code, exit) in
        [("-v", 1, 3), ("-v", 0, 3), ("-v --json", 1, 3), ("-n", 1, 0), ("-n --json", 1, 0)]
    {
        let ran = site.murder(&format!("{options} {line} code={code}")).expect(exit);
        seen.extend([ran.stdout, ran.stderr]);
    }
    for options in ["", "-n --json", "--check"] {
        let line = format!("{options} wrong{} code=0", line.trim_start_matches("tell"));
        let ran = site.murder(&line).expect(2);
        seen.extend([ran.stdout, ran.stderr]);
    }
    let odd = "description: odd\nsteps:\n  - task: prove_release\n    no_log: true\n    with:\n      \
               deploy_to: /srv/app\n      release: /vault/of/ours\n";
    recipe(&site, "odd.yaml", odd);
    for line in ["odd", "-n odd", "--check odd"] {
        let ran = site.murder(line).expect(2);
        seen.extend([ran.stdout, ran.stderr]);
    }
    let look = "description: look\nsteps:\n  - task: prove_release\n    no_log: true\n    with: { \
                deploy_to: /vault/of/ours }\n";
    recipe(&site, "look.yaml", look);
    for line in ["look", "--check look"] {
        let ran = site.murder(line).expect(3);
        seen.extend([ran.stdout, ran.stderr]);
    }
    seen.push(site.murder("tell --help").expect(0).stdout);
    let logs = fs::read_dir(site.path("state/murder/log")).unwrap().flatten();
    let logs: String = logs.map(|log| fs::read_to_string(log.path()).unwrap()).collect();
    assert!(logs.contains("p1 | ***") && logs.contains("p1 ! ***"), "{logs}");
    seen.push(logs);
    let all = seen.join("\n");
    for said in [
        "run log in as ***",
        "p[1:2] | ***",
        "tried again, 0 more times if need be: echo ***; echo ***",
        "ended with exit status 1: *** / ***",
        "\"lines\":[\"***\"]",
        "/nowhere/***",
        "could not run no-such-***",
        "a command that is not shown (no_log) could not be run",
        "password='***'",
        "with WORD=***",
        "the tag \"/***\" has",
        "a key of prove_release can't be used as it is; its value is not shown (no_log)",
    ] {
        assert!(all.contains(said), "{said} is not in:\n{all}");
    }
    for secret in ["hunter2", "HUNTER2", "no-such-program", "vault"] {
        assert!(!all.contains(secret), "{secret} is in:\n{all}");
    }
}

/// A deploy with a command before a stage that never ends.
fn stays_before(site: &Site, stage: &str) {
    let text = format!(
        "description: a deploy with a gate\ninclude: [murder:deploy]\nhooks:\n  before:\n    \
         {stage}:\n      - {{ name: the gate, run: [sleep, inf], on: p1 }}\n"
    );
    recipe(site, "deploy.yaml", &text);
}

#[test]
fn ctrl_c_before_the_word_says_that_nobody_has_switched_what_goes_on_and_how_to_go_on() {
    let site = project(2);
    stays_before(&site, "publishing");
    let inventory = site.path("inventory.yaml");
    let murder = format!("murder -i {}", inventory.display());
    let files = site.path("files");

    let ran = site.interrupted_at("deploy release=r1 files_path=FILES", "run the gate").expect(130);

    let expected = format!(
        "warning: nobody has switched: every host has what it had before
warning: what deploy started goes on without murder: the tracker, the seeder, and agents that wait \
         on 2 hosts, 8h00m from their start at most
warning: the lock of deploy stays
  give it back:         {murder} deploy:unlock
  then go on:           {murder} deploy files_path={files} release=r1
  or end what goes on:  {murder} stop_seeding tag=app-r1
                        {murder} cool
                        {murder} stop_tracker
",
        files = files.display(),
    );
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    for peer in site.peers() {
        assert!(!place(&site, peer).join("current").exists());
    }
    for line in ["deploy:unlock", "stop_seeding tag=app-r1", "cool", "stop_tracker"] {
        site.murder(line).expect(0);
    }
    assert!(!site.murder("status").expect(0).stdout.contains("running, process"));
}

#[test]
fn ctrl_c_after_the_word_says_that_all_have_switched() {
    let site = project(2);
    stays_before(&site, "finishing");

    let ran = site.interrupted_at("deploy release=r1 files_path=FILES", "run the gate").expect(130);

    assert!(ran.stderr.contains("warning: all 2 have switched to r1\n"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("go on: "), "{}", ran.stderr);
    for peer in site.peers() {
        assert_eq!(current(&site, peer), "r1");
    }
}

#[test]
fn a_deploy_that_failed_says_who_has_switched_and_leaves_nothing_running() {
    let site = project(2);
    let text = "description: a deploy with a check\ninclude: [murder:deploy]\nhooks:\n  after:\n    \
                updated:\n      - run: [\"false\"]\n        on: p2\n";
    recipe(&site, "deploy.yaml", text);

    let ran = site.murder("deploy release=r1 files_path=FILES").expect(3);

    let expected = "warning: nobody has switched: every host has what it had before\n";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    for word in ["attach", "deploy:unlock", "goes on"] {
        assert!(!ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
    assert!(!site.murder("status").expect(0).stdout.contains("running, process"));
}

#[test]
fn a_check_says_what_is_missing_and_changes_nothing() {
    let site = project(2);
    site.murder("distribute_files").expect(0);
    let before = names(&place(&site, "p1"));
    recipe(
        &site,
        "ask.yaml",
        "description: asks\nsteps:\n  - { run: [id, -un], run_once: true, register: who }\n  - run: [touch, '{{ \
         who }}']\n    when: \"{{ who != 'nobody' }}\"\n  - task: check_release\n    with: { release: '{{ \
         release }}' }\n",
    );
    let ran = site.murder("--check ask").expect(0);
    let told = "would on p1: run id -un\nwould on p[1:2]: run touch '{{ who }}', if who != \
                'nobody'\ncheck_release: 2 ok";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert!(ran.stderr.contains("\nwould on p1: makes "), "{}", ran.stderr);
    let line = "--check deploy release=r1 files_path=FILES linked_files=.env";
    let ran = site.murder(line).expect(3);
    assert!(ran.stderr.contains(".env"), "{}", ran.stderr);
    assert_eq!(names(&place(&site, "p1")), before);
}
