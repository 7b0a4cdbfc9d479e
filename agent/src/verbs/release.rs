//! `release`: one order about the releases on this host.

use murder_protocol::Failure;
use murder_protocol::verbs::{Release, ReleaseDone};

use super::Replies;
use crate::home::Home;
use crate::release::carry_out;
use crate::status::unix_now;

pub(super) fn run(
    request: Release,
    _: &Home,
    _: &mut Replies<Release>,
) -> Result<ReleaseDone, Failure> {
    carry_out(&request.order, unix_now())
}
