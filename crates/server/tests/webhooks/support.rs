//! Apps that are watched, receivers that fail and recover, and an outbox in memory for tests with paused time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chinwag_engine::{
    App, AppOptions, ChannelName, Engine, KeyPair, NewParcel, Observed, Parcel, Secret, Webhook,
    WebhookQueue, WebhookQueueError,
};
use chinwag_server::webhooks::{Courier, WebhookCounters, WebhookOptions, Webhooks};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) fn webhook(url: &str) -> Webhook {
    Webhook {
        url: url.to_owned(),
        kinds: Vec::new(),
        channel_starts_with: String::new(),
        channel_ends_with: String::new(),
        headers: vec![
            ("X-Extra".to_owned(), "more".to_owned()),
            ("X-Pusher-Key".to_owned(), "forged".to_owned()),
        ],
    }
}

pub(crate) fn add_app(engine: &Engine, id: &str, webhooks: Vec<Webhook>) -> Arc<App> {
    let keys = vec![KeyPair {
        key: format!("key-{id}"),
        secret: Secret::new(&format!("secret-{id}")),
    }];
    let options = AppOptions {
        webhooks,
        ..AppOptions::default()
    };
    engine.apps.add(id, keys, options, Vec::new()).unwrap()
}

/// An engine whose webhooks run.
pub(crate) struct Telling {
    pub(crate) engine: Arc<Engine>,
    pub(crate) counters: Arc<WebhookCounters>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Telling {
    pub(crate) fn start(
        engine: Engine,
        outbox: Arc<dyn WebhookQueue>,
        courier: Arc<dyn Courier>,
        options: WebhookOptions,
    ) -> Self {
        let engine = Arc::new(engine);
        let (webhooks, task) = Webhooks::new(engine.clone(), outbox, courier, options);
        let watched = engine.apps.all().into_iter().map(|app| app.number);
        engine.node().observations().choose(watched);
        engine.watch(webhooks.clone());
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(task.run(stop.clone()));
        Self {
            engine,
            counters: webhooks.counters().clone(),
            stop,
            tasks,
        }
    }

    /// Something that is told at once, with a number to be known by.
    pub(crate) fn happen(&self, app: &App, channel: &str, number: u64) {
        self.observe(app, channel, Observed::SubscriptionCount { count: number });
    }

    pub(crate) fn observe(&self, app: &App, channel: &str, what: Observed) {
        let channel = ChannelName::parse(channel).unwrap();
        self.engine.observed(app.number, &channel, || what);
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// What a receiver does with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Status(u16),
    /// Leads somewhere else.
    Redirect,
    /// Says nothing, for ever.
    Hang,
}

/// A request that was received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["events"].as_array().unwrap().clone()
    }

    /// The numbers of [`Telling::happen`].
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let number = |event: &Value| event["subscription_count"].as_u64().unwrap();
        self.events().iter().map(number).collect()
    }
}

/// HMAC-SHA256 by its definition (RFC 2104), to check with other code than what signs.
pub(crate) fn hmac(secret: &str, text: &str) -> String {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        for (place, key) in block.iter_mut().zip(secret.bytes()) {
            *place ^= key;
        }
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(text)
        .finalize();
    hex::encode(
        Sha256::new()
            .chain_update(pad(0x5c))
            .chain_update(inner)
            .finalize(),
    )
}

type Script = Arc<Mutex<VecDeque<Answer>>>;

/// A server on loopback that answers as told, and with 200 when nothing more is told.
pub(crate) struct Receiver {
    pub(crate) url: String,
    script: Script,
    received: mpsc::UnboundedReceiver<Received>,
    _server: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start(script: &[Answer]) -> Self {
        let script: Script = Arc::new(Mutex::new(script.iter().copied().collect()));
        let (sender, received) = mpsc::unbounded_channel();
        let routes = Router::new()
            .route("/hook", post(receive))
            .with_state((script.clone(), sender));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            url,
            script,
            received,
            _server: server,
        }
    }

    pub(crate) fn answer(&self, script: &[Answer]) {
        *self.script.lock() = script.iter().copied().collect();
    }

    pub(crate) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(Duration::from_secs(10), self.received.recv());
        next.await.expect("something is received").unwrap()
    }

    /// Nothing more has come.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.received.try_recv().is_err()
    }
}

async fn receive(
    State((script, sender)): State<(Script, mpsc::UnboundedSender<Received>)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let answer = script.lock().pop_front();
    sender.send(Received { headers, body }).unwrap();
    match answer {
        None => StatusCode::OK.into_response(),
        Some(Answer::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Answer::Redirect) => (StatusCode::FOUND, [("location", "/hook")]).into_response(),
        Some(Answer::Hang) => std::future::pending().await,
    }
}

/// An outbox for tests with paused time, which do not get on with a real one.
#[derive(Default)]
pub(crate) struct MemoryOutbox(Mutex<(i64, Vec<Parcel>)>);

#[async_trait]
impl WebhookQueue for MemoryOutbox {
    async fn put(&self, parcels: Vec<NewParcel>) -> Result<(), WebhookQueueError> {
        let (last, kept) = &mut *self.0.lock();
        for new in parcels {
            *last += 1;
            kept.push(Parcel {
                id: *last,
                due_ms: new.made_ms,
                attempts: 0,
                new,
            });
        }
        Ok(())
    }

    async fn lanes(&self) -> Result<Vec<(String, String)>, WebhookQueueError> {
        let kept = &self.0.lock().1;
        let lane = |parcel: &Parcel| (parcel.new.app.clone(), parcel.new.destination.clone());
        let lanes: std::collections::BTreeSet<_> = kept.iter().map(lane).collect();
        Ok(lanes.into_iter().collect())
    }

    async fn due(&self, app: &str, to: &str, limit: usize) -> Result<Vec<Parcel>, WebhookQueueError> {
        let kept = &self.0.lock().1;
        let lane = kept
            .iter()
            .filter(|p| p.new.app == app && p.new.destination == to);
        Ok(lane.take(limit).cloned().collect())
    }

    async fn done(&self, ids: Vec<i64>) -> Result<(), WebhookQueueError> {
        self.0.lock().1.retain(|parcel| !ids.contains(&parcel.id));
        Ok(())
    }

    async fn postponed(&self, id: i64, due_ms: u64) -> Result<(), WebhookQueueError> {
        let kept = &mut self.0.lock().1;
        if let Some(parcel) = kept.iter_mut().find(|parcel| parcel.id == id) {
            parcel.due_ms = due_ms;
            parcel.attempts += 1;
        }
        Ok(())
    }
}
