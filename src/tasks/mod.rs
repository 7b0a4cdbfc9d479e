//! What `murder TASK` does: one file per task, or per pair of tasks that start and stop the same
//! thing. Tasks emit events and return a value; they never print.

mod context;
mod demo;
mod distribute;
mod distribute_files;
mod doctor;
mod follow;
mod init;
mod interrupt;
mod inventory;
mod peer;
mod peering;
mod plan;
mod recipe;
mod release;
mod releases;
mod seeding;
mod sending;
mod status;
mod torrent;
mod tracker;
mod uninstall;
mod warm;
mod watch;

use murder_protocol::verbs::Which;

use crate::exit::Exit;
use crate::fleet::{Ended, HostResult};
use crate::inventory::Inventory;
use crate::plan::Plan;
use crate::recipe::{Script, Secrets};
use crate::report::{Event, Refusal, Reporter};
use crate::settings::{ReleaseWhat, Settings, Task, TaskName};
use context::{Cast, Context, Place, Stop};
pub use init::init;
use interrupt::Interrupt;

/// Carries a task out, which has to happen on a tokio runtime with IO and time. Only `demo` takes
/// no inventory.
///
/// # Errors
///
/// What was asked for can't be done, and nothing was.
pub async fn run(
    settings: &Settings,
    inventory: Option<&Inventory>,
    reporter: &Reporter,
) -> Result<Exit, Refusal> {
    if let Task::Demo(demo) = &settings.task {
        let interrupt = Interrupt::listen().map_err(here)?;
        return demo::run(settings, demo, reporter, interrupt).await;
    }
    let interrupt = Interrupt::listen().map_err(here)?;
    let Some(inventory) = inventory else { return Err(no_inventory()) };
    for warning in &inventory.warnings {
        reporter.emit(Event::Warning(warning.clone()));
    }
    let limit = settings.limit.as_deref();
    if settings.task == Task::Inventory {
        let data = inventory::data(inventory, limit, settings.output.format)?;
        reporter.emit(Event::Data(data));
        return Ok(Exit::Ok);
    }
    let cast = Cast::of(inventory, limit, &settings.task)?;
    let context = Context::new(settings, cast, reporter, interrupt, Place::Fleet).map_err(here)?;
    let ended = tokio::select! {
        biased;
        ended = carry_out(&context) => ended,
        // What is dropped lets go of its connections.
        () = context.interrupt.wait_for_another() => Err(Stop::Interrupted),
    };
    match ended {
        Ok(results) => {
            let bad = results.iter().filter(|result| result.outcome.failure().is_some()).count();
            Ok(Exit::of(bad, results.len(), settings.max_fail))
        }
        Err(Stop::Interrupted) => Ok(Exit::Interrupted),
    }
}

/// Carries a recipe out.
///
/// # Errors
///
/// As [`run`]; or the recipe can't be carried out as it was called, and nothing was done.
pub async fn run_recipe(
    settings: &Settings,
    inventory: &Inventory,
    script: &Script,
    reporter: &Reporter,
) -> Result<Exit, Refusal> {
    let Task::Recipe(called) = &settings.task else { return Ok(Exit::Ok) };
    let interrupt = Interrupt::listen().map_err(here)?;
    for warning in &inventory.warnings {
        reporter.emit(Event::Warning(warning.clone()));
    }
    let cast = Cast::of(inventory, settings.limit.as_deref(), &settings.task)?;
    let secrets = reporter.secrets().clone();
    let call = recipe::Call::prepare(script, settings, inventory, &cast, secrets)?;
    let context = Context::new(settings, cast.clone(), reporter, interrupt, Place::Fleet);
    let context = context.map_err(here)?;
    let ended = tokio::select! {
        biased;
        ended = recipe::run(&context, call, called.name) => ended,
        () = context.interrupt.wait_for_another() => Err(Stop::Interrupted),
    };
    match ended {
        Ok(exit) => Ok(exit),
        Err(Stop::Interrupted) => Ok(Exit::Interrupted),
    }
}

/// What a recipe would do. Connects nowhere. What nobody may see is among `secrets` from then on.
///
/// # Errors
///
/// As [`run_recipe`].
pub fn plan_recipe(
    settings: &Settings,
    inventory: &Inventory,
    script: &Script,
    secrets: &Secrets,
) -> Result<Plan, Refusal> {
    let cast = Cast::of(inventory, settings.limit.as_deref(), &settings.task)?;
    let secrets = secrets.clone();
    recipe::Call::prepare(script, settings, inventory, &cast, secrets).map(|call| call.plan)
}

/// What a task would do. Connects nowhere.
///
/// # Errors
///
/// As [`run`].
pub fn plan(settings: &Settings, inventory: Option<&Inventory>) -> Result<Plan, Refusal> {
    if let Task::Demo(demo) = &settings.task {
        return Ok(demo::plan(demo));
    }
    let Some(inventory) = inventory else { return Err(no_inventory()) };
    let cast = Cast::of(inventory, settings.limit.as_deref(), &settings.task)?;
    Ok(plan::of(settings, &cast))
}

fn here(error: std::io::Error) -> Refusal {
    Refusal { message: format!("this machine: {error}"), hint: None }
}

fn no_inventory() -> Refusal {
    Refusal {
        message: "there is no inventory".into(),
        hint: Some("name one with -i, or hosts with --hosts".into()),
    }
}

async fn carry_out(context: &Context) -> Result<Vec<HostResult>, Stop> {
    let one = |tagged: &crate::settings::Tagged| Which::Tag(tagged.tag.clone());
    match &context.settings.task {
        Task::DistributeFiles => distribute_files::run(context).await.map(results),
        Task::StartTracker => tracker::start(context).await.map(results),
        Task::StopTracker => tracker::stop(context).await.map(results),
        Task::CreateTorrent(create) => torrent::create(context, create).await.map(results),
        Task::DownloadTorrent(tagged) => torrent::download(context, tagged).await.map(results),
        Task::StartSeeding(tagged) => seeding::start(context, tagged).await.map(results),
        Task::StopSeeding(tagged) => {
            seeding::stop(context, TaskName::StopSeeding, one(tagged)).await.map(results)
        }
        Task::StopAllSeeding => {
            seeding::stop(context, TaskName::StopAllSeeding, Which::All).await.map(results)
        }
        Task::Peer(peer) => peer::run(context, peer, context.cast.peers.clone()).await,
        Task::StopPeering(tagged) => {
            peering::stop(context, TaskName::StopPeering, one(tagged)).await.map(results)
        }
        Task::StopAllPeering => {
            peering::stop(context, TaskName::StopAllPeering, Which::All).await.map(results)
        }
        Task::Warm(wanted) => warm::run(context, *wanted).await.map(results),
        Task::Cool => warm::cool(context).await.map(results),
        Task::CleanTempFiles(clean) => peering::clean(context, clean).await.map(results),
        Task::Distribute(distribute) => distribute::run(context, distribute).await,
        Task::Status(wanted) => status::run(context, wanted).await.map(results),
        Task::Attach(wanted) => peer::attach(context, wanted).await,
        Task::Logs(wanted) => status::logs(context, wanted).await.map(results),
        Task::Uninstall => uninstall::run(context).await.map(results),
        Task::Doctor(doctor) => doctor::run(context, doctor).await,
        Task::Release(task) => match task.what {
            ReleaseWhat::Lock => {
                let holder = recipe::holder_by_hand(context.settings.timeout);
                releases::lock(context, task, holder).await.map(results)
            }
            ReleaseWhat::Unlock => releases::unlock(context, task, None).await.map(results),
            _ => releases::run(context, task).await.map(results),
        },
        // These need no host.
        _ => Ok(Vec::new()),
    }
}

fn results<T>(ends: Vec<Ended<T>>) -> Vec<HostResult> {
    ends.into_iter().map(|end| end.result).collect()
}
