//! `distribute_files`: the agent that fits each host, where it is not there yet.

use std::sync::Arc;

use super::context::{Context, Stop};
use crate::fleet::{Done, Ended, Job, Outcome};
use crate::inventory::Host;
use crate::report::{Event, units};
use crate::settings::TaskName;
use crate::ssh::Installed;

/// Pushes the agents.
pub(super) async fn run(context: &Context) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = context.cast.all();
    context
        .on_hosts(TaskName::DistributeFiles, hosts, context.limits(), |host| {
            push(context.clone(), host)
        })
        .await
}

async fn push(context: Context, host: Arc<Host>) -> Job<()> {
    let connection = context.open(&host).await?;
    let pushing = |bytes: u64| {
        let text = format!("pushes the agent ({})", units::bytes(bytes));
        context.reporter.emit(Event::Step { host: host.name.clone(), text });
    };
    match connection.install(&context.agents, pushing).await? {
        Installed::AlreadyThere => Err(Outcome::Skipped("already there".into())),
        Installed::Pushed(bytes) => Ok(Done::with(format!("pushed {}", units::bytes(bytes)))),
    }
}
