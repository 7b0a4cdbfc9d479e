//! Who is tracker, seeder and peer: the groups of those names, and the original's choice where
//! there is no such group.

use super::error::{InventoryError, Problem};
use super::{GroupInfo, Groups, Host};

/// Who does what, as indices into the inventory's hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// The tracker.
    pub tracker: usize,
    /// The seeder.
    pub seeder: usize,
    /// The peers, in file order.
    pub peers: Vec<usize>,
    /// Which of the three are groups in the inventory; the others are chosen.
    pub given: Given,
}

/// Which roles the inventory has groups for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// There is a group `tracker`.
    pub tracker: bool,
    /// There is a group `seeder`.
    pub seeder: bool,
    /// There is a group `peer`.
    pub peer: bool,
}

impl Roles {
    /// Without a group `peer` every host is one, less those with `no_release`. Without a group
    /// `tracker` or `seeder` it is the first peer.
    pub(super) fn of(file: &str, hosts: &[Host], groups: &Groups) -> Result<Self, InventoryError> {
        let peers = match groups.get("peer") {
            Some(group) => members("peer", group)?.to_vec(),
            None => (0..hosts.len()).filter(|&id| !hosts[id].no_release()).collect(),
        };
        let Some(&first) = peers.first() else {
            return Err(InventoryError::whole(file, Problem::NoPeers));
        };
        let one = |role: &'static str| match groups.get(role) {
            None => Ok(first),
            Some(group) => match members(role, group)? {
                &[only] => Ok(only),
                several => Err(InventoryError::at(
                    group.place.clone(),
                    Problem::SeveralFor { role, hosts: several.len() },
                )),
            },
        };
        Ok(Self {
            tracker: one("tracker")?,
            seeder: one("seeder")?,
            peers,
            given: Given {
                tracker: groups.contains_key("tracker"),
                seeder: groups.contains_key("seeder"),
                peer: groups.contains_key("peer"),
            },
        })
    }
}

fn members<'a>(role: &'static str, group: &'a GroupInfo) -> Result<&'a [usize], InventoryError> {
    match group.members.as_slice() {
        [] => Err(InventoryError::at(group.place.clone(), Problem::EmptyRole(role))),
        members => Ok(members),
    }
}
