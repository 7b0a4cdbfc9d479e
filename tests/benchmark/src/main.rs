//! Runs murder and its peers beside each other on one machine, and writes down what came of it.
//!
//! `tests/bench` starts it, after installing what it needs.

mod asked;
mod clock;
mod field;
mod finish;
mod machine;
mod member;
mod payload;
mod program;
mod record;
mod relay;
mod report;
mod scenario;
mod stats;
mod tools;

use std::error::Error;
use std::process::ExitCode;

use asked::Asked;

/// What can fail in a benchmark is told to whoever runs it, and that's all.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match &words[..] {
        ["relay", rest @ ..] => relay::run(rest),
        words => Asked::parse(words).and_then(|asked| scenario::run(&asked)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tests/bench: {error}");
            ExitCode::FAILURE
        }
    }
}
