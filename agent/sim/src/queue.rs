//! Many short queues in one piece of memory.

/// What the [`Queue`]s of one kind hold. Places that become free are the first to be used again, so
/// that little memory is in use at any time, and it is warm.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    places: Vec<Place<T>>,
    free: u32,
}

#[derive(Debug)]
struct Place<T> {
    item: Option<T>,
    next: u32,
}

/// A queue whose items are in a [`Pool`].
#[derive(Debug)]
pub(crate) struct Queue {
    first: u32,
    last: u32,
}

impl Queue {
    pub(crate) const EMPTY: Self = Self { first: NONE, last: NONE };

    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }
}

impl<T> Pool<T> {
    pub(crate) fn new() -> Self {
        Self { places: Vec::new(), free: NONE }
    }

    pub(crate) fn push(&mut self, queue: &mut Queue, item: T) {
        let place = self.place(item);
        match queue.last {
            NONE => queue.first = place,
            last => self.places[last as usize].next = place,
        }
        queue.last = place;
    }

    pub(crate) fn pop(&mut self, queue: &mut Queue) -> Option<T> {
        let at = queue.first;
        let place = self.places.get_mut(at as usize)?;
        let item = place.item.take();
        queue.first = std::mem::replace(&mut place.next, self.free);
        if queue.first == NONE {
            queue.last = NONE;
        }
        self.free = at;
        item
    }

    pub(crate) fn first(&self, queue: &Queue) -> Option<&T> {
        self.places.get(queue.first as usize)?.item.as_ref()
    }

    pub(crate) fn iter<'a>(&'a self, queue: &Queue) -> impl Iterator<Item = &'a T> {
        let place = |at: u32| self.places.get(at as usize);
        std::iter::successors(place(queue.first), move |before| place(before.next))
            .filter_map(|place| place.item.as_ref())
    }

    fn place(&mut self, item: T) -> u32 {
        let place = Place { item: Some(item), next: NONE };
        match self.free {
            NONE => {
                self.places.push(place);
                u32::try_from(self.places.len() - 1).expect("fewer than 4 billion")
            }
            at => {
                self.free = std::mem::replace(&mut self.places[at as usize], place).next;
                at
            }
        }
    }
}

/// No place.
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn queues_that_share_a_pool_keep_their_own_order() {
        let mut chance = fastrand::Rng::with_seed(5);
        let mut pool = Pool::new();
        let mut queues = [Queue::EMPTY, Queue::EMPTY, Queue::EMPTY];
        let mut plain = [VecDeque::new(), VecDeque::new(), VecDeque::new()];
        for number in 0..10_000 {
            let which = chance.usize(..3);
            if chance.u8(..5) < 2 {
                pool.push(&mut queues[which], number);
                plain[which].push_back(number);
            } else {
                assert_eq!(pool.first(&queues[which]), plain[which].front());
                assert_eq!(pool.pop(&mut queues[which]), plain[which].pop_front());
            }
            assert!(pool.iter(&queues[which]).eq(&plain[which]));
            assert_eq!(queues[which].is_empty(), plain[which].is_empty());
        }
        assert!(pool.places.len() < 1000, "{}", pool.places.len());
    }
}
