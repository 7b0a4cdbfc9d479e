//! What `murder inventory` prints: who the hosts are, what they do, and which line of which file
//! says so. As many lines for 4,000 hosts as for 40, because equal things are folded.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;

use serde::Serialize;
use serde_json::Value;

use super::fold::fold;
use super::host::{Address, Host};
use super::key::Key;
use super::vars::Var;
use super::{GroupInfo, Inventory};

/// For a person. `hosts` are the indices of those that are shown.
pub fn text(inventory: &Inventory, hosts: &BTreeSet<usize>) -> String {
    let count = plural(hosts.len());
    let head = match hosts.len() == inventory.hosts.len() {
        true => format!("{}: {count}\n", inventory.file),
        false => format!("{}: {count} of {}\n", inventory.file, inventory.hosts.len()),
    };
    let tables = [
        roles(inventory),
        groups(inventory, hosts),
        addresses(inventory, hosts),
        variables(inventory, hosts),
    ];
    tables.iter().fold(head, |text, rows| text + "\n" + &table(rows))
}

/// The same for a program, in one line and in full.
pub fn json(inventory: &Inventory, hosts: &BTreeSet<usize>) -> String {
    let name = |id: usize| inventory.hosts[id].name.as_str();
    let roles = &inventory.roles;
    let mut groups_of: HashMap<usize, Vec<&str>> = HashMap::new();
    for (group, info) in &inventory.groups {
        for member in &info.members {
            groups_of.entry(*member).or_default().push(group);
        }
    }
    let peers: BTreeSet<usize> = roles.peers.iter().copied().collect();
    let host = |&id: &usize| {
        let host = &inventory.hosts[id];
        let is = [
            ("tracker", roles.tracker == id),
            ("seeder", roles.seeder == id),
            ("peer", peers.contains(&id)),
        ];
        HostJson {
            address: AddressJson::of(&host.address),
            groups: groups_of.remove(&id),
            name: &host.name,
            roles: is.into_iter().filter(|(_, is)| *is).map(|(role, _)| role).collect(),
            vars: vars_json(host),
        }
    };
    let all = InventoryJson {
        event: "inventory",
        hosts: hosts.iter().map(host).collect(),
        inventory: &inventory.file,
        peers: roles.peers.iter().copied().map(name).collect(),
        seeder: name(roles.seeder),
        tracker: name(roles.tracker),
    };
    serde_json::to_string(&all).expect("every variable has a JSON form")
}

#[derive(Serialize)]
struct InventoryJson<'a> {
    event: &'static str,
    hosts: Vec<HostJson<'a>>,
    inventory: &'a str,
    peers: Vec<&'a str>,
    seeder: &'a str,
    tracker: &'a str,
}

#[derive(Serialize)]
struct HostJson<'a> {
    address: AddressJson<'a>,
    groups: Option<Vec<&'a str>>,
    name: &'a str,
    roles: Vec<&'static str>,
    vars: BTreeMap<&'a str, VarJson<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "connection", rename_all = "snake_case")]
enum AddressJson<'a> {
    Local,
    Ssh { host: &'a str, key_file: Option<Cow<'a, str>>, port: Option<u16>, user: Option<&'a str> },
}

#[derive(Serialize)]
struct VarJson<'a> {
    from: String,
    value: Cow<'a, Value>,
}

impl<'a> AddressJson<'a> {
    fn of(address: &'a Address) -> Self {
        match address {
            Address::Local => Self::Local,
            Address::Ssh { destination, port, user, key_file } => Self::Ssh {
                host: destination,
                key_file: key_file.as_deref().map(Path::to_string_lossy),
                port: *port,
                user: user.as_deref(),
            },
        }
    }
}

fn vars_json(host: &Host) -> BTreeMap<&str, VarJson<'_>> {
    let defaults = Key::ALL.into_iter().filter_map(|key| {
        let default = key.default().filter(|_| host.vars.get(key.name()).is_none())?;
        let value = Cow::Owned(Value::from(default));
        Some((key.name(), VarJson { from: "default".to_owned(), value }))
    });
    let given = host.vars.iter().map(|(name, var)| {
        (name, VarJson { from: var.origin.to_string(), value: Cow::Borrowed(&var.json) })
    });
    defaults.chain(given).collect()
}

type Row = Vec<String>;

fn roles(inventory: &Inventory) -> Vec<Row> {
    let roles = &inventory.roles;
    let why = |group: &str, given: bool, chosen: &str| match inventory.groups.get(group) {
        Some(info) if given => format!("group {group}, {}", info.place),
        _ => chosen.to_owned(),
    };
    let first = "the first peer, as there is no such group";
    let all = "every host without no_release, as there is no such group";
    let host = |id: usize| inventory.hosts[id].name.clone();
    vec![
        row(["ROLE", "WHY", "HOSTS"]),
        row(["tracker", &why("tracker", roles.given.tracker, first), &host(roles.tracker)]),
        row(["seeder", &why("seeder", roles.given.seeder, first), &host(roles.seeder)]),
        row(["peer", &why("peer", roles.given.peer, all), &counted(inventory, &roles.peers)]),
    ]
}

fn groups(inventory: &Inventory, hosts: &BTreeSet<usize>) -> Vec<Row> {
    let members = |(name, info): (&String, &GroupInfo)| {
        let shown = info.members.iter().copied().filter(|id| hosts.contains(id));
        let shown: Vec<usize> = shown.collect();
        (!shown.is_empty()).then(|| row([name, &counted(inventory, &shown)]))
    };
    let mut rows: Vec<Row> = inventory.groups.iter().filter_map(members).take(MOST_ROWS).collect();
    let left_out = inventory.groups.len().saturating_sub(MOST_ROWS);
    if rows.len() == MOST_ROWS && left_out > 0 {
        rows.push(row(["...", &format!("{left_out} more groups, see --json")]));
    }
    rows.insert(0, row(["GROUP", "HOSTS"]));
    rows
}

fn addresses(inventory: &Inventory, hosts: &BTreeSet<usize>) -> Vec<Row> {
    let address = |id: &usize| (address(&inventory.hosts[*id]), *id);
    let rows = equal(hosts.iter().map(address));
    let mut table = vec![row(["REACHED BY", "HOSTS"])];
    for (address, members) in rows.iter().take(MOST_ROWS) {
        table.push(row([address, &counted(inventory, members)]));
    }
    let rest: usize = rows.iter().skip(MOST_ROWS).map(|(_, members)| members.len()).sum();
    if rest > 0 {
        table.push(row(["...", &format!("{rest} more hosts, see --json")]));
    }
    table
}

/// Without the destination where it is the host's own name, so that equal hosts have equal texts.
fn address(host: &Host) -> String {
    let Address::Ssh { destination, port, user, key_file } = &host.address else {
        return "local, without ssh".to_owned();
    };
    let mut text = String::from("ssh");
    if *destination != host.name {
        text += &format!(" to {destination}");
    }
    if let Some(user) = user {
        text += &format!(" as {user}");
    }
    if let Some(port) = port {
        text += &format!(", port {port}");
    }
    if let Some(key_file) = key_file {
        text += &format!(", key {}", key_file.display());
    }
    text
}

/// What a variable says, and who says so.
type Said = (String, String);

fn variables(inventory: &Inventory, hosts: &BTreeSet<usize>) -> Vec<Row> {
    let mut said: BTreeMap<&str, Vec<(Rc<Said>, usize)>> = BTreeMap::new();
    // Hosts of a group share its variables, so most texts are made once.
    let mut known: HashMap<*const Var, Rc<Said>> = HashMap::new();
    let defaults: Vec<(&str, Rc<Said>)> = Key::ALL
        .into_iter()
        .filter_map(|key| {
            let text = (key.default()?.to_owned(), "default".to_owned());
            Some((key.name(), Rc::new(text)))
        })
        .collect();
    for &id in hosts {
        let vars = &inventory.hosts[id].vars;
        for (name, var) in vars.iter() {
            let entry = known.entry(std::ptr::from_ref(var));
            let said_of = || Rc::new((value(&var.json), var.origin.to_string()));
            let text = entry.or_insert_with(said_of);
            said.entry(name).or_default().push((Rc::clone(text), id));
        }
        for (name, text) in defaults.iter().filter(|(name, _)| vars.get(name).is_none()) {
            said.entry(name).or_default().push((Rc::clone(text), id));
        }
    }
    let mut table = vec![row(["VARIABLE", "VALUE", "FROM", "HOSTS"])];
    let ours = Key::ALL.into_iter().map(Key::name);
    let ours: Vec<&str> = ours.filter(|name| said.contains_key(name)).collect();
    let others = said.keys().copied().filter(|name| Key::of(name).is_none());
    for name in ours.iter().copied().chain(others) {
        let rows = equal(said[name].iter().cloned());
        for (nth, (said, members)) in rows.iter().take(MOST_VALUES).enumerate() {
            let (value, from) = &**said;
            let shown = match members.len() == hosts.len() {
                true => "all".to_owned(),
                false => names(inventory, members),
            };
            table.push(row([if nth == 0 { name } else { "" }, value, from, &shown]));
        }
        let rest = &rows[rows.len().min(MOST_VALUES)..];
        if !rest.is_empty() {
            let count: usize = rest.iter().map(|(_, members)| members.len()).sum();
            let more = format!("{} more values, see --json", rest.len());
            table.push(row(["", "...", &more, &plural(count)]));
        }
    }
    table
}

/// Rows of a table before the rest is only counted.
const MOST_ROWS: usize = 40;
/// Different values of a variable before the rest is only counted.
const MOST_VALUES: usize = 8;
/// Ranges and single names in a cell before the rest is only counted.
const MOST_NAMES: usize = 6;
/// Characters of a value.
const LONGEST_VALUE: usize = 60;

/// Gathers what is said of several hosts, in the order in which it is said first.
fn equal<T: Clone + Eq + std::hash::Hash>(
    said: impl Iterator<Item = (T, usize)>,
) -> Vec<(T, Vec<usize>)> {
    let mut rows: Vec<(T, Vec<usize>)> = Vec::new();
    let mut at: HashMap<T, usize> = HashMap::new();
    for (what, id) in said {
        let row = *at.entry(what).or_insert_with_key(|what| {
            rows.push((what.clone(), Vec::new()));
            rows.len() - 1
        });
        rows[row].1.push(id);
    }
    rows
}

fn value(json: &Value) -> String {
    let text = match json {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut cut: String = plain.clone().take(LONGEST_VALUE).collect();
    if plain.count() > LONGEST_VALUE {
        cut += "...";
    }
    cut
}

fn names(inventory: &Inventory, hosts: &[usize]) -> String {
    fold(hosts.iter().map(|&id| &*inventory.hosts[id].name), MOST_NAMES)
}

fn counted(inventory: &Inventory, hosts: &[usize]) -> String {
    match hosts {
        [one] => inventory.hosts[*one].name.clone(),
        several => format!("{}: {}", several.len(), names(inventory, several)),
    }
}

fn plural(hosts: usize) -> String {
    if hosts == 1 { "1 host".to_owned() } else { format!("{hosts} hosts") }
}

fn row<const N: usize>(cells: [&str; N]) -> Row {
    cells.map(str::to_owned).to_vec()
}

/// Columns as wide as their widest cell; nothing after the last one.
fn table(rows: &[Row]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
