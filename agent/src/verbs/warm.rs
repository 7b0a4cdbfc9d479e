//! `warm-start` and `warm-stop`: the agent that waits on this host. `warm-expect`, `warm-forget`
//! and `hand-out`: what the tracker on this host is told of such agents.

use std::time::Duration;

use murder_protocol::Failure;
use murder_protocol::verbs::{
    HandOut, HandOutReply, Role, StopReply, WarmExpect, WarmExpected, WarmForget, WarmForgotten,
    WarmReply, WarmStart, WarmStop,
};
use murder_protocol::{Blame, Frame};

use super::Replies;
use super::stop::stop_all;
use crate::blamed::Blamed as _;
use crate::home::Home;
use crate::tracker::admin::AdminRequest;
use crate::tracker::ask::{Asking, ask};
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

/// Passes on what became of each job.
pub(super) fn hand_out(
    request: HandOut,
    home: &Home,
    replies: &mut Replies<HandOut>,
) -> Result<HandOutReply, Failure> {
    let ended = |why: &str| {
        Failure::new(Blame::Host, format!("the tracker ended while it handed out jobs: {why}"))
    };
    let mut tracker = Asking::begin(home, &AdminRequest::HandOut(request))?;
    tracker.be_patient(HANDING_OUT).map_err(|error| ended(&error.to_string()))?;
    loop {
        match tracker.frame::<_, HandOutReply>() {
            Ok(Some(Frame::Event(event))) => {
                if replies.event(event).is_err() {
                    return Ok(HandOutReply {});
                }
            }
            Ok(Some(Frame::Reply(reply))) => return Ok(reply),
            Ok(Some(Frame::Failed(failure))) => return Err(failure),
            Ok(None) => return Err(ended("it closed the connection")),
            Err(error) => return Err(ended(&error.to_string())),
        }
    }
}

/// It tries each of the tracker's addresses, of which one that leads nowhere takes three seconds.
const PATIENCE: Duration = Duration::from_secs(40);

/// Longer than the tracker waits for any agent.
const HANDING_OUT: Duration = Duration::from_secs(60);
