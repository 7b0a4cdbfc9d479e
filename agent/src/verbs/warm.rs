//! `warm-start` and `warm-stop`: the agent that waits on this host. `warm-expect`, `warm-forget`:
//! what the tracker on this host is told of such agents.

use std::time::Duration;

use murder_protocol::Failure;
use murder_protocol::verbs::{
    Role, StopReply, WarmExpect, WarmExpected, WarmForget, WarmForgotten, WarmReply, WarmStart,
    WarmStop,
};

use super::Replies;
use super::stop::stop_all;
use crate::blamed::Blamed as _;
use crate::home::Home;
use crate::tracker::admin::AdminRequest;
use crate::tracker::ask::ask;
use crate::{detach, lock};

/// One that waits already makes way for the new one, which has another end and maybe another
/// tracker.
pub(super) fn start(
    request: WarmStart,
    home: &Home,
    _: &mut Replies<WarmStart>,
) -> Result<WarmReply, Failure> {
    let before =
        lock::stop(home, Role::Warm, None, lock::GRACE).map_err(|error| error.failure())?;
    let ready = detach::spawn::<()>(Role::Warm, &request, PATIENCE)?;
    Ok(WarmReply { renewed: before.is_some(), pid: ready.pid })
}

pub(super) fn stop(
    _: WarmStop,
    home: &Home,
    _: &mut Replies<WarmStop>,
) -> Result<StopReply, Failure> {
    let stopped = stop_all(home, vec![(Role::Warm, None)])?;
    Ok(StopReply { stopped: stopped.iter().map(|_| "the agent that waited".to_owned()).collect() })
}

pub(super) fn expect(
    request: WarmExpect,
    home: &Home,
    _: &mut Replies<WarmExpect>,
) -> Result<WarmExpected, Failure> {
    ask(home, &AdminRequest::Expect(request))
}

pub(super) fn forget(
    request: WarmForget,
    home: &Home,
    _: &mut Replies<WarmForget>,
) -> Result<WarmForgotten, Failure> {
    ask(home, &AdminRequest::Forget(request))
}

/// It tries each of the tracker's addresses, of which one that leads nowhere takes three seconds.
const PATIENCE: Duration = Duration::from_secs(40);
