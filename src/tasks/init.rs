//! `init`: the files that a project starts from.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use crate::recipe::init::FILES;
use crate::report::Refusal;

/// Writes them below a folder, and says what became of each. What is there stays as it is.
///
/// # Errors
///
/// A file can't be written.
pub fn init(folder: &Path) -> Result<String, Refusal> {
    let mut text = String::new();
    for (name, content) in FILES {
        let word = match write_new(&folder.join(name), content) {
            Ok(()) => "wrote ",
            Err(error) if error.kind() == ErrorKind::AlreadyExists => "kept  ",
            Err(error) => {
                let message = format!("can't write {name}: {error}");
                return Err(Refusal { message, hint: None });
            }
        };
        text.push_str(&format!("{word} {name}\n"));
    }
    text.push_str(NEXT);
    Ok(text)
}

fn write_new(path: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content.as_bytes())
}

const NEXT: &str = "
Put your hosts and what is deployed to them into inventory.yaml. Then:
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
        let text = init(folder.path()).unwrap();
        assert!(text.starts_with("kept   inventory.yaml\nwrote  recipes/deploy.yaml\n"), "{text}");
        let kept = std::fs::read_to_string(folder.path().join("inventory.yaml")).unwrap();
        assert_eq!(kept, "mine\n");
        assert!(init(folder.path()).unwrap().contains("kept   recipes/deploy.yaml\n"));
    }
}
