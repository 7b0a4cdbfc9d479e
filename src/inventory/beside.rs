//! What Ansible reads beside an inventory and we don't, so that nobody waits for it in vain.

use std::path::Path;

/// A sentence for each folder of variables beside the inventory.
pub(super) fn unread(inventory: &Path) -> Vec<String> {
    let folders = FOLDERS.iter().map(|name| inventory.with_file_name(name));
    folders
        .filter(|folder| folder.is_dir())
        .map(|folder| {
            format!(
                "the variables in {} are not read, only those in {}",
                folder.display(),
                inventory.display()
            )
        })
        .collect()
}

/// Ansible's folders of variables, by group and by host.
const FOLDERS: [&str; 2] = ["group_vars", "host_vars"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_of_variables_is_named_as_it_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("i.yaml");
        assert!(unread(&file).is_empty());
        std::fs::create_dir(folder.path().join("host_vars")).unwrap();
        std::fs::write(folder.path().join("group_vars"), "no folder").unwrap();
        let at = folder.path().display();
        let said =
            format!("the variables in {at}/host_vars are not read, only those in {at}/i.yaml");
        assert_eq!(unread(&file), [said]);
    }
}
