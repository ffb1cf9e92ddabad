//! How many connections there are, per app and in all, and whether there may be one more.

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
            connections_max,
            open: Arc::default(),
        }
    }

    /// An id that no other connection has.
    pub(crate) fn name(&self) -> ConnectionId {
        ConnectionId {
            node: self.node,
            number: self.next.fetch_add(1, Ordering::Relaxed),
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
