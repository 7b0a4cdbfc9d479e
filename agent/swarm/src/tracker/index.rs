//! Finds a member by one of its keys, in 4 bytes for each slot of a table.
//!
//! A map would hold each key a second time, and a tracker has a hundred thousand of them. The
//! table has places only: whoever asks says whether the member at a place is the one. Nothing ever
//! depends on the table's order.

use super::members::Place;

/// An open table of places, probed one after another.
#[derive(Debug)]
pub(super) struct Index {
    /// Its length is a power of two, and at most three quarters of it are taken.
    slots: Vec<Option<Place>>,
    taken: usize,
    /// Keys are chosen by members, and collisions must not be.
    salt: u64,
}

impl Index {
    /// An index of nothing.
    pub(super) fn new(salt: u64) -> Self {
        Self { slots: vec![None; LEAST], taken: 0, salt }
    }

    /// The place of a key, if `is_it` says so of one that has the key's hash or another like it.
    pub(super) fn find(&self, key: &[u8], is_it: impl Fn(Place) -> bool) -> Option<Place> {
        self.probe(key).map_while(|at| self.slots[at]).find(|place| is_it(*place))
    }

    /// Notes the place of a key that is not there. `key_of` gives the keys of all others.
    pub(super) fn insert<K: AsRef<[u8]>>(
        &mut self,
        key: &[u8],
        place: Place,
        key_of: impl Fn(Place) -> K,
    ) {
        if (self.taken + 1) * 4 > self.slots.len() * 3 {
            self.grow(key_of);
        }
        self.put(key, place);
        self.taken += 1;
    }

    /// Forgets the place of a key. `key_of` gives the keys of all others.
    pub(super) fn remove<K: AsRef<[u8]>>(
        &mut self,
        key: &[u8],
        place: Place,
        key_of: impl Fn(Place) -> K,
    ) {
        let Some(mut hole) = self.at(key, place) else { return };
        self.slots[hole] = None;
        self.taken -= 1;
        // Whoever was put further on because of the one that goes moves up, so that no search
        // ends too early (Knuth, volume 3, section 6.4, algorithm R).
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let Some(other) = self.slots[at] else { return };
            let home = self.home(key_of(other).as_ref());
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots.swap(hole, at);
                hole = at;
            }
        }
    }

    /// The member of a key has moved.
    pub(super) fn moved(&mut self, key: &[u8], from: Place, to: Place) {
        if let Some(at) = self.at(key, from) {
            self.slots[at] = Some(to);
        }
    }

    fn at(&self, key: &[u8], place: Place) -> Option<usize> {
        self.probe(key)
            .take_while(|at| self.slots[*at].is_some())
            .find(|at| self.slots[*at] == Some(place))
    }

    fn grow<K: AsRef<[u8]>>(&mut self, key_of: impl Fn(Place) -> K) {
        let larger = vec![None; self.slots.len() * 2];
        for place in std::mem::replace(&mut self.slots, larger).into_iter().flatten() {
            self.put(key_of(place).as_ref(), place);
        }
    }

    fn put(&mut self, key: &[u8], place: Place) {
        let free = self.probe(key).find(|at| self.slots[*at].is_none());
        if let Some(free) = free {
            self.slots[free] = Some(place);
        }
    }

    /// Every slot once, beginning with the one where the key is at home.
    fn probe(&self, key: &[u8]) -> impl Iterator<Item = usize> + use<> {
        let (home, mask) = (self.home(key), self.slots.len() - 1);
        (0..=mask).map(move |step| (home + step) & mask)
    }

    /// Multiplies and folds, eight bytes at a time.
    fn home(&self, key: &[u8]) -> usize {
        let mut hash = self.salt;
        for part in key.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            let product = u128::from(hash ^ u64::from_le_bytes(word)) * u128::from(ODD);
            hash = (product >> 64) as u64 ^ product as u64;
        }
        hash as usize & (self.slots.len() - 1)
    }
}

/// Slots of an index that is empty.
const LEAST: usize = 8;
/// 2^64 over the golden ratio: its bits look like chance.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(number: u32) -> [u8; 20] {
        let mut key = [7; 20];
        key[16..].copy_from_slice(&number.to_le_bytes());
        key
    }

    #[test]
    fn it_finds_what_a_map_would_find_however_keys_come_and_go() {
        let mut chance = fastrand::Rng::with_seed(3);
        let (mut index, mut map) = (Index::new(chance.u64(..)), BTreeMap::new());
        // The key of each place that was ever given.
        let mut keys: Vec<u32> = Vec::new();
        for _ in 0..20_000 {
            let number = chance.u32(..500);
            let key_of = |keys: &Vec<u32>, place: Place| key(keys[place.index()]);
            match map.remove(&number) {
                Some(place) => index.remove(&key(number), place, |place| key_of(&keys, place)),
                None => {
                    let place = Place::new(keys.len());
                    keys.push(number);
                    index.insert(&key(number), place, |place| key_of(&keys, place));
                    map.insert(number, place);
                }
            }
            let asked = chance.u32(..500);
            let found = index.find(&key(asked), |place| keys[place.index()] == asked);
            assert_eq!(found, map.get(&asked).copied());
        }
    }

    #[test]
    fn a_member_that_moves_is_found_where_it_is() {
        let mut index = Index::new(1);
        let (old, new) = (Place::new(4), Place::new(0));
        index.insert(&key(9), old, |_| key(9));
        index.moved(&key(9), old, new);
        assert_eq!(index.find(&key(9), |place| place == new), Some(new));
        assert_eq!(index.find(&key(9), |place| place == old), None);
    }
}
