//! `exec`: one command of the operator.

use murder_protocol::Failure;
use murder_protocol::verbs::{Exec, ExecReply};

use super::Replies;
use crate::home::Home;

pub(super) fn run(
    request: Exec,
    _: &Home,
    replies: &mut Replies<Exec>,
) -> Result<ExecReply, Failure> {
    crate::exec::run(&request, |event| replies.event(event))
}
