//! Webhooks: tells applications over HTTP what happens on their channels.
//!
//! The engine hands observations to [`Webhooks`], which only queues them. [`WebhookTask`] holds back short absences,
//! writes bodies and signs them, and keeps them in the outbox before anything is sent, so that a restart loses none.
//! Each address of each app has a lane of its own (`lane`), which delivers in order through the `courier`.

mod address;
mod courier;
mod lane;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chinwag_engine::{Engine, NewParcel, Observation, Watcher, WebhookQueue};
use chinwag_protocol::pusher::webhook::{self, Debounce};
use hashbrown::HashMap;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use address::is_public;
pub(crate) use address::{PublicOnly, check_literal};
pub(crate) use courier::header;
pub use courier::{Courier, CourierError, Errand, HttpCourier};
use lane::{Lane, LaneKey, Shared};

/// Observations that may wait for the task. When so many do, further ones are dropped and counted: nothing that
/// happens on a channel waits for webhooks.
const QUEUE_MAX: usize = 16_384;

/// Observations taken from the queue at a time: what they become is kept in one transaction.
const TAKE_MAX: usize = 1_024;

/// How webhooks are told.
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// Whether several events may go into one request.
    pub batch: bool,
    /// Most events of one request.
    pub batch_events_max: usize,
    /// How long the first event of a request may wait for others.
    pub batch_pause: Duration,
    /// Deliveries under way at a time, over all apps.
    pub deliveries_max: usize,
    /// The pause after a first failure; it doubles with each further one.
    pub retry_after: Duration,
    /// The age at which what could not be delivered is dropped. Receivers refuse older ones.
    pub give_up_after: Duration,
    /// Milliseconds since 1970.
    pub now_ms: fn() -> u64,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            batch: false,
            batch_events_max: 100,
            batch_pause: Duration::from_millis(50),
            deliveries_max: 64,
            retry_after: Duration::from_secs(1),
            give_up_after: Duration::from_secs(300),
            now_ms: system_ms,
        }
    }
}

/// Milliseconds since 1970 by the system's clock.
pub(crate) fn system_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is past 1970").as_millis() as u64
}

/// What became of webhooks, counted since the start.
#[derive(Debug, Default)]
pub struct WebhookCounters {
    /// Requests that were answered with success.
    pub delivered: AtomicU64,
    /// Attempts that were not.
    pub failed: AtomicU64,
    /// Requests dropped because they could not be delivered in time.
    pub expired: AtomicU64,
    /// Requests dropped because their app or webhook is no more.
    pub unwanted: AtomicU64,
    /// Events dropped because too many waited.
    pub overflowed: AtomicU64,
    /// Events dropped because the outbox failed.
    pub lost: AtomicU64,
}

/// Hears of what happens. Register it with [`Engine::watch`].
pub struct Webhooks {
    queue: mpsc::Sender<Observation>,
    counters: Arc<WebhookCounters>,
}

impl Webhooks {
    /// Webhooks of the apps of `engine`, and the task that tells them, which must be run.
    pub fn new(
        engine: Arc<Engine>,
        outbox: Arc<dyn WebhookQueue>,
        courier: Arc<dyn Courier>,
        options: WebhookOptions,
    ) -> (Arc<Self>, WebhookTask) {
        let (queue, observations) = mpsc::channel(QUEUE_MAX);
        let counters = Arc::new(WebhookCounters::default());
        let shared = Arc::new(Shared {
            engine,
            outbox,
            courier,
            permits: Semaphore::new(options.deliveries_max),
            counters: counters.clone(),
            options,
            stop: CancellationToken::new(),
        });
        let task = WebhookTask {
            observations,
            started: Instant::now(),
            debounce: Debounce::default(),
            batches: HashMap::new(),
            lanes: HashMap::new(),
            running: JoinSet::new(),
            shared,
        };
        (Arc::new(Self { queue, counters }), task)
    }

    /// What became of them.
    pub fn counters(&self) -> &Arc<WebhookCounters> {
        &self.counters
    }
}

impl Watcher for Webhooks {
    fn observed(&self, observation: Observation) {
        // The server's own channels are told to nobody.
        if observation.channel.as_str().starts_with('#') {
            return;
        }
        if self.queue.try_send(observation).is_err() {
            self.counters.overflowed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Events of one lane that wait for others, to go in one request.
struct Batch {
    events: Vec<String>,
    due: Instant,
}

/// Turns observations into requests and has them delivered.
pub struct WebhookTask {
    observations: mpsc::Receiver<Observation>,
    started: Instant,
    debounce: Debounce,
    /// At most one for each lane, and none over its size.
    batches: HashMap<LaneKey, Batch>,
    /// Lanes that run: what wakes them, and their tasks. They stay until the end, as there are no more than webhooks.
    lanes: HashMap<LaneKey, (Arc<Notify>, Id)>,
    /// Owns the lanes.
    running: JoinSet<()>,
    shared: Arc<Shared>,
}

impl WebhookTask {
    /// Tells until cancelled. Then what waits in memory is kept in the outbox, where all else is already.
    ///
    /// Apps must be loaded before: what waits in the outbox for an app that is not there is dropped.
    pub async fn run(mut self, cancellation: CancellationToken) {
        match self.shared.outbox.lanes().await {
            Ok(lanes) => lanes.into_iter().for_each(|lane| self.wake(lane)),
            Err(error) => tracing::error!(%error, "The outbox of webhooks cannot be read"),
        }
        let mut taken = Vec::with_capacity(TAKE_MAX);
        let mut told = Vec::new();
        loop {
            let due = self.next_due();
            tokio::select! {
                () = cancellation.cancelled() => break,
                count = self.observations.recv_many(&mut taken, TAKE_MAX) => {
                    if count == 0 {
                        break;
                    }
                    let now = self.now();
                    for observation in taken.drain(..) {
                        self.debounce.take_in(now, observation, &mut told);
                    }
                }
                () = sleep_until(due) => self.debounce.due(self.now(), &mut told),
                Some(Err(error)) = self.running.join_next() => self.lane_failed(error.id()),
            }
            let parcels = self.write(&mut told);
            self.keep(parcels).await;
        }
        self.finish(told).await;
    }

    /// Milliseconds since the task was made.
    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn next_due(&self) -> Option<Instant> {
        let returned = self.debounce.wake_at();
        let returned = returned.map(|at| self.started + Duration::from_millis(at));
        let batched = self.batches.values().map(|batch| batch.due).min();
        returned.into_iter().chain(batched).min()
    }

    /// The requests that tell of these observations, and of batches that have waited long enough.
    fn write(&mut self, told: &mut Vec<Observation>) -> Vec<NewParcel> {
        let mut parcels = Vec::new();
        let options = self.shared.options.clone();
        let now = Instant::now();
        for observation in told.drain(..) {
            let Some(app) = self.shared.engine.apps.get(observation.app) else {
                continue;
            };
            let asking = app.options.webhooks.iter();
            for webhook in asking.filter(|webhook| webhook::wants(webhook, &observation)) {
                let Some(event) = webhook::event(&observation) else {
                    continue;
                };
                let lane = (app.id.clone(), webhook.url.clone());
                let batch = self.batches.entry(lane.clone()).or_insert_with(|| Batch {
                    events: Vec::new(),
                    due: now + options.batch_pause,
                });
                batch.events.push(event);
                if !options.batch || batch.events.len() >= options.batch_events_max {
                    let events = self.batches.remove(&lane).map(|batch| batch.events);
                    parcels.extend(self.sign(&lane, &events.unwrap_or_default()));
                }
            }
        }
        self.write_batches(|batch| batch.due <= now, &mut parcels);
        parcels
    }

    fn write_batches(&mut self, ready: impl Fn(&Batch) -> bool, parcels: &mut Vec<NewParcel>) {
        let ready: Vec<_> = self.batches.extract_if(|_, batch| ready(batch)).collect();
        for (lane, batch) in ready {
            parcels.extend(self.sign(&lane, &batch.events));
        }
    }

    /// The request, unless the app is gone.
    fn sign(&self, lane: &LaneKey, events: &[String]) -> Option<NewParcel> {
        let app = self.shared.engine.apps.by_id(&lane.0)?;
        let pair = app.keys.first()?;
        let made_ms = (self.shared.options.now_ms)();
        let body = webhook::body(made_ms, events);
        let signature = webhook::signature(&pair.secret, &body);
        Some(lane::pack(lane, &pair.key, &signature, &body, made_ms))
    }

    async fn keep(&mut self, parcels: Vec<NewParcel>) {
        if parcels.is_empty() {
            return;
        }
        let count = parcels.len() as u64;
        let lanes: Vec<LaneKey> = parcels
            .iter()
            .map(|parcel| (parcel.app.clone(), parcel.destination.clone()))
            .collect();
        if let Err(error) = self.shared.outbox.put(parcels).await {
            tracing::error!(%error, count, "Webhooks could not be kept and are lost");
            self.shared.counters.lost.fetch_add(count, Ordering::Relaxed);
            return;
        }
        lanes.into_iter().for_each(|lane| self.wake(lane));
    }

    /// Has the lane look into the outbox.
    fn wake(&mut self, key: LaneKey) {
        if let Some((wake, _)) = self.lanes.get(&key) {
            wake.notify_one();
            return;
        }
        let wake = Arc::new(Notify::new());
        let lane = Lane {
            key: key.clone(),
            shared: self.shared.clone(),
            wake: wake.clone(),
        };
        let task = self.running.spawn(lane.run()).id();
        self.lanes.insert(key, (wake, task));
    }

    /// Only a panic ends a lane before its time. The next event begins it anew.
    fn lane_failed(&mut self, task: Id) {
        tracing::error!("The delivery of webhooks to one address panicked");
        self.lanes.retain(|_, (_, of)| *of != task);
    }

    async fn finish(mut self, mut told: Vec<Observation>) {
        while let Ok(observation) = self.observations.try_recv() {
            let now = self.now();
            self.debounce.take_in(now, observation, &mut told);
        }
        self.debounce.finish(&mut told);
        let mut parcels = self.write(&mut told);
        self.write_batches(|_| true, &mut parcels);
        self.shared.stop.cancel();
        if let Err(error) = self.shared.outbox.put(parcels).await {
            tracing::error!(%error, "The last webhooks could not be kept and are lost");
        }
        while self.running.join_next().await.is_some() {}
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
