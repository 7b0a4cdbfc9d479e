//! Releases on this host: `releases/RELEASE`, `current`, `shared/` and `revisions.log`.
//!
//! [`carry_out`] does what an order says, whether it came by SSH or through the tracker. A release
//! is complete once its marker is there (`marker.rs`). That is written last, when the tree and its
//! links are on the disk, so no crash leaves a half-made release that looks like a whole one.

mod arrive;
mod clean;
mod error;
mod history;
mod layout;
mod links;
mod lock;
mod look;
mod marker;
mod prepare;
mod stage;
mod switch;
#[cfg(test)]
mod testing;

use murder_protocol::Failure;
use murder_protocol::verbs::{ReleaseDone, ReleaseOrder};

use crate::blamed::Blamed as _;
use error::ReleaseError;
use layout::Layout;
use look::look;

pub(crate) use arrive::{Arrival, Found};
pub(crate) use marker::MARKER;

/// Does what the order says; `now` is in seconds since 1970-01-01 UTC.
///
/// Orders that change something take turns: one that can't have its turn within seconds fails.
pub fn carry_out(order: &ReleaseOrder, now: u64) -> Result<ReleaseDone, Failure> {
    attempt(order, now).map_err(|error| error.failure())
}

fn attempt(order: &ReleaseOrder, now: u64) -> Result<ReleaseDone, ReleaseError> {
    let layout = Layout::at(deploy_to(order))?;
    let done = match order {
        ReleaseOrder::List(_) => Done::default(),
        ReleaseOrder::Prove(wanted) => switch::prove_wanted(&layout, wanted.release.as_ref())?,
        ReleaseOrder::Check(check) => prepare::check(&layout, check)?,
        ReleaseOrder::Prepare(check) => prepare::prepare(&layout, check, now)?,
        ReleaseOrder::Stage(stage) => stage::stage(&layout, stage, now)?,
        ReleaseOrder::Switch(switch) => switch::switch(&layout, switch, now)?,
        ReleaseOrder::CleanUp(clean) => clean::clean_up(&layout, clean.keep)?,
        ReleaseOrder::SetAside(aside) => {
            clean::set_aside_unless_current(&layout, &aside.release, &aside.why, now)?
        }
    };
    Ok(ReleaseDone { did: done.did, releases: look(&layout)?, warnings: done.warnings })
}

fn deploy_to(order: &ReleaseOrder) -> &str {
    match order {
        ReleaseOrder::List(it) => &it.deploy_to,
        ReleaseOrder::Check(it) | ReleaseOrder::Prepare(it) => &it.deploy_to,
        ReleaseOrder::Prove(it) => &it.deploy_to,
        ReleaseOrder::Stage(it) => &it.deploy_to,
        ReleaseOrder::Switch(it) => &it.deploy_to,
        ReleaseOrder::CleanUp(it) => &it.deploy_to,
        ReleaseOrder::SetAside(it) => &it.deploy_to,
    }
}

/// What an order did, in sentences for a person.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    did: Vec<String>,
    warnings: Vec<String>,
}

impl Done {
    fn did(&mut self, what: String) {
        self.did.push(what);
    }

    fn warn(&mut self, what: String) {
        self.warnings.push(what);
    }
}
