//! The connections of a torrent.

use super::ConnId;
use super::conn::Conn;

/// A few dozen connections in the order of their ids, one beside the other: every decision looks at
/// all of them. The ids lie apart, so that looking for one does not touch the others.
#[derive(Default)]
pub(super) struct Conns {
    ids: Vec<ConnId>,
    conns: Vec<Conn>,
}

impl Conns {
    /// Adds the one with the highest id so far.
    pub(super) fn add(&mut self, conn: Conn) {
        debug_assert!(self.ids.last().is_none_or(|last| *last < conn.id), "ids only rise");
        self.ids.push(conn.id);
        self.conns.push(conn);
    }

    pub(super) fn remove(&mut self, id: &ConnId) -> Option<Conn> {
        let place = self.place(id)?;
        self.ids.remove(place);
        Some(self.conns.remove(place))
    }

    pub(super) fn get(&self, id: &ConnId) -> Option<&Conn> {
        self.place(id).map(|place| &self.conns[place])
    }

    pub(super) fn get_mut(&mut self, id: &ConnId) -> Option<&mut Conn> {
        self.place(id).map(|place| &mut self.conns[place])
    }

    pub(super) fn contains(&self, id: &ConnId) -> bool {
        self.place(id).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn ids(&self) -> &[ConnId] {
        &self.ids
    }

    pub(super) fn values(&self) -> std::slice::Iter<'_, Conn> {
        self.conns.iter()
    }

    pub(super) fn values_mut(&mut self) -> std::slice::IterMut<'_, Conn> {
        self.conns.iter_mut()
    }

    fn place(&self, id: &ConnId) -> Option<usize> {
        self.ids.binary_search(id).ok()
    }
}
