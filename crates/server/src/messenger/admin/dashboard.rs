//! The statistics of laravel-websockets' dashboard, in its own shape, for scripts that read them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use chinwag_engine::Sample;
use serde::Serialize;
use tracing::warn;

use super::{Admin, Console};
use crate::error::Problem;
use crate::messenger::auth::Reads;
use crate::messenger::ok;

/// Samples that the dashboard shows.
const SAMPLES: usize = 120;

#[derive(Serialize)]
struct Graph {
    x: Vec<String>,
    y: Vec<u64>,
}

impl Graph {
    fn of(samples: &[Sample], number: fn(&Sample) -> u64) -> Self {
        let time = |sample: &Sample| {
            let at = jiff::Timestamp::from_second(sample.at_s).unwrap_or_default();
            at.strftime("%Y-%m-%d %H:%M:%S").to_string()
        };
        Self {
            x: samples.iter().map(time).collect(),
            y: samples.iter().map(number).collect(),
        }
    }
}

pub(super) async fn statistics(
    State(console): State<Arc<Console>>,
    _: Admin<Reads>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct View {
        peak_connections: Graph,
        websocket_message_count: Graph,
        api_message_count: Graph,
    }
    let app = console.app(&id)?;
    let kept = console.statistics.newest(&app.id, 0, SAMPLES).await;
    let samples = kept.map_err(|error| {
        warn!(%error, "Statistics could not be read");
        Problem::unavailable()
    })?;
    ok(&View {
        peak_connections: Graph::of(&samples, |sample| sample.connections_peak),
        websocket_message_count: Graph::of(&samples, |sample| sample.frames_received),
        api_message_count: Graph::of(&samples, |sample| sample.api_messages),
    })
}
