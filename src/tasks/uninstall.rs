//! `uninstall`: no file and no process of ours stays on the hosts.

use std::sync::Arc;

use murder_protocol::verbs::Uninstall;

use super::context::{Context, Stop};
use crate::fleet::{Done, Ended, Job, Outcome};
use crate::inventory::Host;
use crate::settings::TaskName;
use crate::ssh::{CallError, Unanswered};

/// Stops every agent and removes its folder.
pub(super) async fn run(context: &Context) -> Result<Vec<Ended<()>>, Stop> {
    let hosts = context.cast.named.clone();
    context
        .on_hosts(TaskName::Uninstall, hosts, context.quick(), |host| remove(context.clone(), host))
        .await
}

async fn remove(context: Context, host: Arc<Host>) -> Job<()> {
    match context.call(&host, &Uninstall {}).await {
        Ok(reply) if reply.stopped.is_empty() => {
            Ok(Done::with(format!("removed {}", reply.removed)))
        }
        Ok(reply) => {
            let stopped = reply.stopped.join(", ");
            Ok(Done::with(format!("stopped {stopped}; removed {}", reply.removed)))
        }
        Err(Unanswered::Call(CallError::NoAgent(_))) => {
            Err(Outcome::Skipped("no agent is there".into()))
        }
        Err(error) => Err(error.into()),
    }
}
