//! How many connections there are, per app and in all, and whether there may be one more.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use chinwag_engine::{App, AppNumber, ConnectionId};
use hashbrown::HashMap;
use parking_lot::Mutex;

/// Counts connections and names them.
#[derive(Debug)]
pub struct Quota {
    node: u32,
    next: AtomicU32,
    scramble: RandomState,
    connections_max: usize,
    open: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: AtomicUsize,
    by_app: Mutex<HashMap<AppNumber, usize>>,
}

/// A connection's place in the counts; given back when dropped.
#[derive(Debug)]
pub(crate) struct Admission {
    app: AppNumber,
    counts: Arc<Counts>,
    /// The app has more connections than it may.
    pub over_quota: bool,
    /// The node has more connections than it may.
    pub node_full: bool,
}

impl Quota {
    /// For a node that may have `connections_max` connections. `node` is its random number, at least 1.
    pub fn new(node: u32, connections_max: usize) -> Self {
        Self {
            node,
            next: AtomicU32::new(1),
            scramble: RandomState::new(),
            connections_max,
            open: Arc::default(),
        }
    }

    /// An id that no other connection has, and that nobody can guess from another one: counted up, then
    /// scrambled by a keyed permutation (a Feistel network over the two halves).
    pub(crate) fn name(&self) -> ConnectionId {
        let counted = self.next.fetch_add(1, Ordering::Relaxed);
        let (mut left, mut right) = ((counted >> 16) as u16, counted as u16);
        for round in 0..4_u8 {
            (left, right) = (right, left ^ self.scramble.hash_one((round, right)) as u16);
        }
        ConnectionId {
            node: self.node,
            number: u32::from(left) << 16 | u32::from(right),
        }
    }

    /// Counts one more connection of the app, and says whether it may stay.
    pub(crate) fn admit(&self, app: &App) -> Admission {
        let all = self.open.all.fetch_add(1, Ordering::Relaxed) + 1;
        let of_app = {
            let mut by_app = self.open.by_app.lock();
            let count = by_app.entry(app.number).or_default();
            *count += 1;
            *count
        };
        let limit = app.options.connections_max;
        Admission {
            app: app.number,
            counts: self.open.clone(),
            over_quota: limit > 0 && of_app > limit,
            node_full: all > self.connections_max,
        }
    }

    /// Open connections of the app.
    pub(crate) fn of_app(&self, app: &App) -> usize {
        self.open.by_app.lock().get(&app.number).copied().unwrap_or(0)
    }

    /// All open connections.
    pub fn open(&self) -> usize {
        self.open.all.load(Ordering::Relaxed)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.counts.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = self.counts.by_app.lock().get_mut(&self.app) {
            *count -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_do_not_count() {
        let quota = Quota::new(7, 10);
        let names: Vec<u32> = (0..100_000).map(|_| quota.name().number).collect();
        assert_eq!(names.iter().collect::<hashbrown::HashSet<_>>().len(), names.len());
        assert!(
            names
                .windows(2)
                .filter(|pair| pair[1] == pair[0].wrapping_add(1))
                .count()
                < 10
        );
    }
}
