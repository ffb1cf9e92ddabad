//! What came in order, and is found by hash.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Keys in the order in which they came, each with a value that only grows.
pub(super) struct Queue<K, V> {
    order: VecDeque<(K, V)>,
    /// The last value of each key.
    values: HashMap<K, V>,
}

impl<K, V> Default for Queue<K, V> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            values: HashMap::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, V: Copy + Ord> Queue<K, V> {
    /// Puts it at the end, unless it is there with such a value or a greater one.
    pub(super) fn push(&mut self, key: K, value: V) {
        if self.get(key) < Some(value) {
            self.values.insert(key, value);
            self.order.push_back((key, value));
        }
    }

    /// Takes what came first.
    pub(super) fn pop(&mut self) -> Option<(K, V)> {
        let (key, value) = self.order.pop_front()?;
        if self.get(key) == Some(value) {
            self.values.remove(&key);
        }
        Some((key, value))
    }

    pub(super) fn first(&self) -> Option<(K, V)> {
        self.order.front().copied()
    }

    pub(super) fn get(&self, key: K) -> Option<V> {
        self.values.get(&key).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static COMPARED: Cell<u32> = const { Cell::new(0) };
    }

    /// Counts how often it is compared.
    #[derive(Clone, Copy, Debug)]
    struct Key(u32);

    impl PartialEq for Key {
        fn eq(&self, other: &Self) -> bool {
            COMPARED.set(COMPARED.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Key {}

    impl Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    #[test]
    fn looking_something_up_does_not_go_through_all_the_rest() {
        let mut queue = Queue::default();
        for key in 0..16_384 {
            queue.push(Key(key), 0);
        }
        COMPARED.set(0);
        for key in 16_000..17_000 {
            assert_eq!(queue.get(Key(key)).is_some(), key < 16_384);
            queue.push(Key(key), 1);
        }
        let compared = COMPARED.get();
        assert!(compared < 20_000, "{compared} comparisons for 1,000 look-ups");
    }

    #[test]
    fn a_key_keeps_its_last_value_until_that_is_taken() {
        let mut queue = Queue::default();
        queue.push('a', 1);
        queue.push('b', 1);
        queue.push('a', 2);
        queue.push('a', 1);
        assert_eq!((queue.len(), queue.first()), (3, Some(('a', 1))));
        assert_eq!(queue.pop(), Some(('a', 1)));
        assert_eq!((queue.get('a'), queue.get('b')), (Some(2), Some(1)));
        assert_eq!(queue.pop(), Some(('b', 1)));
        assert_eq!(queue.pop(), Some(('a', 2)));
        assert_eq!((queue.get('a'), queue.pop()), (None, None));
    }
}
