//! Before a recipe is carried out: its variables, its secrets, and every mistake that can be found
//! before anything is done.

use std::time::{SystemTime, UNIX_EPOCH};

use murder_protocol::Tag;
use murder_protocol::verbs::LockHolder;

use super::super::context::Cast;
use super::transcript::Transcript;
use super::variables::Variables;
use crate::cli::TaskSpec;
use crate::recipe::{Body, Given, Script, Secrets};
use crate::report::{FailedHosts, Refusal};
use crate::settings::Called;

/// A recipe with all that it needs to be carried out.
pub(crate) struct Call<'a> {
    pub(super) script: &'a Script,
    pub(super) variables: Variables,
    pub(super) secrets: Secrets,
    pub(super) transcript: Transcript,
}

impl<'a> Call<'a> {
    /// Checks everything, and begins the log.
    pub(crate) fn prepare(
        script: &'a Script,
        called: &Called,
        cast: &Cast,
    ) -> Result<Self, Refusal> {
        let now = now();
        let release = timestamp(now).parse::<Tag>().expect("digits are a name");
        let first = cast.peers.first().map(AsRef::as_ref);
        let variables = Variables::new(script, called, &who(), &release, first)?;
        let given: Vec<Given> = cast.all().iter().map(|host| variables.of(host)).collect();
        let refused = |error| Refusal::new(&error, None);
        let secrets = script.secrets(&given).map_err(refused)?;
        keys(script)?;
        for given in &given {
            script.check(given).map_err(|error| {
                let refusal = refused(error);
                Refusal { message: secrets.mask(&refusal.message).into_owned(), ..refusal }
            })?;
        }
        let release = given
            .first()
            .and_then(|given| given.get("release"))
            .and_then(serde_json::Value::as_str)
            .filter(|release| !release.is_empty())
            .map_or_else(|| release.to_string(), str::to_owned);
        let folder = FailedHosts::of_environment(|name| std::env::var_os(name)).folder();
        let transcript = Transcript::begin(&folder, &script.name, &release, secrets.clone());
        Ok(Self { script, variables, secrets, transcript })
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

/// A time in UTC as Capistrano names releases after it: 20261125103000.
fn timestamp(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    // The civil calendar in eras of 400 years that begin in March, so that leap days come last.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}{month:02}{date:02}{hour:02}{minute:02}{:02}", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_named_after_the_time_in_utc() {
        assert_eq!(timestamp(0), "19700101000000");
        assert_eq!(timestamp(951_782_400), "20000229000000");
        assert_eq!(timestamp(1_795_602_600), "20261125103000");
    }
}
