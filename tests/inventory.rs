//! Reads every inventory of tests/inventory/: a bad one has its message beside it, a good one what
//! `murder inventory` shows of it.

#[path = "common/chain.rs"]
mod chain;

use std::fs;
use std::path::{Path, PathBuf};

use chain::chain;
use murder::inventory::{Address, Inventory, InventoryError, Key, show};

fn inputs(kind: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventory");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let expected = paths.filter(|path| path.extension().is_some_and(|found| found == kind));
    let mut inputs: Vec<_> = expected
        .map(|path| (path.with_extension(""), fs::read_to_string(&path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

fn parse(path: &Path) -> Result<Inventory, InventoryError> {
    let name = path.file_name().unwrap().to_str().unwrap();
    Inventory::parse(&fs::read(path).unwrap(), name, &[])
}

#[test]
fn a_bad_inventory_is_told_what_is_wrong_and_where() {
    let mut wrong = Vec::new();
    let inputs = inputs("message");
    assert!(inputs.len() > 40, "{} bad inventories", inputs.len());
    for (path, expected) in inputs {
        let said = match parse(&path) {
            Ok(_) => "no error".to_owned(),
            Err(error) => chain(&error),
        };
        if said != expected.trim_end() {
            wrong.push(format!("{}:\n  says   {said}\n  wanted {expected}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names of a group's hosts, with the whole inventory's order.
fn members(inventory: &Inventory, group: &str) -> Vec<String> {
    let members = &inventory.groups[group].members;
    members.iter().map(|&id| inventory.hosts[id].name.clone()).collect()
}

fn load(text: &str) -> Inventory {
    Inventory::parse(text.as_bytes(), "inventory.yaml", &[])
        .unwrap_or_else(|error| panic!("{}\n{text}", chain(&error)))
}

#[test]
fn the_nearest_definition_of_a_variable_wins() {
    let text = "\
all:
  vars: {x: all, a: all}
  children:
    parent:
      vars: {x: parent, b: parent}
      children:
        child:
          vars: {x: child, c: child}
          hosts:
            web1: {x: host}
            web2:
";
    let overrides = [("c".to_owned(), "typed".to_owned())];
    let inventory = Inventory::parse(text.as_bytes(), "inventory.yaml", &overrides).unwrap();
    let says = |host: usize, name: &str| {
        let var = inventory.hosts[host].vars.get(name).unwrap();
        format!("{} from {}", var.json.as_str().unwrap(), var.origin)
    };
    assert_eq!(says(0, "x"), "host from inventory.yaml:10:20");
    assert_eq!(says(1, "x"), "child from inventory.yaml:8:18 (group child)");
    assert_eq!(says(0, "a"), "all from inventory.yaml:2:18 (group all)");
    assert_eq!(says(0, "b"), "parent from inventory.yaml:5:25 (group parent)");
    assert_eq!(says(0, "c"), "typed from command line");
}

#[test]
fn siblings_are_ordered_by_depth_then_priority_then_name() {
    let text = "\
all:
  children:
    zebra: {vars: {x: zebra, y: zebra}, hosts: {web1: }}
    apple: {vars: {x: apple, y: apple, ansible_group_priority: 1}, hosts: {web1: }}
    mango: {vars: {y: mango, ansible_group_priority: 10}, hosts: {web1: }}
    deep: {children: {deeper: {vars: {z: deeper}, hosts: {web1: }}}}
    late: {vars: {z: late}, hosts: {web1: }}
";
    let inventory = load(text);
    let says = |name: &str| inventory.hosts[0].vars.get(name).unwrap().json.clone();
    assert_eq!(says("x"), "zebra");
    assert_eq!(says("y"), "mango");
    assert_eq!(says("z"), "deeper");
}

#[test]
fn a_group_may_have_several_parents_and_a_host_several_groups() {
    let text = "\
all:
  children:
    europe: {children: {web: }}
    linux: {children: {web: , db: {hosts: {db1: , web1: }}}}
web:
  hosts: {'web[1:2]': }
alone: {hosts: {x1: }}
";
    let inventory = load(text);
    assert_eq!(members(&inventory, "europe"), ["web1", "web2"]);
    assert_eq!(members(&inventory, "linux"), ["db1", "web1", "web2"]);
    assert_eq!(members(&inventory, "all"), ["db1", "web1", "web2", "x1"]);
    assert_eq!(members(&inventory, "ungrouped"), [""; 0]);
}

#[test]
fn hosts_of_all_alone_are_ungrouped() {
    let inventory = load("all:\n  hosts: {web1: , web2: }\n  children: {db: {hosts: {web2: }}}\n");
    assert_eq!(members(&inventory, "ungrouped"), ["web1"]);
    assert_eq!(members(&inventory, "db"), ["web2"]);
}

#[test]
fn null_bodies_and_single_names_stand_for_mappings() {
    let inventory =
        load("all:\n  vars:\n  hosts: web1\n  children:\n    a:\n    b:\n      hosts: web2\nc:\n");
    assert_eq!(members(&inventory, "all"), ["web1", "web2"]);
    assert_eq!(members(&inventory, "a"), [""; 0]);
}

#[test]
fn anchors_and_merge_keys_are_understood() {
    let text = "\
all:
  children:
    web:
      vars: &common {user: deploy, x: 1}
      hosts: {web1: }
    db:
      vars: {<<: *common, x: 2}
      hosts: {db1: }
";
    let inventory = load(text);
    let Address::Ssh { user, .. } = &inventory.host("db1").unwrap().address else { panic!() };
    assert_eq!(user.as_deref(), Some("deploy"));
    assert_eq!(inventory.host("db1").unwrap().vars.get("x").unwrap().json, 2);
}

#[test]
fn roles_are_groups_or_the_original_s_choice() {
    let by_default = load("all: {hosts: {a: {no_release: true}, b: , c: }}");
    assert_eq!(by_default.tracker().name, "b");
    assert_eq!(by_default.seeder().name, "b");
    assert_eq!(by_default.roles.peers, [1, 2]);

    let given = load(
        "all: {hosts: {a: , b: , c: {no_release: 1}}}\n\
         tracker: {hosts: {a: }}\nseeder: {hosts: {b: }}\npeer: {hosts: {c: , b: }}",
    );
    assert_eq!(given.tracker().name, "a");
    assert_eq!(given.seeder().name, "b");
    assert_eq!(given.peers().iter().map(|host| &*host.name).collect::<Vec<_>>(), ["b", "c"]);
}

#[test]
fn addresses_are_by_ansible_s_names_and_short_ones() {
    let inventory = load(
        "all:\n  hosts:\n    a: {ansible_host: 10.0.0.1, ansible_port: 2222, ansible_user: root, \
         ansible_ssh_private_key_file: ~/.ssh/id_a}\n    b: {host: '[::1]', port: 22, user: CORP\\bob, \
         key_file: keys/b}\n    c: {connection: local}\n    d:2200:\n",
    );
    let shown: Vec<_> = inventory.hosts.iter().map(|host| format!("{:?}", host.address)).collect();
    assert_eq!(
        shown,
        [
            "Ssh { destination: \"10.0.0.1\", port: Some(2222), user: Some(\"root\"), key_file: \
             Some(\"~/.ssh/id_a\") }",
            "Ssh { destination: \"::1\", port: Some(22), user: Some(\"CORP\\\\bob\"), key_file: \
             Some(\"keys/b\") }",
            "Local",
            "Ssh { destination: \"d\", port: Some(2200), user: None, key_file: None }",
        ]
    );
}

#[test]
fn our_variables_have_the_types_and_defaults_of_the_documentation() {
    let inventory = load("all: {hosts: {a: }}");
    let host = &inventory.hosts[0];
    assert_eq!(host.remote_murder_path(), "~/.murder");
    assert_eq!(host.tracker_port(), 8998);
    assert_eq!(host.peer_ports().to_string(), "6881-6889");
    assert_eq!(host.temp_path(), None);
    let inventory = load(
        "all:\n  hosts: {a: }\n  vars:\n    remote_murder_path: /opt/murder/\n    tracker_port: \
         \"9000\"\n    peer_port: 7000\n    announce_ip: 10.0.0.1\n    default_tag: 20100101\n    \
         default_seeder_files_path: ~/files\n    default_destination_path: /srv/my app\n    \
         default_temp_path: /var/tmp\n    no_release: no\n",
    );
    let host = &inventory.hosts[0];
    assert_eq!(host.remote_murder_path(), "/opt/murder");
    assert_eq!(host.tracker_port(), 9000);
    assert_eq!(host.peer_ports().to_string(), "7000");
    assert_eq!(host.announce_ip().unwrap().to_string(), "10.0.0.1");
    assert_eq!(host.default_tag().unwrap().as_str(), "20100101");
    assert_eq!(host.default_seeder_files_path(), Some("~/files"));
    assert_eq!(host.default_destination_path(), Some("/srv/my app"));
    assert_eq!(host.temp_path(), Some("/var/tmp"));
    assert!(!host.no_release());
}

#[test]
fn variables_of_others_are_carried_along_untouched() {
    let text = "\
all:
  vars:
    ansible_python_interpreter: /usr/bin/python3
    ansible_become: yes
    ansible_ssh_common_args: ''
    connections: 100
    app: {ports: [80, 443], name: x, ratio: 1.5, none: ~}
    secret: !vault |
      $ANSIBLE_VAULT;1.1;AES256
  hosts: {a: }
";
    let inventory = load(text);
    let vars = &inventory.hosts[0].vars;
    assert_eq!(vars.get("ansible_become").unwrap().json, true);
    assert_eq!(
        vars.get("app").unwrap().json.to_string(),
        r#"{"name":"x","none":null,"ports":[80,443],"ratio":1.5}"#
    );
    assert_eq!(vars.get("secret").unwrap().json, "$ANSIBLE_VAULT;1.1;AES256\n");
}

#[test]
fn a_wrong_variable_on_the_command_line_is_told() {
    let said = |key: &str, value: &str| {
        let overrides = [(key.to_owned(), value.to_owned())];
        let text = "all: {hosts: {a: , b: }}";
        match Inventory::parse(text.as_bytes(), "inventory.yaml", &overrides) {
            Ok(_) => "no error".to_owned(),
            Err(error) => chain(&error),
        }
    };
    assert_eq!(
        said("tracker_port", "x"),
        "tracker_port=x on the command line: tracker_port: expected a port from 1 to 65535, got \
         \"x\""
    );
    assert_eq!(
        said("tracker_prot", "1"),
        "tracker_prot=1 on the command line: unknown variable tracker_prot: did you mean \
         tracker_port?"
    );
    assert_eq!(
        said("host", "b"),
        "host=b on the command line: it would send every host to the same machine"
    );
    assert_eq!(said("user", "root"), "no error");
}

#[test]
fn the_command_line_comes_before_either_spelling_in_the_file() {
    let overrides = [("port".to_owned(), "2222".to_owned())];
    let text = "all: {vars: {ansible_port: 22}, hosts: {a: , b: {ansible_port: 23}}}";
    let inventory = Inventory::parse(text.as_bytes(), "inventory.yaml", &overrides).unwrap();
    for host in &inventory.hosts {
        assert!(matches!(host.address, Address::Ssh { port: Some(2222), .. }), "{host:?}");
    }
}

#[test]
fn a_missing_file_is_told_with_its_cause() {
    let source = murder::settings::Source::File("no/such/file.yaml".into());
    assert_eq!(
        chain(&Inventory::load(&source, &[]).unwrap_err()),
        "can't read the inventory no/such/file.yaml (name another with -i, or hosts with --hosts \
         a,b,c): No such file or directory (os error 2)"
    );
}

#[test]
fn hostile_input_is_refused_quickly_and_shortly() {
    let nested = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
    let aliases = |level: usize| vec![format!("*a{}", level - 1); 9].join(",");
    let bomb = (1..12).map(|level| format!("a{level}: &a{level} [{}]\n", aliases(level)));
    let bomb = format!("a0: &a0 [x,x,x,x,x,x,x,x,x]\n{}", bomb.collect::<String>());
    let inputs = [
        "[".repeat(200_000),
        "{a: ".repeat(200_000),
        "a: ".to_owned() + &"[".repeat(200_000),
        nested,
        bomb,
        "#".repeat((16 << 20) + 1),
        "a".repeat(1 << 20),
        "\u{1b}]0;x\u{7}: 1".to_owned(),
    ];
    let said: Vec<String> = inputs
        .iter()
        .map(|input| chain(&Inventory::parse(input.as_bytes(), "i", &[]).unwrap_err()))
        .collect();
    let cut = |c: &str| c.repeat(60);
    assert_eq!(
        said,
        [
            &format!(
                "i:1:1: the range in \"{}...\" has a bracket without its other half",
                cut("[")
            ),
            "i:1:1021: nested too deeply for an inventory",
            "i:1:259: nested too deeply for an inventory",
            "i:41:41: nested too deeply for an inventory",
            "i:6:14: its aliases (*name) come to more values than any inventory needs",
            "i:1:1: larger than 16 MiB, so hardly an inventory",
            &format!(
                "i:1:1: \"{}...\" is no host name: it has letters, digits and . _ - : [ ] %, and \
                 no - in front",
                cut("a")
            ),
            "i:1:1: not valid YAML: unexpected character: `\\u{1b}'",
        ]
    );
}

#[test]
fn a_good_inventory_is_shown_with_the_origin_of_everything() {
    let inputs = inputs("shown");
    assert!(!inputs.is_empty());
    for (path, expected) in inputs {
        let inventory = parse(&path).unwrap_or_else(|error| panic!("{}", chain(&error)));
        let hosts = (0..inventory.hosts.len()).collect();
        let shown = show::text(&inventory, &hosts);
        assert_eq!(shown, expected, "{}:\n{shown}", path.display());
    }
}

#[test]
fn an_inventory_of_ten_thousand_hosts_is_read_in_no_time() {
    let mut text = String::from("all:\n  vars: {tracker_port: 9000}\n  children:\n");
    for group in 0..100 {
        text += &format!("    g{group}:\n      vars: {{zone: z{group}}}\n      hosts:\n");
        for host in 0..100 {
            text += &format!(
                "        h{group}-{host}: {{ansible_host: 10.0.{group}.{host}, rack: {host}, \
                 serial: s{group}-{host}}}\n"
            );
        }
    }
    let start = std::time::Instant::now();
    let inventory = load(&text);
    let hosts = (0..inventory.hosts.len()).collect();
    let lines = show::text(&inventory, &hosts).lines().count();
    assert_eq!(inventory.hosts.len(), 10_000);
    assert!(lines < 150, "{lines} lines");
    let json: serde_json::Value = serde_json::from_str(&show::json(&inventory, &hosts)).unwrap();
    assert_eq!(json["hosts"][9_999]["vars"]["zone"]["value"], "z99");
    // An optimised build takes a hundredth; anything quadratic takes longer in any build.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn the_example_shows_every_key_and_can_be_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventory.example.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let inventory = load(&text);
    for key in Key::ALL {
        let shown = key.spellings()[..2.min(key.spellings().len())].iter();
        for name in shown.filter(|name| !name.starts_with("ansible_ssh_") || **name == key.name()) {
            let set = text.lines().filter(|line| line.trim().starts_with(&format!("{name}:")));
            let mentioned = text.contains(name);
            assert!(mentioned && set.count() <= 1, "{name}");
        }
        let set = |host: &murder::inventory::Host| host.vars.known(key).is_some();
        assert!(inventory.hosts.iter().any(set), "{key} is set nowhere in the example");
    }
    assert_eq!(inventory.tracker().name, "control");
    assert_eq!(inventory.peers().len(), 51);
    assert_eq!(inventory.host("laptop").unwrap().address, Address::Local);
}
