//! Reads recipes, puts them in order and renders them. Nothing here connects anywhere.

#[path = "../common/chain.rs"]
mod chain;
mod mistakes;
mod order;
mod shipped;
mod variables;

use std::fs;
use std::sync::Arc;

use chain::chain;
use murder::recipe::{
    Act, Body, Book, Command, Given, RecipeError, Scope, Script, Template, Values, text_of,
};
use serde_json::json;

fn book() -> Book {
    Book::new(murder::cli::TASKS.iter().map(|task| task.name.as_str()).collect())
}

/// A project: files by their paths.
fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Book) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut book = book();
    book.add_folder(&folder.path().join("recipes")).unwrap();
    (folder, book)
}

fn given(values: serde_json::Value) -> Given {
    let values: Values = serde_json::from_value(values).unwrap();
    Given {
        layers: vec![Arc::new(values)],
        environment: Arc::new(|name| (name == "TOKEN").then(|| "t0ken".to_owned())),
    }
}

/// What murder itself gives, and an inventory.
fn ours() -> serde_json::Value {
    json!({
        "host": "web1", "release": "20261125103000", "tag": "20261125103000", "flags": [],
        "stage": "updating", "user": "ada", "started": [], "application": "shop",
        "repository": "https://example.org/shop.git",
        // What a step of deploy-git asks git.
        "commit_time": "1764066600",
    })
}

/// Renders each step whose conditions hold, but for what needs an output that is yet to come.
fn check(script: &Script, given: &Given) -> Result<(), RecipeError> {
    let mut later = Vec::new();
    for action in script.actions() {
        let unknown = |template: &Template, scope: &Scope| {
            scope.reads(template).iter().any(|name| later.contains(name))
        };
        let mut done = true;
        for guard in &action.guards {
            let scope = script.scope(guard.frame, given);
            done = done && (unknown(&guard.when, &scope) || guard.when.holds(&scope)?);
        }
        let scope = script.scope(action.frame, given);
        for template in action.step.templates().into_iter().filter(|_| done) {
            if !unknown(template, &scope) {
                template.value(&scope)?;
            }
        }
        if let Body::Run(run) = &action.step.body {
            later.extend(run.register.clone());
        }
    }
    Ok(())
}

/// A recipe of a project in order, and the same rendered.
fn expand(files: &[(&str, &str)], name: &str) -> (Script, Vec<String>) {
    let (_folder, book) = project(files);
    let script = Script::expand(&book, name).unwrap_or_else(|error| panic!("{}", chain(&error)));
    let lines = lines(&script, &given(ours()));
    (script, lines)
}

/// A script, line by line.
fn lines(script: &Script, given: &Given) -> Vec<String> {
    script.acts.iter().map(|act| line(script, act, given)).collect()
}

/// What a script does on failure.
fn failed(script: &Script, given: &Given) -> Vec<String> {
    script.failed.iter().map(|act| line(script, act, given)).collect()
}

fn line(script: &Script, act: &Act, given: &Given) -> String {
    let action = match act {
        Act::Enter(stage) => return format!("[{stage}"),
        Act::Leave(stage) => return format!("{stage}]"),
        Act::Do(action) => action,
    };
    let scope = script.scope(action.frame, given);
    match &action.step.body {
        Body::Task { name, with } => {
            let keys = with.iter().map(|with| {
                format!(" {}={}", with.key, text_of(&with.value.value(&scope).unwrap()))
            });
            format!("{name}{}", keys.collect::<String>())
        }
        Body::Run(run) => match &run.command {
            Command::Argv(words) => {
                let words = words.iter().map(|word| word.text(&scope).unwrap());
                words.collect::<Vec<_>>().join(" ")
            }
            Command::Shell(text) => format!("sh: {}", text.text(&scope).unwrap()),
        },
        Body::Switch(_) => "switch".to_owned(),
        Body::Stage { .. } => panic!("a stage is no act"),
    }
}
