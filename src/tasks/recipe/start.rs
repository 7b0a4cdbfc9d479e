//! Before a recipe is carried out: its variables, its secrets, and every mistake that can be found
//! before anything is done.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use murder_protocol::verbs::LockHolder;
use murder_protocol::{Tag, utc};

use super::super::context::Cast;
use super::fleet::Fleet;
use super::plan;
use super::variables::Variables;
use super::walk::Walk;
use crate::cli::TaskSpec;
use crate::inventory::Inventory;
use crate::plan::Plan;
use crate::recipe::{Body, FrameId, Script, Secrets, text_of};
use crate::report::Refusal;
use crate::settings::{Settings, Task, TaskName};

/// A recipe with all that it needs to be carried out.
pub(crate) struct Call<'a> {
    pub(super) walk: Walk<'a>,
    pub(super) secrets: Secrets,
    /// The release that it is called for; empty if hosts have yet to find it.
    pub(super) release: String,
    /// When it was called, as a release is named after it.
    pub(super) began: String,
    /// Every step, as it would be done.
    pub(crate) plan: Plan,
}

impl<'a> Call<'a> {
    /// Goes through everything once without doing it. What nobody may see is among `secrets` from
    /// then on.
    pub(crate) fn prepare(
        script: &'a Script,
        settings: &'a Settings,
        inventory: &'a Inventory,
        cast: &'a Cast,
        secrets: Secrets,
    ) -> Result<Self, Refusal> {
        let Task::Recipe(called) = &settings.task else {
            unreachable!("a script is called by the task of a recipe")
        };
        let refused = |error| Refusal::new(&error, None);
        let began = utc::digits(now());
        let release = began.parse::<Tag>().expect("digits are a name");
        let first = cast.peers.first().cloned();
        let variables = Variables::new(script, called, &who(), &release, first)?;
        let names = script.behind(script.no_log.keys().map(String::as_str));
        let given = variables.share(cast.all(), &names).given;
        script.hide(&given, &secrets).map_err(refused)?;
        keys(script)?;
        let host = cast.peers.first().unwrap_or(&cast.tracker);
        let scope = script.scope(FrameId::ROOT, &variables.of(host));
        // One that a step has yet to find is none so far; what else is wrong is found below.
        let release = scope.value("release").ok().flatten();
        let release = release.as_ref().map(text_of).unwrap_or_default();
        let fleet = Fleet::new(cast.peers.clone(), settings.max_fail);
        let unknown = BTreeSet::new();
        let walk = Walk { script, settings, inventory, cast, variables, fleet, unknown };
        let plan = plan::of(walk.clone(), TaskName::Recipe(called.name)).map_err(refused)?;
        let plan = plan.masked(&secrets);
        Ok(Self { walk, secrets, release, began, plan })
    }
}

/// A key that a built-in task does not take is found before anything is done.
fn keys(script: &Script) -> Result<(), Refusal> {
    for action in script.actions() {
        let Body::Task { name, with } = &action.step.body else { continue };
        let Some(spec) = TaskSpec::find(name) else { continue };
        for with in with {
            if spec.key(&with.key).is_none() {
                let known = spec.all_keys().map(|key| key.name);
                let nearest = crate::suggest::nearest(with.key.as_str(), known);
                let meant =
                    nearest.map_or_else(String::new, |key| format!(" (did you mean {key}?)"));
                let message =
                    format!("{}: the task {name} takes no key {:?}{meant}", with.at, with.key);
                let hint = Some(format!("murder {name} --help explains its keys"));
                return Err(Refusal { message, hint });
            }
        }
    }
    Ok(())
}

/// Who takes a lock.
pub(super) fn holder(recipe: &str, release: &str, seconds: u64) -> LockHolder {
    let what = match release.is_empty() {
        true => recipe.to_owned(),
        false => format!("{recipe} of {release}"),
    };
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    let chance = format!("{nanos:x}-{:x}", std::process::id());
    LockHolder { who: who(), what, chance, seconds }
}

/// Who takes a lock without a recipe.
pub(crate) fn holder_by_hand(timeout: std::time::Duration) -> LockHolder {
    holder("by hand", "", timeout.as_secs())
}

/// "ada@laptop".
pub(super) fn who() -> String {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let user = user.filter(|user| !user.is_empty());
    // A job that runs without a login has no name in its environment.
    let user = user.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    let system = rustix::system::uname();
    format!("{user}@{}", system.nodename().to_string_lossy())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
