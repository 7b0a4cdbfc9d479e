//! Releases on a host, and what it is to do with them.
//!
//! `deploy_to` is laid out as Capistrano has it: `releases/RELEASE`, `current` as a link to one of
//! them, `shared/` for what outlives a release, `revisions.log`. A release is complete once its
//! marker is there, which is written last. Whatever has none is never counted and never switched
//! to.

use serde::{Deserialize, Serialize};

use crate::{Failure, RunId, Tag};

/// What a host is to do with its releases. The same by SSH and through the tracker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseOrder {
    /// Say what is there. Changes nothing.
    List(ReleaseList),
    /// Say whether a release could go here. Changes nothing.
    Check(ReleaseCheck),
    /// Say whether a release is here whole. Changes nothing.
    Prove(ReleaseProve),
    /// Make the folders that are missing, and set a half-made release of this name aside.
    Prepare(ReleaseCheck),
    /// Link what is shared into a release whose tree is in place, and mark it as complete. One
    /// that is complete stays as it is.
    Stage(ReleaseStage),
    /// Let `current` be a release that is complete.
    Switch(ReleaseSwitch),
    /// Remove complete releases but for the latest so many.
    CleanUp(ReleaseCleanUp),
    /// Keep what is there of a release that failed apart, in place of the one kept before.
    SetAside(ReleaseSetAside),
}

/// [`ReleaseOrder::List`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseList {
    /// Where the application is; `~/` is the home of the user that logs in.
    pub deploy_to: String,
}

/// [`ReleaseOrder::Check`] and [`ReleaseOrder::Prepare`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseCheck {
    /// Where the application is.
    pub deploy_to: String,
    /// The release that is to come.
    pub release: Tag,
    /// Files below `shared/` that each release links to; each has to be there.
    pub linked_files: Vec<String>,
    /// Folders below `shared/` that each release links to; those that are missing are made.
    pub linked_dirs: Vec<String>,
}

/// [`ReleaseOrder::Prove`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseProve {
    /// Where the application is.
    pub deploy_to: String,
    /// Which release; without it the one that was current before.
    pub release: Option<Tag>,
}

/// [`ReleaseOrder::Stage`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseStage {
    /// Where the application is.
    pub deploy_to: String,
    /// Which release.
    pub release: Tag,
    /// What it was made from, for its `REVISION`: a commit's name, or the release's own.
    pub revision: String,
    /// Files below `shared/` that it links to.
    pub linked_files: Vec<String>,
    /// Folders below `shared/` that it links to.
    pub linked_dirs: Vec<String>,
}

/// [`ReleaseOrder::Switch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseSwitch {
    /// Where the application is.
    pub deploy_to: String,
    /// Which release.
    pub release: Tag,
    /// Who switches, for `revisions.log`: "ada@laptop".
    pub by: String,
    /// Why, for `revisions.log`.
    pub why: SwitchKind,
}

/// Why a host switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchKind {
    /// To a release that is new.
    Deploy,
    /// To one from before.
    Rollback,
}

/// [`ReleaseOrder::CleanUp`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseCleanUp {
    /// Where the application is.
    pub deploy_to: String,
    /// How many complete releases stay. `current` and the one before it stay in any case.
    pub keep: u32,
}

/// [`ReleaseOrder::SetAside`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseSetAside {
    /// Where the application is.
    pub deploy_to: String,
    /// Which release. One that is `current` stays.
    pub release: Tag,
    /// What happened, kept beside it.
    pub why: String,
}

/// What an order did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseDone {
    /// What was done, or with [`ReleaseOrder::Check`] would be: "links log and .env". Empty if
    /// nothing had to be.
    pub did: Vec<String>,
    /// What is there afterwards.
    pub releases: Releases,
    /// What did not work and does not matter for now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The releases of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releases {
    /// The one that `current` leads to, complete or not.
    pub current: Option<Tag>,
    /// When `current` was switched to it last, in seconds since 1970-01-01 UTC, if
    /// `revisions.log` says so.
    #[serde(default)]
    pub current_since_unix: Option<u64>,
    /// The complete one that was current before, by `revisions.log`: where a rollback leads.
    pub previous: Option<Tag>,
    /// Those that are complete, oldest first.
    pub complete: Vec<ReleaseEntry>,
    /// Those that have no marker.
    pub incomplete: Vec<Tag>,
    /// The failed one that was kept apart.
    pub failed: Option<Tag>,
}

/// A complete release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseEntry {
    /// Its name.
    pub release: Tag,
    /// What it was made from.
    pub revision: String,
    /// When it was complete, in seconds since 1970-01-01 UTC.
    pub staged_unix: u64,
    /// When it first was current; one that never was is only staged.
    pub switched_unix: Option<u64>,
}

/// `release`: one order, by SSH.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Release {
    /// What to do.
    pub order: ReleaseOrder,
}

/// `release-out`: orders for agents that wait, through the tracker. It ends when each has its
/// event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReleaseOut {
    /// One order a host.
    pub orders: Vec<HostOrder>,
    /// How long a host may take, in seconds.
    pub seconds: u64,
}

/// An order and who it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostOrder {
    /// The inventory's name for the host.
    pub host: String,
    /// What it is to do.
    pub order: ReleaseOrder,
}

/// What became of one order of a [`ReleaseOut`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedOut {
    /// The inventory's name for the host.
    pub host: String,
    /// What its agent did.
    pub end: OrderEnd,
}

/// What an agent that waits does with an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderEnd {
    /// It was carried out.
    Done(ReleaseDone),
    /// It can't be.
    Refused(Failure),
    /// Nobody waits there, or does not answer.
    Silent,
}

/// The end of a [`ReleaseOut`]: each order had its event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReleaseOutReply {}

/// `switch-out`: the one word on which every host switches. The tracker gives it to the agents
/// that wait, each once, and keeps what becomes of it as a run that can be watched, whether or not
/// the workstation stays. Where agents are missing that may not be, it tells nobody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SwitchOut {
    /// The release, which names the run.
    pub release: Tag,
    /// So many hosts may have no agent that waits.
    pub may_miss: usize,
    /// One order a host.
    pub orders: Vec<SwitchOrder>,
}

/// One host's part in a [`SwitchOut`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchOrder {
    /// The inventory's name for the host.
    pub host: String,
    /// What it switches.
    pub switch: ReleaseSwitch,
}

/// The answer to [`SwitchOut`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchOutReply {
    /// Every agent that waits was told. The run is to be watched.
    Told(RunId),
    /// Nobody was told, since no agent waits on these hosts.
    Withheld(Vec<MissingHost>),
}

/// A host that can't be told to switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingHost {
    /// The inventory's name for the host.
    pub host: String,
    /// Why not.
    pub failure: Failure,
}

/// `deploy-lock`: takes the lock of an application, at the tracker's host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeployLock {
    /// What is locked: the application's `deploy_to` as the recipe has it.
    pub application: String,
    /// Who takes it, and what for.
    pub holder: LockHolder,
}

/// `deploy-unlock`: gives a lock back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeployUnlock {
    /// What is locked.
    pub application: String,
    /// Only if the holder's word of chance is this one; without it whoever holds it.
    pub chance: Option<String>,
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// "ada@laptop".
    pub who: String,
    /// What is being done: "deploy of 20261125103000".
    pub what: String,
    /// Unlike that of any other holder.
    pub chance: String,
    /// How long it may take, in seconds. After that the lock is called stale.
    pub seconds: u64,
}

/// Whether the lock was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployLockReply {
    /// It is the asker's.
    Taken,
    /// Somebody else has it.
    Held(HeldLock),
}

/// What was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployUnlockReply {
    /// The lock that is gone, if there was one.
    pub released: Option<HeldLock>,
}

/// A lock that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLock {
    /// By whom.
    pub holder: LockHolder,
    /// For how long, in seconds.
    pub held_seconds: u64,
}
