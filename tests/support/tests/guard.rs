//! What is left of a fleet whose owner was killed. Needs root, as fleets do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use murder_testfleet::{Fleet, Plan, missing};

#[test]
fn a_fleet_ends_with_the_program_that_holds_it_however_that_ends() {
    if let Some(why) = missing() {
        let said = writeln!(std::io::stderr(), "LEFT OUT: fleets can't run here: {why}");
        return said.expect("stderr can be written");
    }
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holds_a_fleet", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines().map_while(Result::ok);
    let init =
        lines.into_iter().find_map(|line| Some(line.split_once("its init is ")?.1.to_owned()));
    let process = format!("/proc/{}", init.expect("the owner says which process it is"));
    assert!(std::fs::metadata(&process).is_ok());

    owner.kill().unwrap();
    owner.wait().unwrap();

    while std::fs::metadata(&process).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
#[ignore = "run by the other test, which kills it"]
fn holds_a_fleet() {
    let fleet = Fleet::up(&Plan { hosts: 1, sshd: true, programs: Vec::new() });
    println!("its init is {}", fleet.processes("h1")[0]);
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(fleet);
}
