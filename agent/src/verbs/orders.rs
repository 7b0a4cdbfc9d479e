//! `hand-out`, `release-out` and `switch-out`: what the tracker on this host gives agents that wait
//! to do.

use std::time::Duration;

use murder_protocol::verbs::{
    HandOut, HandOutReply, ReleaseOut, ReleaseOutReply, SwitchOut, SwitchOutReply, Verb,
};
use murder_protocol::{Blame, Failure, Frame};

use super::Replies;
use crate::home::Home;
use crate::tracker::admin::AdminRequest;
use crate::tracker::ask::{Asking, ask};

pub(super) fn hand_out(
    request: HandOut,
    home: &Home,
    replies: &mut Replies<HandOut>,
) -> Result<HandOutReply, Failure> {
    let tracker = Asking::begin(home, &AdminRequest::HandOut(request))?;
    Ok(pass_on(tracker, JOBS, replies)?.unwrap_or(HandOutReply {}))
}

pub(super) fn release_out(
    request: ReleaseOut,
    home: &Home,
    replies: &mut Replies<ReleaseOut>,
) -> Result<ReleaseOutReply, Failure> {
    let patience = Duration::from_secs(request.seconds) + MARGIN;
    let tracker = Asking::begin(home, &AdminRequest::ReleaseOut(request))?;
    Ok(pass_on(tracker, patience, replies)?.unwrap_or(ReleaseOutReply {}))
}

pub(super) fn switch_out(
    request: SwitchOut,
    home: &Home,
    _: &mut Replies<SwitchOut>,
) -> Result<SwitchOutReply, Failure> {
    ask(home, &AdminRequest::SwitchOut(request))
}

/// Passes on what became of each; no reply if nobody listens any more.
fn pass_on<V: Verb>(
    mut tracker: Asking,
    patience: Duration,
    replies: &mut Replies<V>,
) -> Result<Option<V::Reply>, Failure> {
    tracker.be_patient(patience).map_err(|error| ended(&error.to_string()))?;
    loop {
        match tracker.frame() {
            Ok(Some(Frame::Event(event))) => {
                if replies.event(event).is_err() {
                    return Ok(None);
                }
            }
            Ok(Some(Frame::Reply(reply))) => return Ok(Some(reply)),
            Ok(Some(Frame::Failed(failure))) => return Err(failure),
            Ok(None) => return Err(ended("it closed the connection")),
            Err(error) => return Err(ended(&error.to_string())),
        }
    }
}

fn ended(why: &str) -> Failure {
    let text = format!("the tracker ended while agents answered: {why}");
    Failure::new(Blame::Host, text)
}

/// Longer than the tracker waits for any agent.
const JOBS: Duration = Duration::from_secs(60);
const MARGIN: Duration = Duration::from_secs(10);
