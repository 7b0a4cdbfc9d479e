//! Recipes that are wrong: each of tests/recipe/bad/ has its message beside it.
//!
//! With MURDER_BLESS=1 in the environment the messages are written anew; read the difference then.

use std::path::{Path, PathBuf};

use murder::recipe::{Location, Recipe, Secrets};

use super::*;

/// Reads, expands and renders the recipe of a file; what is wrong with it.
fn mistake(file: &Path) -> String {
    let found = || {
        let mut book = book();
        let name = book.add_file(file)?;
        let script = Script::expand(&book, &name)?;
        let given = given(ours());
        script.hide([&given], &Secrets::default())?;
        check(&script, &given)
    };
    found().map_or_else(|error: RecipeError| chain(&error), |()| "no error".to_owned())
}

#[test]
fn a_bad_recipe_is_told_what_is_wrong_and_where() {
    let paths = fs::read_dir("tests/recipe/bad").unwrap().map(|entry| entry.unwrap().path());
    let mut messages: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|found| found == "message")).collect();
    messages.sort();
    assert!(messages.len() > 90, "{} bad recipes", messages.len());
    let mut wrong = String::new();
    for message in messages {
        let said = mistake(&message.with_extension("")) + "\n";
        if std::env::var_os("MURDER_BLESS").is_some() {
            fs::write(&message, &said).unwrap();
        } else if said != fs::read_to_string(&message).unwrap() {
            wrong += &format!("{}:\n{said}", message.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_recipe_that_is_too_much_is_refused() {
    let long = vec![b' '; (1 << 20) + 1];
    let said = Recipe::parse(&long, "r").unwrap_err().to_string();
    assert_eq!(said, "r:1:1: larger than 1 MiB, so hardly a recipe");

    let calls = |name: String, steps: &str| (name, format!("description: x\nsteps: {steps}\n"));
    let next = |number: u32| format!("[{{ task: r{number} }}, {{ task: r{number} }}]");
    let mut files = vec![calls("recipes/r20.yaml".to_owned(), "[]")];
    files.extend((0..20).map(|n| calls(format!("recipes/r{n}.yaml"), &next(n + 1))));
    let files: Vec<_> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    let (_folder, book) = project(&files);
    let said = chain(&Script::expand(&book, "r0").unwrap_err());
    assert!(said.contains("more than 10000 steps"), "{said}");

    let include = |number: u32| format!("description: x\ninclude: [r{}.yaml]\n", number + 1);
    let files: Vec<_> = (0..50).map(|n| (format!("recipes/r{n}.yaml"), include(n))).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    let (_folder, book) = project(&files);
    let said = chain(&book.recipe("r0").unwrap_err());
    assert!(said.contains("32 files already include each other"), "{said}");
}

#[test]
fn no_part_of_a_recipe_makes_the_reader_panic() {
    let read = |bytes: &[u8]| {
        if let Err(error) = Recipe::parse(bytes, "r") {
            assert!(error.to_string().starts_with("r:"), "{error}");
        }
    };
    for listed in book().list() {
        let Location::Shipped(path) = &listed.location else { panic!("{listed:?}") };
        let text = fs::read(Path::new("recipes").join(path)).unwrap();
        for end in (0..text.len()).step_by(7) {
            read(&text[..end]);
        }
        // Nor does one in which a byte is another.
        let bytes = b"{}[]:-\n#\"'%&*|> \t\xff".iter().cycle();
        for (at, byte) in (0..text.len()).step_by(11).zip(bytes) {
            let mut odd = text.clone();
            odd[at] = *byte;
            read(&odd);
        }
    }
}
