//! What is done when: stages, hooks, calls, and the files that a recipe is made of.

use murder::recipe::Stage;

use super::*;

#[test]
fn hooks_run_in_order_at_every_stage() {
    let mut text = "description: x\ninclude: [murder:deploy]\nhooks:\n".to_owned();
    let stages = Stage::ALL.map(Stage::as_str);
    for when in ["before", "after"] {
        text += &format!("  {when}:\n");
        for stage in stages {
            text += &format!("    {stage}: [{{ run: [{when}, {stage}] }}]\n");
        }
    }
    let (script, lines) = expand(&[("recipes/deploy.yaml", &text)], "deploy");
    let ours = |line: &&String| line.starts_with("before") || line.starts_with("after");
    let heard: Vec<_> = lines.iter().filter(ours).map(String::as_str).collect();
    let elsewhere = ["reverting", "reverted", "failed"];
    let expected: Vec<_> = stages
        .iter()
        .filter(|stage| !elsewhere.contains(stage))
        .flat_map(|stage| [format!("before {stage}"), format!("after {stage}")])
        .collect();
    assert_eq!(heard, expected);
    let at = |line: &str| lines.iter().position(|other| other == line).unwrap();
    assert!(at("before publishing") < at("[publishing") && at("[publishing") < at("switch"));
    assert!(at("publishing]") < at("after publishing"));
    let failed = failed(&script, &given(super::ours()));
    assert_eq!(failed.first().unwrap(), "before failed");
    assert_eq!(failed.last().unwrap(), "after failed");
}

#[test]
fn hooks_of_a_task_are_around_it_and_not_around_themselves() {
    let text = "
description: x
steps: [{ task: warm }, { task: cool }]
hooks:
  before: { warm: [{ run: [one] }, { task: warm }] }
  after: { warm: [{ run: [two] }], cool: [{ run: [three] }], x: [{ run: [four] }] }
";
    let (_, lines) = expand(&[("recipes/x.yaml", text)], "x");
    assert_eq!(lines, ["one", "warm", "two", "warm", "two", "cool", "three", "four"]);
}

#[test]
fn hooks_of_a_caller_stand_outside_of_those_of_what_it_calls() {
    let hooks = |who: &str| {
        format!(
            "hooks:\n  before: {{ warm: [{{ run: [{who}] }}] }}\n  after: {{ warm: [{{ run: [{who}] \
             }}] }}\n"
        )
    };
    let outer = "description: x\nsteps: [{ task: inner }, { task: warm }]\n".to_owned();
    let inner = "description: x\nsteps: [{ task: warm }]\n".to_owned();
    let files = [
        ("recipes/outer.yaml", &*(outer + &hooks("outer"))),
        ("recipes/inner.yaml", &*(inner + &hooks("inner"))),
    ];
    let (_, lines) = expand(&files, "outer");
    assert_eq!(lines, ["outer", "inner", "warm", "inner", "outer", "outer", "warm", "outer"]);
}

#[test]
fn conditions_and_silence_go_down_to_every_step_of_a_call() {
    let outer = "
description: x
steps: [{ task: inner, when: \"{{ 'a' in flags }}\", no_log: true }, { run: [two] }]
";
    let inner = "
description: x
steps: [{ stage: updating, when: false, steps: [{ run: [one], when: true }] }]
";
    let files = [("recipes/outer.yaml", outer), ("recipes/inner.yaml", inner)];
    let (script, _) = expand(&files, "outer");
    let seen: Vec<_> = script
        .actions()
        .map(|action| {
            let guards = action.guards.iter().map(|guard| guard.when.source()).collect::<Vec<_>>();
            (guards, action.no_log, action.stage)
        })
        .collect();
    let first = vec!["{{ 'a' in flags }}", "false", "true"];
    assert_eq!(seen, [(first, true, Some(Stage::Updating)), (vec![], false, None)]);
}

#[test]
fn recipes_that_call_each_other_are_refused() {
    let b = "description: x\nhooks: { before: { warm: [{ task: a }] } }\nsteps: [{ task: warm }]\n";
    let files =
        [("recipes/a.yaml", "description: x\nsteps: [{ task: b }]\n"), ("recipes/b.yaml", b)];
    let (folder, book) = project(&files);
    let said = chain(&Script::expand(&book, "a").unwrap_err());
    let file = folder.path().join("recipes/b.yaml");
    assert_eq!(said, format!("{}:2:27: the tasks a > b > a call each other", file.display()));
}

#[test]
fn a_project_overrides_a_shipped_recipe_by_its_name_and_adds_others() {
    let files = [
        ("recipes/deploy/check.yaml", "description: ours\nsteps: []\n"),
        ("recipes/db/migrate.yaml", "description: new\nsteps: []\n"),
        ("recipes/_parts.yaml", "steps: []\n"),
        ("recipes/README.md", "no recipe"),
        ("recipes/broken.yaml", "descripton: x\n"),
    ];
    let (folder, mut book) = project(&files);
    let told = |name: &str, book: &Book| {
        let listed = book.list().into_iter().find(|listed| listed.name == name);
        listed.map(|listed| listed.description.map_err(|error| error.to_string()))
    };
    assert_eq!(told("deploy:check", &book).unwrap().unwrap(), "ours");
    assert_eq!(told("db:migrate", &book).unwrap().unwrap(), "new");
    assert!(told("broken", &book).unwrap().unwrap_err().contains("did you mean description?"));
    assert!(told("_parts", &book).is_none());
    assert_eq!(
        chain(&book.recipe("deploy:chek").unwrap_err()),
        "there is no recipe \"deploy:chek\" (did you mean deploy:check?)"
    );

    let file = folder.path().join("extra.yaml");
    fs::write(&file, "task: db:seed\ndescription: named\nsteps: []\n").unwrap();
    assert_eq!(book.add_file(&file).unwrap(), "db:seed");
    assert_eq!(told("db:seed", &book).unwrap().unwrap(), "named");
}

#[test]
fn a_file_that_can_be_no_task_is_refused_by_its_name() {
    let refused = [
        ("recipes/Deploy.yaml", "can't be a task"),
        ("recipes/warm.yaml", "can't be the task warm, which is built in"),
        ("recipes/a.yml", "ends in .yaml"),
    ];
    for (path, why) in refused {
        let (folder, _) = project(&[]);
        fs::create_dir(folder.path().join("recipes")).unwrap();
        fs::write(folder.path().join(path), "description: x\n").unwrap();
        let said = chain(&book().add_folder(&folder.path().join("recipes")).unwrap_err());
        assert!(said.contains(why) && said.contains(path), "{said}");
    }
}

#[test]
fn what_a_file_includes_comes_first_and_once() {
    let x = "
description: x
include: [_a.yaml, sub/_b.yaml]
vars: { v: x }
steps: [{ run: [x, \"{{ v }}\"] }]
";
    let a = "vars: { v: a, w: a }\nsteps: [{ run: [a, \"{{ w }}\"] }]\n";
    let b = "include: [../_a.yaml]\nvars: { w: b }\nsteps: [{ run: [b, \"{{ v }}\"] }]\n";
    let files = [("recipes/x.yaml", x), ("recipes/_a.yaml", a), ("recipes/sub/_b.yaml", b)];
    let (_, lines) = expand(&files, "x");
    assert_eq!(lines, ["a b", "b x", "x x"]);
}
