//! `murder`: puts a directory on a fleet of servers at once.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use murder::agents;
use murder::cli::{self, CliError, Options, TaskSpec, Typed, Values};
use murder::exit::Exit;
use murder::inventory::Inventory;
use murder::report::{Refusal, Report};
use murder::settings::{self, Format, Mode, Settings, TaskName};
use murder::tasks;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let json = cli::wants_json(&args);
    match run(args) {
        Ok(exit) => exit.into(),
        Err(refusal) => {
            talk(&refusal.text());
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
            talk(&cli::short_help());
            return Ok(Exit::Refused);
        }
        Typed::Help => print(&cli::long_help()),
        Typed::TaskHelp(task) => print(&cli::task_help(task)),
        Typed::Version => print(&version()),
        Typed::Tasks(options) if options.json => print(&cli::task_list_json()),
        Typed::Tasks(_) => print(&cli::task_list()),
        Typed::Task { task, values, .. } if task.name == TaskName::Completions => {
            print(&cli::completions(&settings::shell(task, &values).map_err(refused)?));
        }
        Typed::Task { options, task, values } => return run_task(&options, task, &values),
    }
    Ok(Exit::Ok)
}

fn run_task(options: &Options, task: &'static TaskSpec, values: &Values) -> Result<Exit, Refusal> {
    let inventory = match task.name {
        TaskName::Demo => None,
        _ => Some(load(options, values)?),
    };
    let variable = |name: &str| settings::variable(inventory.as_ref()?, name);
    let settings = Settings::decide(options, task, values, &variable).map_err(refused)?;
    let inventory = inventory.as_ref();
    if settings.mode == Mode::DryRun {
        let plan = tasks::plan(&settings, inventory)?;
        for warning in inventory.into_iter().flat_map(|inventory| &inventory.warnings) {
            talk(&format!("warning: {warning}\n"));
        }
        match settings.output.format {
            Format::Json => print(&plan.json()),
            Format::Human => print(&plan.text(PLAN_WIDTH)),
        }
        return Ok(Exit::Ok);
    }
    // One thread waits for all connections: the work is done on the hosts.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Refusal::new(&error, None))?;
    let report = Report::start(settings.output, &settings.invocation);
    let exit = runtime.block_on(tasks::run(&settings, inventory, &report.reporter()));
    report.finish();
    exit
}

fn load(options: &Options, values: &Values) -> Result<Inventory, Refusal> {
    let source = settings::source(options).map_err(refused)?;
    Inventory::load(&source, &settings::overrides(values))
        .map_err(|error| Refusal::new(&error, None))
}

fn version() -> String {
    format!("murder {}\nagent {}\n", env!("CARGO_PKG_VERSION"), agents::embedded_name())
}

fn refused(error: CliError) -> Refusal {
    let hint = error.hint();
    Refusal::new(&error, hint)
}

/// Prints data. Whoever reads it may have left, as `head` does; there is nobody to tell then.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Says something that is no data.
fn talk(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Fits the narrowest terminal that anybody still uses.
const PLAN_WIDTH: usize = 79;
