//! A host with an application, for this module's tests.

use std::path::PathBuf;

use murder_protocol::verbs::{
    ReleaseCheck, ReleaseCleanUp, ReleaseDone, ReleaseList, ReleaseOrder, ReleaseSetAside,
    ReleaseStage, ReleaseSwitch, Releases, SwitchKind,
};
use murder_protocol::{Failure, Tag};

use super::carry_out;
use super::error::ReleaseError;
use super::layout::Layout;
use crate::blamed::Blamed as _;

/// `deploy_to` is there, and empty.
pub(super) struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn deploy_to(&self) -> String {
        self.dir.path().to_str().unwrap().to_owned()
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::at(&self.deploy_to()).unwrap()
    }

    /// A tree as a peer puts it in place.
    pub(super) fn tree(&self, release: &str) -> PathBuf {
        let path = self.path("releases").join(release);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("file"), release).unwrap();
        path
    }

    /// A complete release, staged at this time.
    pub(super) fn staged(&self, release: &str, now: u64) {
        self.tree(release);
        self.order(&ReleaseOrder::Stage(self.stage(release)), now).unwrap();
    }

    /// A complete release that was switched to.
    pub(super) fn deployed(&self, release: &str, now: u64) {
        self.staged(release, now);
        self.order(&ReleaseOrder::Switch(self.switch(release)), now).unwrap();
    }

    pub(super) fn check(&self, release: &str) -> ReleaseCheck {
        ReleaseCheck {
            deploy_to: self.deploy_to(),
            release: tag(release),
            linked_files: Vec::new(),
            linked_dirs: Vec::new(),
        }
    }

    pub(super) fn stage(&self, release: &str) -> ReleaseStage {
        ReleaseStage {
            deploy_to: self.deploy_to(),
            release: tag(release),
            revision: format!("revision-of-{release}"),
            linked_files: Vec::new(),
            linked_dirs: Vec::new(),
        }
    }

    pub(super) fn switch(&self, release: &str) -> ReleaseSwitch {
        switch(&self.deploy_to(), release)
    }

    pub(super) fn roll_back(&self, release: &str, now: u64) {
        let switch = ReleaseSwitch { why: SwitchKind::Rollback, ..self.switch(release) };
        self.order(&ReleaseOrder::Switch(switch), now).unwrap();
    }

    pub(super) fn clean_up(&self, keep: u32) -> ReleaseDone {
        let clean = ReleaseCleanUp { deploy_to: self.deploy_to(), keep };
        self.order(&ReleaseOrder::CleanUp(clean), 0).unwrap()
    }

    pub(super) fn set_aside(&self, release: &str, why: &str) -> ReleaseDone {
        let (deploy_to, release) = (self.deploy_to(), tag(release));
        let order = ReleaseSetAside { deploy_to, release, why: why.to_owned() };
        self.order(&ReleaseOrder::SetAside(order), 0).unwrap()
    }

    pub(super) fn list(&self) -> Releases {
        let list = ReleaseOrder::List(ReleaseList { deploy_to: self.deploy_to() });
        self.order(&list, 0).unwrap().releases
    }

    /// The names of the complete ones.
    pub(super) fn complete(&self) -> Vec<String> {
        self.list().complete.into_iter().map(|entry| entry.release.into()).collect()
    }

    pub(super) fn order(&self, order: &ReleaseOrder, now: u64) -> Result<ReleaseDone, Failure> {
        carry_out(order, now)
    }

    /// The refusal of an order, with paths below `deploy_to`.
    pub(super) fn refusal(&self, order: &ReleaseOrder) -> String {
        self.short(&self.order(order, 0).unwrap_err())
    }

    pub(super) fn told<T>(&self, result: Result<T, ReleaseError>) -> Result<T, String> {
        result.map_err(|error| self.short(&error.failure()))
    }

    fn short(&self, failure: &Failure) -> String {
        failure.to_string().replace(&self.deploy_to(), "")
    }
}

pub(super) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

pub(super) fn switch(deploy_to: &str, release: &str) -> ReleaseSwitch {
    ReleaseSwitch {
        deploy_to: deploy_to.to_owned(),
        release: tag(release),
        by: "ada@laptop".to_owned(),
        why: SwitchKind::Deploy,
    }
}
