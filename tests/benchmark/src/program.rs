//! Programs that the benchmark runs on this machine, outside of any fleet: what they say, how long
//! they take, and what CPU time they use.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::clock::now;

/// What a program came to.
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) seconds: f64,
    /// User and system time of it and all that it waited for.
    pub(crate) cpu: f64,
}

/// Runs a program that has to succeed within so many seconds.
pub(crate) fn run(command: &mut Command, patience: u32) -> Outcome<Ran> {
    let mut bounded = Command::new("timeout");
    bounded.args(["--signal=KILL", &patience.to_string()]).arg(command.get_program());
    bounded.args(command.get_args()).stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        bounded.current_dir(folder);
    }
    let (cpu, began) = (children_cpu()?, now());
    let output = bounded.output()?;
    let (seconds, cpu) = (now() - began, children_cpu()? - cpu);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        let program = command.get_program().to_string_lossy().into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        return Err(format!("{program} ended with {}: {stdout}{stderr}", output.status).into());
    }
    Ok(Ran { stdout: text(&output.stdout), seconds, cpu })
}

/// A shell line that has to succeed.
pub(crate) fn shell(line: &str, patience: u32) -> Outcome<Ran> {
    run(Command::new("bash").args(["-c", &format!("set -o pipefail; {line}")]), patience)
}

/// A program of this build: `murder`, or one of the examples that measure.
pub(crate) fn built(name: &str) -> Outcome<PathBuf> {
    let folder = std::env::current_exe()?;
    let folder = folder.parent().ok_or("this program has no folder")?;
    let path = [folder.join(name), folder.join("examples").join(name)];
    let found = path.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| format!("{name} is not built; tests/bench builds it").into())
}

/// The number that stands before some words in a text.
pub(crate) fn number_before(text: &str, words: &str) -> Outcome<f64> {
    let number = text.split_once(words).and_then(|(before, _)| {
        before.trim_end().rsplit([' ', '(']).next().and_then(|number| number.parse().ok())
    });
    number.ok_or_else(|| format!("there is no number before {words:?} in {text:?}").into())
}

/// CPU time of the children that were waited for: proc(5), fields 16 and 17, in ticks of 10 ms.
fn children_cpu() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().ok_or("no stat")?.split(' ');
    let ticks: f64 = fields.skip(13).take(2).flat_map(str::parse::<f64>).sum();
    Ok(ticks / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_the_words_after_it() {
        let text = "packed into 123 bytes in 4.50 s, 8.25 CPU s";
        assert_eq!(number_before(text, " CPU s").unwrap(), 8.25);
        assert_eq!(number_before(text, " bytes in").unwrap(), 123.0);
        assert!(number_before(text, " pieces").is_err());
    }
}
