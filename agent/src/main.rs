//! The executable's entry: which of its three ways was it started in?

use std::process::ExitCode;

#[cfg(slim)]
mod slim;

use murder_agent::{roles, verbs};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    match (words.next().as_deref(), words.next()) {
        (Some("--version" | "-V"), None) => {
            println!("murder-agent {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        (Some(word), None) if word.starts_with(roles::PREFIX) => roles::run(word),
        (Some(word), None) if !word.starts_with('-') => verbs::run(word),
        _ => {
            eprintln!("usage: murder-agent VERB < REQUEST\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

const USAGE: &str = "The murder command starts this program on its hosts, and it is of no use by \
hand.\nIts verbs and their requests are in the crate murder-protocol.";
