//! What `murder status` costs the machine where it is typed, by the number of hosts: one sshd on
//! 127.0.0.0/8 plays them all.
//!
//! `fan_out MURDER FORKS HOSTS…`

use std::path::Path;

use murder_testfleet::{Cost, Farm, Homes};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [murder, forks, numbers @ ..] = words.as_slice() else {
        panic!("fan_out MURDER FORKS HOSTS…");
    };
    let murder = Path::new(murder).canonicalize().expect("the path of murder");
    let murder = murder.to_str().expect("a path in UTF-8");
    // Memory and processes are looked at, so a cheap key exchange will do.
    let farm = Farm::up("MaxStartups 10:30:100\nKexAlgorithms curve25519-sha256");
    let first = farm.inventory(1, Homes::Shared);
    let mut install = farm.command(murder);
    install.arg("-i").arg(first).args(["-q", "--limit", "h1", "distribute_files"]);
    assert!(install.status().expect("murder runs").success());
    println!("hosts  failed  wall s  CPU s  processes  descriptors  murder KiB  all MiB");
    for number in numbers {
        let hosts: usize = number.parse().expect("a number of hosts");
        let mut status = farm.command(murder);
        status.arg("-i").arg(farm.inventory(hosts - 1, Homes::Shared));
        status.args(["--json", "-q", "--forks", forks, "status"]);
        let out = farm.folder().join("out");
        status.stdout(std::fs::File::create(&out).expect("a file in its folder"));
        let cost = Cost::of(&mut status).expect("murder runs");
        let said = std::fs::read_to_string(&out).expect("UTF-8");
        let ok = said.matches("\"outcome\":\"ok\"").count();
        println!(
            "{hosts:5}  {:6}  {:6.1}  {:5.1}  {:9}  {:11}  {:10}  {:7.1}",
            hosts - ok,
            cost.wall.as_secs_f64(),
            cost.cpu.as_secs_f64(),
            cost.processes,
            cost.descriptors,
            cost.resident_kib,
            cost.all_resident_kib as f64 / 1024.0,
        );
    }
}
