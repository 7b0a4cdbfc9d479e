//! How many connections a tracker holds, in all and from each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Counts connections.
#[derive(Clone, Debug)]
pub(super) struct Guests {
    counts: Arc<Mutex<Counts>>,
    most: usize,
    most_of_one: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place. Dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Place {
    counts: Arc<Mutex<Counts>>,
    from: IpAddr,
}

impl Guests {
    /// As many as the process may have, after it has asked the kernel for all it can get.
    pub(super) fn of_this_process() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        let files = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit.maximum,
            Err(_) => limit.current,
        };
        let files = files.map_or(MOST, |files| usize::try_from(files).unwrap_or(MOST));
        Self::new(files.saturating_sub(OTHER_FILES).clamp(1, MOST), MOST_OF_ONE)
    }

    /// Room for so many.
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self { counts: Arc::default(), most, most_of_one }
    }

    /// A place for one more, if there is one.
    pub(super) fn admit(&self, from: IpAddr) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = counts.by_address.get(&from).copied().unwrap_or(0);
        if counts.all >= self.most || of_one >= self.most_of_one {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(from, of_one + 1);
        Some(Place { counts: Arc::clone(&self.counts), from })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(of_one) = counts.by_address.get_mut(&self.from) {
            *of_one -= 1;
            if *of_one == 0 {
                counts.by_address.remove(&self.from);
            }
        }
    }
}

/// Twice the largest fleet in mind.
const MOST: usize = 20_000;

/// A fleet behind one address translation, or all on one machine.
const MOST_OF_ONE: usize = 1024;

/// Log, file, sockets, and what the runtime needs.
const OTHER_FILES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_takes_all_places_and_a_place_comes_back() {
        let guests = Guests::new(3, 2);
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = guests.admit(one).unwrap();
        let _second = guests.admit(one).unwrap();
        assert!(guests.admit(one).is_none());
        let _third = guests.admit(other).unwrap();
        assert!(guests.admit(other).is_none());
        drop(first);
        assert!(guests.admit(other).is_some());
    }
}
