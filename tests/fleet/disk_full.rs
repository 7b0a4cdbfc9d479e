//! Disks that have room when a host takes its job, and fill up while it works.

use std::fs;
use std::io::{self, Read as _};

use crate::faults::{FETCH, in_place, seeded};
use crate::fleet_of;
use crate::net::{Host, Link};

#[test]
fn a_disk_that_fills_up_in_mid_run_fails_its_host_which_resumes_once_there_is_room() {
    let Some(fleet) = fleet_of(4) else { return };
    let (spool, tree) = (fleet.host(2), fleet.host(3));
    spool.sh("mkdir /root/.murder && mount -t tmpfs -o size=40m tmpfs /root/.murder");
    tree.sh("mkdir /srv/app && mount -t tmpfs -o size=40m tmpfs /srv/app");
    seeded(&fleet, 24);
    let mut run = fleet.follow(FETCH);
    run.until_share(0.3);
    // Nothing arrives while the room is taken away.
    for host in [spool, tree] {
        host.set_link(Link::Down);
    }
    // The room for the archive was reserved. Zeros that are given back stand for a file system
    // that reserves nothing; they have to be written, or they are no data that can be dug out.
    spool.sh("cd .murder/spool && dd if=v1.tgz.partial of=v1.tgz.partial bs=64k conv=notrunc \
         status=none && fallocate --dig-holes v1.tgz.partial");
    fill(spool, "/root/.murder/filler", "40M");
    // The archive arrives, and 10 MiB of the tree find room.
    fill(tree, "/srv/app/filler", "30M");
    for host in [spool, tree] {
        host.set_link(Link::Up);
    }

    let ended = run.end().code(3);
    let outcomes = ended.outcomes();
    assert_eq!((&*outcomes["h2"], &*outcomes["h3"]), ("failed", "failed"));
    let ended = ended.says("No space left on device");
    assert_eq!(ended.stdout.matches("No space left on device").count(), 2, "{}", ended.stdout);
    in_place(&fleet, &[1, 4]);
    assert!(!spool.path("/srv/app/v1").exists());
    let left: Vec<_> = fs::read_dir(tree.path("/srv/app")).unwrap().map(|e| e.unwrap()).collect();
    assert_eq!(left.len(), 1, "beside the filler: {left:?}");

    spool.sh("rm .murder/filler");
    tree.sh("rm /srv/app/filler");
    fleet.ok(&format!("--limit h2,h3 {FETCH}"));
    in_place(&fleet, &[2, 3]);
    for host in [spool, tree] {
        let log = fs::read_to_string(host.path("/root/.murder/log/peer-v1.log")).unwrap();
        assert!(log.contains("pieces were there already"), "{}: {log}", host.name());
    }
}

#[test]
fn an_archive_that_finds_no_room_on_the_seeder_leaves_nothing_behind() {
    let Some(fleet) = fleet_of(2) else { return };
    let seeder = fleet.host(1);
    fleet.write_inventory();
    seeder.sh("mkdir .murder && mount -t tmpfs -o size=8m tmpfs .murder");
    seeder.sh("mkdir files && head -c 12M /dev/urandom >files/large");
    fleet.ok("distribute_files");

    fleet.run("create_torrent tag=v1 files_path=~/files").code(3).says("No space left on device");

    assert_eq!(seeder.sh("ls .murder/spool"), "");
}

#[test]
fn a_tree_of_the_workstation_that_finds_no_room_on_the_seeder_leaves_nothing_behind() {
    let Some(fleet) = fleet_of(2) else { return };
    let seeder = fleet.host(1);
    fleet.write_inventory();
    seeder.sh("mkdir .murder && mount -t tmpfs -o size=8m tmpfs .murder");
    let files = fleet.laptop().path("/root/files");
    fs::create_dir(&files).expect("a folder on the laptop");
    let noise = fs::File::open("/dev/urandom").expect("the kernel has noise");
    let mut large = fs::File::create(files.join("large")).expect("a file on the laptop");
    io::copy(&mut noise.take(12 << 20), &mut large).expect("the laptop has room");
    fleet.ok("distribute_files");

    let ended = fleet.run("create_torrent tag=v1 from=/root/files").code(3);

    ended.says("failed h1: ").says("No space left on device");
    assert_eq!(seeder.sh("ls .murder/spool"), "");
    seeder.sh("mount -o remount,size=40m .murder");
    fleet.ok("create_torrent tag=v1 from=/root/files");
}

/// Fills a file system up to its last byte, or with so much.
fn fill(host: &Host, path: &str, size: &str) {
    host.try_sh(&format!("head -c {size} /dev/zero >{path}"));
}
