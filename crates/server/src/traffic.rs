//! What passes through this node: counters, their samples over time, and the live log for those who watch.
//!
//! Each worker counts for itself, in memory that it alone writes to; the numbers are added up when somebody asks.
//! So a delivery costs an addition to a line that is in the worker's cache already.

mod counters;
mod log;
mod samples;
mod series;

pub(crate) use counters::{Counted, Ended};
pub use counters::{Totals, TotalsClosed};
pub(crate) use log::{Entry, EntryKind};
pub use log::{EventLog, LOG_CHANNEL};
pub use samples::{AppSeries, Sampler};
pub use series::{Bucket, Period};

use std::collections::BTreeMap;
use std::sync::Arc;

use chinwag_engine::{App, AppNumber};
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use counters::{AppCounters, WorkerCounters};
use samples::Samples;

/// Counters, samples and the live log of this node.
#[derive(Default)]
pub struct Traffic {
    apps: RwLock<HashMap<AppNumber, Arc<AppCounters>>>,
    samples: Mutex<Samples>,
    /// What is happening now, for those who watch.
    pub log: Arc<EventLog>,
}

impl Traffic {
    /// The counters of an app that all threads share. None of them is touched per delivery.
    fn shared(&self, app: &App) -> Arc<AppCounters> {
        if let Some(known) = self.apps.read().get(&app.number) {
            return known.clone();
        }
        let mut apps = self.apps.write();
        let counters = apps
            .entry(app.number)
            .or_insert_with(|| Arc::new(AppCounters::new(&app.id)));
        counters.clone()
    }

    /// New counters for one worker and one app, to be written by that worker's thread alone.
    pub(crate) fn counted(&self, app: &App) -> Counted {
        let shared = self.shared(app);
        let own = Arc::new(WorkerCounters::default());
        shared.workers.lock().push(own.clone());
        let log = self.log.clone();
        Counted { own, shared, log }
    }

    /// A server published on one channel.
    pub(crate) fn api_message(&self, app: &App) {
        self.shared(app).api_message();
    }

    /// A request to an HTTP API was refused.
    pub(crate) fn api_refused(&self, app: &App) {
        self.shared(app).api_refused();
    }

    /// What an app's traffic has come to since the start; nothing when it has had none.
    pub fn totals(&self, app: AppNumber) -> Totals {
        let known = self.apps.read().get(&app).cloned();
        known.map(|counters| counters.totals()).unwrap_or_default()
    }

    /// Every app that had traffic, by its public id, in the order of ids. Clients that named no app that there is
    /// stand under the empty id.
    pub fn all_totals(&self) -> BTreeMap<String, Totals> {
        let mut all = BTreeMap::<String, Totals>::new();
        // One that was removed and made again has had several numbers.
        for counters in self.apps.read().values() {
            all.entry(counters.app.clone())
                .or_default()
                .add(&counters.totals());
        }
        all
    }
}
