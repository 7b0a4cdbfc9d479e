//! A release that a peer is to bring: whether it is there already, and what is noted in its tree.

use std::path::Path;

use murder_protocol::verbs::Destination;
use murder_protocol::{Failure, Tag};
use murder_swarm::wire::ContentHash;

use super::error::ReleaseError;
use super::layout::Layout;
use super::marker::{self, Marker};
use crate::blamed::Blamed as _;

/// A release on its way to `deploy_to/releases/RELEASE`.
#[derive(Debug)]
pub(crate) struct Arrival {
    layout: Layout,
    release: Tag,
    content: String,
}

/// What is there of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It has to be brought.
    Nothing,
    /// It is complete, and has the same content.
    Whole,
}

impl Arrival {
    /// None if the destination is not meant as a release.
    pub(crate) fn at(to: &Destination, content: ContentHash) -> Result<Option<Self>, Failure> {
        if !to.as_release {
            return Ok(None);
        }
        let content = content.to_string();
        let (layout, release) = find(&to.path).map_err(|error| error.failure())?;
        Ok(Some(Self { layout, release, content }))
    }

    /// Refuses a complete release of the name that has something else in it.
    pub(crate) fn look(&self) -> Result<Found, Failure> {
        let Some(there) = Marker::read(&self.layout, &self.release) else {
            return Ok(Found::Nothing);
        };
        if there.content.as_ref() == Some(&self.content) {
            return Ok(Found::Whole);
        }
        let (release, folder) = (self.release.clone(), self.layout.releases());
        Err(ReleaseError::OtherContent { release, folder }.failure())
    }

    /// Says in the tree, which is still beside its place, what it is.
    pub(crate) fn note(&self, tree: &Path) -> Result<(), Failure> {
        marker::note_content(tree, self.content.clone()).map_err(|error| error.failure())
    }
}

fn find(path: &str) -> Result<(Layout, Tag), ReleaseError> {
    let parts = path.trim_end_matches('/').rsplit_once("/releases/");
    let named = parts.and_then(|(root, name)| Some((root, name.parse().ok()?)));
    let (root, release) = named.ok_or_else(|| ReleaseError::NoRelease(path.into()))?;
    Ok((Layout::at(root)?, release))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Host;
    use super::*;

    fn arrival(host: &Host, release: &str, content: u8) -> Arrival {
        let path = host.path("releases").join(release).to_str().unwrap().to_owned();
        let (unsafe_please_delete, keep_owner, as_release) = (false, false, true);
        let to = Destination { path, unsafe_please_delete, keep_owner, as_release };
        Arrival::at(&to, ContentHash([content; 20])).unwrap().unwrap()
    }

    #[test]
    fn a_release_that_is_staged_is_as_good_as_a_new_one_of_the_same_content() {
        let host = Host::new();
        let first = arrival(&host, "r1", 1);
        assert_eq!(first.look(), Ok(Found::Nothing));
        let tree = host.tree("r1");
        first.note(&tree).unwrap();
        assert_eq!(first.look(), Ok(Found::Nothing), "it is not complete");
        host.staged("r1", 7);
        assert_eq!(arrival(&host, "r1", 1).look(), Ok(Found::Whole));
        assert_eq!(
            arrival(&host, "r1", 2).look().unwrap_err().to_string().replace(&host.deploy_to(), ""),
            "the release r1 in /releases is there already with other content (give the new \
             release another name)"
        );
    }

    #[test]
    fn one_of_which_nobody_knows_where_it_came_from_is_another_one() {
        let host = Host::new();
        host.staged("r1", 7);
        assert!(arrival(&host, "r1", 1).look().is_err());
    }

    #[test]
    fn a_path_that_is_no_release_s_is_refused() {
        for path in ["/srv/app/r1", "/srv/releases/", "/srv/releases/a/b", "/releases/r1"] {
            assert!(find(path).is_err(), "{path}");
        }
        assert!(find("/srv/app/releases/r1/").is_ok());
    }
}
