//! `/admin/stats`: how the server is, and what its apps' traffic came to.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use chinwag_messenger::Timestamp;

use super::{Admin, Console, shown_channels};
use crate::error::Problem;
use crate::messenger::auth::Reads;
use crate::messenger::extract::Query;
use crate::messenger::ok;
use crate::messenger::view::{Counts, Moment};
use crate::traffic::{AppSeries, Bucket, Period, Totals};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// `1h` (the default), `6h`, `24h` or `7d`.
    period: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Stats<'a> {
    version: &'static str,
    started_at: Moment,
    uptime_s: u64,
    memory_bytes: Option<u64>,
    workers: usize,
    connections: u64,
    channels: usize,
    /// What the messenger holds.
    counts: Counts,
    /// Clients that named no app that there is.
    strangers_refused: u64,
    period: &'a str,
    step_s: u64,
    /// When the first step began.
    from: Moment,
    apps: Vec<OfApp>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AppStats)]
struct OfApp {
    id: String,
    internal: bool,
    channels: usize,
    totals: TotalsView,
    series: SeriesView,
}

/// Since the start.
#[derive(Serialize, ToSchema)]
#[schema(as = AppTotals)]
struct TotalsView {
    connections: u64,
    opened: u64,
    /// Closed connections by reason.
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    closed: serde_json::Map<String, serde_json::Value>,
    frames_received: u64,
    bytes_received: u64,
    messages_sent: u64,
    bytes_sent: u64,
    client_events: u64,
    api_messages: u64,
    refusals: u64,
}

/// A place for each step; null where nothing was observed.
#[derive(Serialize, ToSchema)]
#[schema(as = AppSeries)]
struct SeriesView {
    connections_peak: Vec<Option<u64>>,
    frames_received: Vec<Option<u64>>,
    api_messages: Vec<Option<u64>>,
    messages_sent: Vec<Option<u64>>,
}

impl From<Totals> for TotalsView {
    fn from(totals: Totals) -> Self {
        Self {
            connections: totals.connections,
            opened: totals.opened,
            closed: totals
                .closed
                .iter()
                .map(|(why, n)| (why.to_owned(), n.into()))
                .collect(),
            frames_received: totals.frames_received,
            bytes_received: totals.bytes_received,
            messages_sent: totals.messages_sent,
            bytes_sent: totals.bytes_sent,
            client_events: totals.client_events,
            api_messages: totals.api_messages,
            refusals: totals.refusals + totals.api_refusals,
        }
    }
}

impl From<AppSeries> for SeriesView {
    fn from(series: AppSeries) -> Self {
        let row =
            |number: fn(&Bucket) -> u64| series.iter().map(|place| place.as_ref().map(number)).collect();
        Self {
            connections_peak: row(|bucket| bucket.connections_peak),
            frames_received: row(|bucket| bucket.frames_received),
            api_messages: row(|bucket| bucket.api_messages),
            messages_sent: row(|bucket| bucket.messages_sent),
        }
    }
}

#[utoipa::path(
    get, path = "/stats", tag = "console",
    params(Asked),
    responses((status = 200, description = "How the server is", body = Stats)),
)]
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    _: Admin<Reads>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let period_text = asked.period.as_deref().unwrap_or("1h");
    let period = Period::parse(period_text)
        .ok_or_else(|| Problem::field("period", "period_invalid", "The period is 1h, 6h, 24h or 7d."))?;
    let workers = &console.pusher.workers;
    let traffic = workers.traffic();
    let apps: Vec<OfApp> = console
        .pusher
        .engine
        .apps
        .all()
        .iter()
        .map(|app| OfApp {
            id: app.id.clone(),
            internal: console.is_internal(app),
            channels: shown_channels(&console, app, "").len(),
            totals: traffic.totals(app.number).into(),
            series: traffic.series(&app.id, period).into(),
        })
        .collect();
    let strangers = traffic.totals(console.pusher.nobody.number);
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (step_s, uptime_s) = (period.step_s(), workers.uptime().as_secs());
    let from_s = now_s - now_s % step_s + step_s - step_s * period.steps();
    let moment = |seconds: u64| Moment(Timestamp(seconds as i64 * 1_000));
    ok(&Stats {
        version: env!("CARGO_PKG_VERSION"),
        started_at: moment(now_s.saturating_sub(uptime_s)),
        uptime_s,
        memory_bytes: crate::metrics::memory_bytes(),
        workers: workers.count(),
        connections: apps.iter().map(|app| app.totals.connections).sum(),
        channels: apps.iter().map(|app| app.channels).sum(),
        counts: console.messenger.messenger.counts().await?.into(),
        strangers_refused: strangers.refusals,
        period: period_text,
        step_s,
        from: moment(from_s),
        apps,
    })
}
