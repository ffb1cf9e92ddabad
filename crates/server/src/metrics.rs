//! Metrics for Prometheus and probes for whoever runs the server, on a listener of their own.
//!
//! `/up` says that the process lives, `/ready` that it may be sent traffic: 503 while it stops, and while the
//! store does not answer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chinwag_engine::Statistics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::push::{PushCounters, Pushes};
use crate::traffic::{Totals, Traffic};
use crate::worker::Workers;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// A store that takes longer does not count as answering.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// The one protocol whose connections are counted so far.
const PROTOCOL: &str = "pusher";

/// What probes and metrics are about.
pub struct Health {
    /// Counts.
    pub workers: Arc<Workers>,
    /// Part of the store, by which it is known whether it answers.
    pub statistics: Arc<dyn Statistics>,
    /// What is counted of pushes, where there are any.
    pub pushes: Option<Pushes>,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

/// `/metrics` and the probes, for a listener that only operators reach.
pub fn router(health: Arc<Health>) -> Router {
    let metrics = Router::new()
        .route("/metrics", get(metrics))
        .route("/up", get(crate::up));
    metrics.with_state(health.clone()).merge(probes(health))
}

/// `/health` and `/ready`.
pub fn probes(health: Arc<Health>) -> Router {
    Router::new()
        .route("/health", get(async || "OK"))
        .route("/ready", get(ready))
        .with_state(health)
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, &'static str) {
    if health.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping");
    }
    let asked = tokio::time::timeout(STORE_TIMEOUT, health.statistics.newest("", 0, 1));
    match asked.await {
        Ok(Ok(_)) => (StatusCode::OK, "OK"),
        Ok(Err(error)) => {
            warn!(%error, "The store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"),
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Numbers(health)));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            error!(%error, "Metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Memory of this process, where the system tells.
pub(crate) fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// Reads all counters at each scrape.
struct Numbers(Arc<Health>);

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Numbers")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfApp {
    app: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProtocol {
    app: String,
    protocol: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ForReason {
    app: String,
    protocol: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Because {
    reason: &'static str,
}

/// Name, unit, help and where the number is.
type Counter = (&'static str, Option<Unit>, &'static str, fn(&Totals) -> u64);

const COUNTERS: [Counter; 8] = [
    ("connections_opened", None, "Connections that were opened", |t| {
        t.opened
    }),
    ("frames_received", None, "Frames from clients", |t| {
        t.frames_received
    }),
    ("received", Some(Unit::Bytes), "Bytes from clients", |t| {
        t.bytes_received
    }),
    ("messages_sent", None, "Frames to clients", |t| t.messages_sent),
    ("sent", Some(Unit::Bytes), "Bytes to clients", |t| t.bytes_sent),
    ("client_events", None, "Events that clients published", |t| {
        t.client_events
    }),
    ("refusals", None, "What clients were refused", |t| t.refusals),
    (
        "connections_slow",
        None,
        "Connections closed for reading too slowly",
        |t| t.closed.slow(),
    ),
];

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let traffic: &Traffic = self.0.workers.traffic();
        let apps = traffic.all_totals();
        let of_protocol = |app: &str| OfProtocol {
            app: app.to_owned(),
            protocol: PROTOCOL,
        };
        let gauge = |encoder: MetricEncoder<'_>, value: u64| ConstGauge::new(value as i64).encode(encoder);

        let uptime = self.0.workers.uptime().as_secs();
        let kind = MetricType::Gauge;
        let help = "Time since the server started";
        gauge(
            encoder.encode_descriptor("chinwag_server_uptime", help, Some(&Unit::Seconds), kind)?,
            uptime,
        )?;
        if let Some(memory) = memory_bytes() {
            let help = "Resident memory of the process";
            let memory_encoder =
                encoder.encode_descriptor("chinwag_server_memory", help, Some(&Unit::Bytes), kind)?;
            gauge(memory_encoder, memory)?;
        }
        let mut family =
            encoder.encode_descriptor("chinwag_websocket_connections", "Open connections", None, kind)?;
        for (app, totals) in &apps {
            gauge(family.encode_family(&of_protocol(app))?, totals.connections)?;
        }

        let kind = MetricType::Counter;
        for (name, unit, help, number) in COUNTERS {
            let name = format!("chinwag_websocket_{name}");
            let mut family = encoder.encode_descriptor(&name, help, unit.as_ref(), kind)?;
            for (app, totals) in &apps {
                let labels = of_protocol(app);
                ConstCounter::new(number(totals)).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Connections that ended";
        let mut family =
            encoder.encode_descriptor("chinwag_websocket_connections_closed", help, None, kind)?;
        for (app, totals) in &apps {
            for (reason, number) in totals.closed.iter() {
                let labels = ForReason {
                    app: app.clone(),
                    protocol: PROTOCOL,
                    reason,
                };
                ConstCounter::new(number).encode(family.encode_family(&labels)?)?;
            }
        }
        let api: [Counter; 2] = [
            (
                "messages",
                None,
                "What servers published, one for each channel",
                |t| t.api_messages,
            ),
            ("refusals", None, "What servers were refused", |t| t.api_refusals),
        ];
        for (name, _, help, number) in api {
            let name = format!("chinwag_api_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, kind)?;
            for (app, totals) in &apps {
                let labels = OfApp { app: app.clone() };
                ConstCounter::new(number(totals)).encode(family.encode_family(&labels)?)?;
            }
        }
        match &self.0.pushes {
            Some(pushes) => encode_pushes(pushes.counters(), &mut encoder),
            None => Ok(()),
        }
    }
}

fn encode_pushes(counters: &PushCounters, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let kind = MetricType::Counter;
    let value = |number: &AtomicU64| ConstCounter::new(number.load(Ordering::Relaxed));
    for (name, help, number) in [
        (
            "chinwag_push_delivered",
            "Notifications that push services took",
            &counters.delivered,
        ),
        (
            "chinwag_push_postponed",
            "Tries after which a push is tried again",
            &counters.postponed,
        ),
        (
            "chinwag_push_devices_gone",
            "Devices that their push service knows no more",
            &counters.gone,
        ),
    ] {
        value(number).encode(encoder.encode_descriptor(name, help, None, kind)?)?;
    }
    let help = "Notifications that were not delivered";
    let mut family = encoder.encode_descriptor("chinwag_push_failed", help, None, kind)?;
    for (reason, number) in [
        ("refused", &counters.refused),
        ("given_up", &counters.given_up),
        ("unusable", &counters.unusable),
        ("no_room", &counters.dropped),
    ] {
        value(number).encode(family.encode_family(&Because { reason })?)?;
    }
    Ok(())
}
