//! `inventory`: what was resolved, and where each variable comes from.

use serde_json::{Value, json};

use super::context::Cast;
use crate::inventory::{Address, Host, Inventory, Key, Origin};
use crate::report::Data;

/// The hosts of this run, their roles, addresses and variables.
pub(super) fn data(inventory: &Inventory, cast: &Cast) -> Data {
    let mut text = String::new();
    let mut json = Vec::new();
    for host in &inventory.hosts {
        let roles = roles(cast, &host.name);
        let variables = variables(host);
        let shown = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
        text.push_str(&format!("{}: {shown}; {}\n", host.name, address(&host.address)));
        for (name, value, origin) in &variables {
            text.push_str(&format!("    {name}: {}    # {origin}\n", plain(value)));
        }
        let variables: serde_json::Map<_, _> = variables
            .into_iter()
            .map(|(name, value, origin)| (name, json!({ "value": value, "origin": origin })))
            .collect();
        json.push(json!({
            "event": "inventory",
            "host": host.name,
            "roles": roles,
            "address": address(&host.address),
            "place": host.place.to_string(),
            "variables": variables,
        }));
    }
    Data { text, json }
}

fn roles(cast: &Cast, name: &str) -> Vec<&'static str> {
    let mut roles = Vec::new();
    if cast.tracker.name == name {
        roles.push("tracker");
    }
    if cast.seeder.name == name {
        roles.push("seeder");
    }
    if cast.peers.iter().any(|host| host.name == name) {
        roles.push("peer");
    }
    roles
}

fn address(address: &Address) -> String {
    match address {
        Address::Local => "this machine".to_owned(),
        Address::Ssh { destination, port, user, .. } => {
            let user = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
            let port = port.map(|port| format!(" port {port}")).unwrap_or_default();
            format!("ssh {user}{destination}{port}")
        }
    }
}

/// The variables that somebody gave, and those of ours that have a default.
fn variables(host: &Host) -> Vec<(String, Value, String)> {
    let mut all: Vec<_> = host
        .vars
        .iter()
        .map(|(name, var)| (name.to_owned(), var.json.clone(), var.origin.to_string()))
        .collect();
    for key in Key::ALL {
        if let (None, Some(default)) = (host.vars.get(key.name()), key.default()) {
            let origin = Origin::Default.to_string();
            all.push((key.name().to_owned(), Value::from(default), origin));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Task;

    #[test]
    fn each_variable_says_where_it_comes_from() {
        let yaml = b"all:\n  vars:\n    tracker_port: 9000\n  hosts:\n    web1:\n      \
                     ansible_user: deploy\n";
        let inventory = Inventory::parse(yaml, "i.yaml", &[]).unwrap();
        let data = data(&inventory, &Cast::of(&inventory, None, &Task::Inventory).unwrap());
        let lines: Vec<_> = data.text.lines().collect();
        assert_eq!(lines[0], "web1: tracker, seeder, peer; ssh deploy@web1");
        assert!(lines.contains(&"    ansible_user: deploy    # i.yaml:6:7"), "{lines:?}");
        assert!(lines.contains(&"    remote_murder_path: ~/.murder    # default"));
        assert!(lines.iter().any(|l| l.starts_with("    tracker_port: 9000    # i.yaml:3:")));
        assert_eq!(data.json[0]["variables"]["ansible_user"]["value"], "deploy");
    }
}
