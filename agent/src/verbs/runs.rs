//! `torrent-register`, `run-open` and `run-list`: what the tracker on this host is asked.

use murder_protocol::Failure;
use murder_protocol::verbs::{
    RegisterReply, RunList, RunListReply, RunOpen, RunReply, TorrentRegister,
};

use crate::home::Home;
use crate::tracker::admin::AdminRequest;
use crate::tracker::ask::ask;
use crate::verbs::Replies;

pub(super) fn register(
    request: TorrentRegister,
    home: &Home,
    _: &mut Replies<TorrentRegister>,
) -> Result<RegisterReply, Failure> {
    ask(home, &AdminRequest::Register(request))
}

pub(super) fn open(
    request: RunOpen,
    home: &Home,
    _: &mut Replies<RunOpen>,
) -> Result<RunReply, Failure> {
    ask(home, &AdminRequest::Open(request))
}

pub(super) fn list(
    request: RunList,
    home: &Home,
    _: &mut Replies<RunList>,
) -> Result<RunListReply, Failure> {
    ask(home, &AdminRequest::List(request))
}
