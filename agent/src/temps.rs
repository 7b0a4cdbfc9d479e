//! Which folders of the operator's choice (`temp_path`) have held archives of ours, so that
//! `uninstall` leaves none behind.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::home::Home;

/// Whether a folder was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is the operator's.
    Found,
    /// The agent has made it.
    Made,
}

/// Writes the folder down, once.
pub fn remember(home: &Home, folder: &Path, origin: Origin) -> io::Result<()> {
    if list(home).iter().any(|(known, _)| known == folder) {
        return Ok(());
    }
    let Some(folder) = folder.to_str().filter(|folder| !folder.contains('\n')) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let word = match origin {
        Origin::Found => FOUND,
        Origin::Made => MADE,
    };
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path(home))?;
    file.write_all(format!("{word}{folder}\n").as_bytes())
}

/// The folders that were written down.
pub fn list(home: &Home) -> Vec<(PathBuf, Origin)> {
    let text = std::fs::read_to_string(path(home)).unwrap_or_default();
    let parse = |line: &str| match (line.strip_prefix(FOUND), line.strip_prefix(MADE)) {
        (Some(folder), _) => Some((PathBuf::from(folder), Origin::Found)),
        (_, Some(folder)) => Some((PathBuf::from(folder), Origin::Made)),
        _ => None,
    };
    text.lines().filter_map(parse).collect()
}

fn path(home: &Home) -> PathBuf {
    home.run().join("temp-folders")
}

const FOUND: &str = "found ";
const MADE: &str = "made ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_remembered_once_with_its_origin() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(&dir.path().join("murder")).unwrap();
        let [made, found] = ["a b", "there"].map(|name| dir.path().join(name));
        std::fs::create_dir(&found).unwrap();
        for folder in [&made, &found, &made] {
            assert_eq!(&home.temp(folder.to_str()).unwrap(), folder);
        }
        assert_eq!(list(&home), [(made, Origin::Made), (found, Origin::Found)]);
    }
}
