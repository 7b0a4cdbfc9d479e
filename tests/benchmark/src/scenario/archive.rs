//! From a tree to a torrent and back, beside the tools that people use for it.

use std::path::Path;
use std::process::Command;

use super::alternate;
use crate::Outcome;
use crate::asked::Asked;
use crate::machine::{Machine, date, package_version};
use crate::program::{self, built, number_before, shell};
use crate::record::{Column, Record, Sample, ToolRecord};

/// Packs and unpacks one tree of text, program-like data and noise.
pub(super) fn measure(name: &str, asked: &Asked) -> Outcome<Record> {
    let (mib, files) = if asked.smoke { (8, 200) } else { (1024, 20_000) };
    let date = date();
    let folder = tempfile::tempdir_in("/dev/shm")?;
    let folder = folder.path();
    let tree = folder.join("tree");
    let words = [&mib.to_string(), &files.to_string()];
    program::run(example()?.arg("make").arg(&tree).args(words), 300)?;
    let pigz = format!("tar, pigz {} and mktorrent", package_version("pigz"));
    let mut tools = vec![
        ToolRecord::named("murder", env!("CARGO_PKG_VERSION"), "its archive code, gzip level 6"),
        ToolRecord::named(
            &pigz,
            &package_version("mktorrent"),
            "tar -c | pigz -p2, mktorrent, tar -xzf",
        ),
    ];
    alternate(asked.runs, &mut tools, |number| match number {
        0 => ours(folder, &tree),
        _ => theirs(folder, &tree),
    });
    Ok(Record {
        scenario: name.into(),
        title: format!("{mib} MiB in {files} files: packed and unpacked"),
        about: "A tree of text, records, program-like data and noise in memory. Packing ends with \
                the torrent. Unpacking begins with the whole archive at hand; in the last column its \
                pieces arrive at 100 MiB a second in random order, and the time is that from the \
                last piece to the tree in place. tar has to wait for the whole archive."
            .into(),
        date,
        took: None,
        machine: Machine::here(),
        by: None,
        columns: vec![
            Column::new("pack", "pack, s", 2),
            Column::new("pack cpu", "pack, CPU s", 2),
            Column::new("mib", "archive, MiB", 1),
            Column::new("unpack", "unpack, s", 2),
            Column::new("unpack cpu", "unpack, CPU s", 2),
            Column::new("after", "in place after the last piece, s", 2),
        ],
        plots: Vec::new(),
        tools,
    })
}

fn ours(folder: &Path, tree: &Path) -> Outcome<Sample> {
    let packed = program::run(example()?.arg("pack").arg(tree).arg(folder), 300)?;
    let out = folder.join("out");
    let unpacked = program::run(example()?.arg("unpack").arg(folder).arg(&out), 300)?;
    same_and_remove(tree, &out)?;
    let arriving = program::run(example()?.arg("unpack").arg(folder).arg(&out).arg("100"), 300)?;
    same_and_remove(tree, &out)?;
    Ok(Sample::default()
        .with("pack", packed.seconds)
        .with("pack cpu", packed.cpu)
        .with("mib", megabytes(&folder.join("v1.tgz"))?)
        .with("unpack", unpacked.seconds)
        .with("unpack cpu", unpacked.cpu)
        .with("after", number_before(&arriving.stdout, " s after the last piece")?))
}

fn theirs(folder: &Path, tree: &Path) -> Outcome<Sample> {
    let (tar, out) = (folder.join("their.tgz"), folder.join("out"));
    let torrent = folder.join("their.torrent");
    let _ = std::fs::remove_file(&torrent);
    let (tree_text, tar_text) = (tree.display(), tar.display());
    let packed = shell(
        &format!(
            "tar -C {tree_text} -c . | pigz -p2 >{tar_text} && \
             mktorrent -l 20 -a http://127.0.0.1/ -o {} {tar_text}",
            torrent.display()
        ),
        300,
    )?;
    let out_text = out.display();
    let unpack = format!("mkdir {out_text} && tar -C {out_text} -xzf {tar_text}");
    let unpacked = shell(&unpack, 300)?;
    same_and_remove(tree, &out)?;
    Ok(Sample::default()
        .with("pack", packed.seconds)
        .with("pack cpu", packed.cpu)
        .with("mib", megabytes(&tar)?)
        .with("unpack", unpacked.seconds)
        .with("unpack cpu", unpacked.cpu)
        .with("after", unpacked.seconds))
}

fn same_and_remove(tree: &Path, out: &Path) -> Outcome<()> {
    shell(&format!("diff -r {} {}", tree.display(), out.display()), 300)?;
    Ok(std::fs::remove_dir_all(out)?)
}

fn megabytes(path: &Path) -> Outcome<f64> {
    Ok(std::fs::metadata(path)?.len() as f64 / f64::from(1 << 20))
}

fn example() -> Outcome<Command> {
    Ok(Command::new(built("archive")?))
}
