//! `murder`: puts a directory on a fleet of servers at once.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use murder::cli::{self, Options, TaskSpec, Typed, Values};
use murder::exit::Exit;
use murder::report::Refusal;
use murder::settings::{Settings, Task};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let json = cli::wants_json(&args);
    match run(args) {
        Ok(exit) => exit.into(),
        Err(refusal) => {
            eprint!("{}", refusal.text());
            if json {
                print(&refusal.json());
            }
            Exit::Refused.into()
        }
    }
}

fn run(args: Vec<OsString>) -> Result<Exit, Refusal> {
    match cli::parse(args).map_err(refused)? {
        Typed::Nothing => {
            eprint!("{}", cli::short_help());
            return Ok(Exit::Refused);
        }
        Typed::Help => print(&cli::long_help()),
        Typed::TaskHelp(task) => print(&cli::task_help(task)),
        Typed::Version => print(&format!("murder {}\n", env!("CARGO_PKG_VERSION"))),
        Typed::Tasks(options) if options.json => print(&cli::task_list_json()),
        Typed::Tasks(_) => print(&cli::task_list()),
        Typed::Task { options, task, values } => return run_task(&options, task, &values),
    }
    Ok(Exit::Ok)
}

fn run_task(options: &Options, task: &'static TaskSpec, values: &Values) -> Result<Exit, Refusal> {
    let settings = Settings::decide(options, task, values, &|_| None).map_err(refused)?;
    if let Task::Completions(shell) = &settings.task {
        print(&cli::completions(shell));
    }
    Ok(Exit::Ok)
}

fn refused(error: cli::CliError) -> Refusal {
    let hint = error.hint();
    Refusal::new(&error, hint)
}

/// Prints data. Whoever reads it may have left, as `head` does; there is nobody to tell then.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
