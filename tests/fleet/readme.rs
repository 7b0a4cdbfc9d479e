//! What the README shows, run as it stands there.

use std::fs;

use crate::net::BIN;
use crate::{fleet_of, tree};

#[test]
fn the_commands_of_the_readme_work_as_they_are_shown() {
    let Some(fleet) = fleet_of(8) else { return };
    let readme = fs::read_to_string("README.md").unwrap();
    let inventory = blocks(&readme, "yaml").remove(0);
    fs::write(fleet.laptop().path("/root/inventory.yaml"), inventory).unwrap();
    let files = fleet.host(1).path("/root/files");
    fs::create_dir(&files).unwrap();
    tree::make(&files);

    let commands = blocks(&readme, "sh");
    let lines: Vec<_> = commands
        .iter()
        .flat_map(|block| block.lines())
        .filter(|l| l.starts_with("murder "))
        .collect();
    assert_eq!(lines.len(), 12, "{lines:?}");
    for line in lines {
        fleet.laptop().sh(&format!("PATH={BIN}:$PATH; {line}"));
    }

    for host in fleet.hosts() {
        for tag in ["Deploy20100101", "Deploy20100102"] {
            tree::assert_same(&files, &host.path(&format!("/tmp/out/{tag}")));
        }
        // The second release was rolled back from.
        let current = fs::read_link(host.path("/srv/app/current")).unwrap();
        let mut releases: Vec<_> = fs::read_dir(host.path("/srv/app/releases"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        releases.sort();
        assert_eq!(releases.len(), 2, "{releases:?}");
        assert_eq!(current, std::path::Path::new("releases").join(&releases[0]));
    }
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    text.split(&open)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}
