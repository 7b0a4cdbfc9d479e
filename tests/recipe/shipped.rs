//! The recipes that murder comes with, those that it gives a new project, and those of its page.

use std::path::Path;

use murder::inventory::Inventory;
use murder::recipe::{FrameId, Location, RESERVED, init};

use super::*;

#[test]
fn every_shipped_recipe_can_be_expanded_and_rendered() {
    let book = book();
    let given = given(ours());
    let names: Vec<_> = book.names().collect();
    let expected = [
        "deploy",
        "deploy-git",
        "deploy:check",
        "deploy:cleanup",
        "deploy:rollback",
        "deploy:unlock",
    ];
    assert_eq!(names, expected);
    for name in names {
        let script = Script::expand(&book, name).unwrap_or_else(|error| panic!("{error}"));
        check(&script, &given).unwrap_or_else(|error| panic!("{error}"));
        let of = |lines: Vec<String>, task: &str| {
            lines.iter().any(|line| line.split(' ').next() == Some(task))
        };
        let locks = of(lines(&script, &given), "lock_deploys");
        assert_eq!(of(failed(&script, &given), "unlock_deploys"), locks, "{name}");
    }
}

#[test]
fn every_shipped_recipe_is_opened_by_a_comment_and_listed_with_its_description() {
    for listed in book().list() {
        let Location::Shipped(path) = &listed.location else { panic!("{listed:?}") };
        let text = fs::read_to_string(Path::new("recipes").join(path)).unwrap();
        assert!(text.starts_with("# "), "{path}");
        let description = listed.description.unwrap();
        assert!(description.len() <= 59, "{path}: a line of the listing is narrower");
    }
}

#[test]
fn a_deploy_has_the_swarm_between_its_lock_and_its_switch() {
    let script = Script::expand(&book(), "deploy").unwrap();
    let given = given(ours());
    let lines = lines(&script, &given);
    let words: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let expected = "\
        distribute_files [starting lock_deploys start_tracker warm prepare_release starting] \
        [started started] \
        [updating create_torrent start_seeding peer stage_release updating] [updated updated] \
        [publishing switch publishing] [published published] \
        [finishing clean_releases stop_seeding clean_temp_files cool stop_tracker unlock_deploys \
        finishing] [finished finished]";
    assert_eq!(words.join(" "), expected);
    let peer = "peer tag=20261125103000 destination_path=/srv/shop/releases/20261125103000 \
                no_tag_directory=true as_release=true";
    assert!(lines.iter().any(|line| line == peer), "{lines:?}");
    let last = failed(&script, &given).pop().unwrap();
    assert_eq!(last, "unlock_deploys deploy_to=/srv/shop");
}

#[test]
fn a_git_revision_is_exported_as_the_commit_that_it_names() {
    let home = tempfile::tempdir().unwrap();
    let run = |words: &[String]| {
        let mut command = std::process::Command::new(&words[0]);
        let output = command.args(&words[1..]).current_dir(home.path()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    let git = |line: &str| {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-C", "origin"];
        let words = ["git"].into_iter().chain(who).chain(line.split(' '));
        run(&words.map(str::to_owned).collect::<Vec<_>>())
    };
    let commit = |content: &str| {
        fs::write(home.path().join("origin/file"), content).unwrap();
        git("add file");
        git("commit --quiet -m change");
        git("rev-parse HEAD")
    };
    fs::create_dir(home.path().join("origin")).unwrap();
    git("init --quiet");
    let first = commit("one");
    git("tag v1");
    let second = commit("two");

    let script = Script::expand(&book(), "deploy-git").unwrap();
    let asked = [("v1", &first, "one"), ("HEAD", &second, "two"), (&first[..12], &first, "one")];
    for (revision, commit, content) in asked {
        let mut values = ours();
        values["repository"] = json!(home.path().join("origin"));
        values["revision"] = json!(revision);
        let tree = home.path().join("murder-git/shop/20261125103000");
        for action in script.actions() {
            let Body::Run(step) = &action.step.body else { continue };
            let Command::Argv(words) = &step.command else { panic!("{step:?}") };
            assert_eq!(step.on.as_ref().unwrap().literal(), Some("seeder"));
            let scope = script.scope(action.frame, &given(values.clone()));
            let words: Vec<_> = words.iter().map(|word| word.text(&scope).unwrap()).collect();
            if words[0] == "rm" {
                assert_eq!(fs::read_to_string(tree.join("file")).unwrap(), content);
                run(&words);
                break;
            }
            let output = run(&words);
            if let Some(name) = &step.register {
                values[name] = json!(output);
            }
        }
        assert!(!tree.exists());
        let named = script.scope(FrameId::ROOT, &given(values)).value("commit").unwrap();
        assert_eq!(named, Some(json!(commit)), "{revision}");
    }
}

#[test]
fn every_example_of_the_page_on_recipes_is_one() {
    let page = fs::read_to_string("recipes/README.md").unwrap();
    let examples = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let examples: Vec<_> = examples.collect();
    assert!(examples.len() >= 4, "{} examples", examples.len());
    for example in examples {
        assert!(example.starts_with("# "), "{example}");
        let (_folder, book) = project(&[("recipes/x.yaml", example)]);
        let wrong = |error| -> Script { panic!("{}\n{example}", chain(&error)) };
        let script = Script::expand(&book, "x").unwrap_or_else(wrong);
        let mut values = ours();
        values["deploy_to"] = json!("/srv/shop");
        values["flags"] = json!(["restart", "warm"]);
        // What a step gives.
        values["first_id"] = json!("4711");
        check(&script, &given(values)).unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
    for name in RESERVED {
        let entry = if name == "env" { "`env(".to_owned() } else { format!("`{name}`") };
        assert!(page.contains(&entry), "{name}");
    }
}

#[test]
fn a_new_project_can_do_everything_as_it_is() {
    let (folder, book) = project(&init::FILES);
    let text = fs::read(folder.path().join("inventory.yaml")).unwrap();
    let inventory = Inventory::parse(&text, "inventory.yaml", &[]).unwrap();
    assert_eq!(inventory.peers().len(), 2);
    assert_eq!(inventory.tracker().name, "web1.example.org");

    let host = inventory.peers()[1];
    let vars: Values =
        host.vars.iter().map(|(name, var)| (name.to_owned(), var.json.clone())).collect();
    let mut ours = ours();
    ours.as_object_mut().unwrap().remove("application");
    let mut given = given(ours);
    given.layers.push(Arc::new(vars));
    for name in book.names() {
        let script = Script::expand(&book, name).unwrap_or_else(|error| panic!("{error}"));
        check(&script, &given).unwrap_or_else(|error| panic!("{error}"));
    }
    let deploy = lines(&Script::expand(&book, "deploy").unwrap(), &given);
    assert!(deploy.contains(&"ls /srv/app/releases/20261125103000".to_owned()), "{deploy:?}");
    let check = lines(&Script::expand(&book, "deploy:check").unwrap(), &given);
    assert!(check[0].ends_with("linked_files= linked_dirs=log"), "{check:?}");
}
