//! Keys of a task in which hosts may differ: one task for all of them, and not one for each value.

use std::sync::Arc;

use crate::cli::keys;
use crate::inventory::Host;

/// The keys of a task, as they come to on a host.
pub(super) type Keys = Vec<(String, String)>;

/// The hosts that are asked for the same.
pub(super) type Group = (Keys, Vec<Arc<Host>>);

/// Hosts by the keys of a task. Where they differ in a key that each may have for itself, its value
/// becomes the host's own variable.
pub(super) fn groups(wanted: Vec<(Arc<Host>, Keys)>) -> Vec<Group> {
    let value = |keys: &Keys, name: &str| {
        keys.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    };
    let differ = |(name, _): &(&str, &str)| {
        let mut values = wanted.iter().map(|(_, keys)| value(keys, name));
        let first = values.next();
        values.any(|other| Some(other) != first)
    };
    let differ: Vec<(&str, &str)> = OWN.into_iter().filter(differ).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (host, keys) in wanted {
        let (host, keys) = match differ.is_empty() {
            true => (host, keys),
            false => give(&host, keys, &differ),
        };
        match groups.iter_mut().find(|(known, _)| *known == keys) {
            Some((_, hosts)) => hosts.push(host),
            None => groups.push((keys, vec![host])),
        }
    }
    groups
}

fn give(host: &Host, keys: Keys, differ: &[(&str, &str)]) -> (Arc<Host>, Keys) {
    let mut host = host.clone();
    let mut rest = Vec::new();
    for (key, value) in keys {
        match differ.iter().find(|(name, _)| *name == key) {
            Some((_, variable)) => host = host.with(variable, value.into()),
            None => rest.push((key, value)),
        }
    }
    (Arc::new(host), rest)
}

/// What a task is given in place of a key that its hosts have for themselves.
pub(super) fn variable(hosts: &[Arc<Host>], name: &str) -> Option<String> {
    match name {
        "default_destination_path" => {
            hosts.iter().find_map(|host| host.default_destination_path()).map(str::to_owned)
        }
        _ => None,
    }
}

/// The keys that hosts may differ in, and the variable of a host that stands for each.
const OWN: [(&str, &str); 2] = [
    (keys::DESTINATION_PATH.name, "default_destination_path"),
    (keys::DEPLOY_TO.name, "deploy_to"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;

    fn wanted(places: &[(&str, &str)]) -> Vec<(Arc<Host>, Keys)> {
        let host = |name: &str| {
            let inventory = Inventory::parse(format!("{name}\n").as_bytes(), "hosts", &[]).unwrap();
            Arc::new(inventory.hosts[0].clone())
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let keys = |place: &str| vec![pair("tag", "r1"), pair("destination_path", place)];
        places.iter().map(|(name, place)| (host(name), keys(place))).collect()
    }

    #[test]
    fn hosts_with_paths_of_their_own_are_still_one_task() {
        let groups = groups(wanted(&[("a", "/x"), ("b", "/y"), ("c", "/x")]));
        let [(keys, hosts)] = groups.as_slice() else { panic!("{groups:?}") };
        assert_eq!(*keys, [("tag".to_owned(), "r1".to_owned())]);
        let paths: Vec<_> = hosts.iter().map(|host| host.default_destination_path()).collect();
        assert_eq!(paths, [Some("/x"), Some("/y"), Some("/x")]);
    }

    #[test]
    fn what_is_the_same_for_all_stays_a_key() {
        let hosts = wanted(&[("a", "/x"), ("b", "/x")]);
        let groups = groups(hosts.clone());
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].0, hosts[0].1);
    }
}
