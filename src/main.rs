//! `murder`: puts a directory on a fleet of servers at once.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use murder::agents;
use murder::cli::{self, CliError, Options, TASKS, TaskSpec, Typed, Values};
use murder::exit::Exit;
use murder::inventory::Inventory;
use murder::plan::Plan;
use murder::recipe::{Book, RecipeError, Script, Secrets};
use murder::report::{Refusal, Report};
use murder::settings::{self, Called, Format, Mode, Settings, Source, TaskName};
use murder::suggest::nearest;
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
        Typed::Tasks(options) => {
            let recipes = book(&options)?.list();
            print(&match options.json {
                true => cli::task_list_json(&recipes),
                false => cli::task_list(&recipes),
            });
        }
        Typed::RecipeHelp(options, name) => {
            print(&cli::recipe_help(&script(&options, &name)?));
        }
        Typed::Recipe { options, name, typed } => return run_recipe(&options, &name, typed),
        Typed::Task { options, task, .. } if task.name == TaskName::Init => {
            print(&init(&options)?);
        }
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
        show_plan(&settings, inventory, &tasks::plan(&settings, inventory)?);
        return Ok(Exit::Ok);
    }
    let (runtime, report) = begin(&settings)?;
    let exit = runtime.block_on(tasks::run(&settings, inventory, &report.reporter()));
    report.finish();
    exit
}

fn run_recipe(
    options: &Options,
    name: &str,
    typed: Vec<(String, String)>,
) -> Result<Exit, Refusal> {
    let script = script(options, name)?;
    for (key, _) in &typed {
        cli::check_key(&script, key).map_err(refused)?;
    }
    // The program runs one recipe, whose name lives as long as it does.
    let secret = script.no_log.keys().cloned().collect();
    let called = Called { name: name.to_owned().leak(), typed, secret };
    let settings = Settings::of_recipe(options, called).map_err(refused)?;
    let inventory = Inventory::load(&settings.source, &settings.overrides)
        .map_err(|error| Refusal::new(&error, None))?;
    if settings.mode == Mode::DryRun {
        let secrets = Secrets::default();
        let plan = tasks::plan_recipe(&settings, &inventory, &script, &secrets);
        show_plan(&settings, Some(&inventory), &plan.map_err(|error| error.masked(&secrets))?);
        return Ok(Exit::Ok);
    }
    let (runtime, report) = begin(&settings)?;
    let reporter = report.reporter();
    let run = tasks::run_recipe(&settings, &inventory, &script, &reporter);
    let exit = runtime.block_on(run);
    report.finish();
    exit.map_err(|error| error.masked(reporter.secrets()))
}

/// One thread waits for all connections: the work is done on the hosts.
fn begin(settings: &Settings) -> Result<(tokio::runtime::Runtime, Report), Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Refusal::new(&error, None))?;
    Ok((runtime, Report::start(settings.output, &settings.invocation)))
}

fn show_plan(settings: &Settings, inventory: Option<&Inventory>, plan: &Plan) {
    for warning in inventory.into_iter().flat_map(|inventory| &inventory.warnings) {
        talk(&format!("warning: {warning}\n"));
    }
    match settings.output.format {
        Format::Json => print(&plan.json()),
        Format::Human => print(&plan.text(plan_width())),
    }
}

/// Writes what a project starts from: the inventory where the other tasks look for it.
fn init(options: &Options) -> Result<String, Refusal> {
    let Source::File(inventory) = settings::source(options).map_err(refused)? else {
        return Err(Refusal {
            message: "init writes an inventory, and takes no hosts".into(),
            hint: Some("leave --hosts out, or name the file to write with -i".into()),
        });
    };
    tasks::init(&inventory, options.dry_run)
}

/// Murder's own recipes, those beside the inventory, and one that was named.
fn book(options: &Options) -> Result<Book, Refusal> {
    let wrong = |error: RecipeError| Refusal::new(&error, None);
    let mut book = Book::new(TASKS.iter().map(|task| task.name.as_str()).collect());
    let beside = match settings::source(options).map_err(refused)? {
        Source::File(inventory) => inventory.parent().map(Path::to_owned).unwrap_or_default(),
        Source::Stdin | Source::Hosts(_) => PathBuf::new(),
    };
    book.add_folder(&beside.join("recipes")).map_err(wrong)?;
    if let Some(file) = &options.recipe {
        book.add_file(file).map_err(wrong)?;
    }
    Ok(book)
}

fn script(options: &Options, name: &str) -> Result<Script, Refusal> {
    let book = book(options)?;
    if !book.has(name) {
        let recipe = nearest(name, book.names()).map(str::to_owned);
        return Err(refused(CliError::UnknownTask { typed: name.to_owned(), recipe }));
    }
    Script::expand(&book, name).map_err(|error| Refusal::new(&error, None))
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

/// As wide as the terminal, within what can be read; what goes elsewhere fits the narrowest one.
fn plan_width() -> usize {
    let columns = console::Term::stdout().size_checked().map_or(80, |(_, columns)| columns);
    usize::from(columns.clamp(60, 120)) - 1
}
