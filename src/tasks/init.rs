//! `init`: the files that a project starts from.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use crate::recipe::init::FILES;
use crate::report::Refusal;

/// Writes the inventory, and the recipes beside it, and says what became of each. What is there
/// stays as it is; a dry run only says it.
///
/// # Errors
///
/// A file can't be written.
pub fn init(inventory: &Path, dry_run: bool) -> Result<String, Refusal> {
    let mut text = String::new();
    for (name, content) in FILES {
        let path = match name {
            INVENTORY => inventory.to_owned(),
            other => inventory.with_file_name(other),
        };
        let word = match (dry_run, path.exists()) {
            (true, true) => "keep  ",
            (true, false) => "write ",
            (false, _) => match write_new(&path, content) {
                Ok(()) => "wrote ",
                Err(error) if error.kind() == ErrorKind::AlreadyExists => "kept  ",
                Err(error) => {
                    let message = format!("can't write {}: {error}", path.display());
                    return Err(Refusal { message, hint: None });
                }
            },
        };
        text.push_str(&format!("{word} {}\n", path.display()));
    }
    if !dry_run {
        text.push_str(NEXT);
    }
    Ok(text)
}

fn write_new(path: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content.as_bytes())
}

/// The one of the files that has a name of its own with -i.
const INVENTORY: &str = "inventory.yaml";

const NEXT: &str = "
Put your hosts and what is deployed to them into the inventory. Then:
  murder doctor                   can every host be reached?
  murder --dry-run deploy         what would be done
  murder deploy from=./build      release a tree of this machine
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_there_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("inventory.yaml"), "mine\n").unwrap();
        let inventory = folder.path().join("inventory.yaml");
        let recipe = folder.path().join("recipes/deploy.yaml");
        let text = init(&inventory, true).unwrap();
        let (first, second) = (inventory.display(), recipe.display());
        assert_eq!(text, format!("keep   {first}\nwrite  {second}\n"));
        assert!(!recipe.exists());
        let text = init(&inventory, false).unwrap();
        assert!(text.starts_with(&format!("kept   {first}\nwrote  {second}\n")), "{text}");
        assert_eq!(std::fs::read_to_string(&inventory).unwrap(), "mine\n");
        assert!(init(&inventory, false).unwrap().contains(&format!("kept   {second}\n")));
    }
}
