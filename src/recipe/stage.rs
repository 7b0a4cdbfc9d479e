//! The stages of a deploy, as Capistrano has them. A hook is tied to one of them, or to a task.

/// Where a deploy or a rollback is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The lock is taken, and every host looked at.
    Starting,
    /// Nothing stands in the way.
    Started,
    /// The release goes to every host.
    Updating,
    /// Every host has it, and nobody uses it yet.
    Updated,
    /// A rollback looks for what it goes back to.
    Reverting,
    /// Every host has what it goes back to.
    Reverted,
    /// The fleet switches.
    Publishing,
    /// The fleet has switched.
    Published,
    /// What is left over is removed.
    Finishing,
    /// All is done.
    Finished,
    /// Something failed.
    Failed,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 11] = [
        Self::Starting,
        Self::Started,
        Self::Updating,
        Self::Updated,
        Self::Reverting,
        Self::Reverted,
        Self::Publishing,
        Self::Published,
        Self::Finishing,
        Self::Finished,
        Self::Failed,
    ];

    /// The name as a recipe has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Updating => "updating",
            Self::Updated => "updated",
            Self::Reverting => "reverting",
            Self::Reverted => "reverted",
            Self::Publishing => "publishing",
            Self::Published => "published",
            Self::Finishing => "finishing",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }

    /// The stage of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
