//! Everything that holds a socket. Every route is on this page.
//!
//! A socket comes in at a [`Workers`] thread. One that begins as a WebSocket stays there; others go to HTTP, which runs
//! on a multi-threaded runtime, and come back if they become WebSockets.

pub mod apps;
mod connection;
mod counts;
mod drain;
pub mod error;
mod express;
pub mod laravel;
pub mod listen;
pub mod mail;
pub mod messenger;
pub mod metrics;
mod opening;
pub mod push;
pub mod pusher;
mod quota;
mod reception;
pub mod tls;
pub mod traffic;
mod transport;
pub mod web;
pub mod webhooks;
mod websocket;
mod wheel;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::routing::get;
use tower_http::timeout::RequestBodyTimeoutLayer;

pub use counts::Counts;
pub use quota::Quota;
pub use worker::{WorkerOptions, Workers};

/// How long a client may pause within a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// All routes of the server:
///
/// | path | what |
/// |---|---|
/// | `/app/{key}` | WebSocket of the Pusher protocol, under the configured prefix |
/// | `/apps/{id}/…`, `/users/{id}/terminate_connections` | HTTP API of the Pusher protocol, under the same prefix |
/// | `/api/v1/admin/apps…` | the apps of this server (`docs/WEBHOOKS.md`) |
/// | `/api/v1/admin/…`, `/laravel-websockets` | the console (`docs/API.md`) |
/// | `/api/v1/…` | the messenger (`docs/API.md`) |
/// | `/sanctum/…`, `/broadcasting/…`, `/login`, `/logout`, `/api/…` | the same for clients of Laravel applications |
/// | `/up`, `/health`, `/ready` | whether the process lives, and whether it can work |
/// | anything else | the web UI |
pub fn router(
    pusher: Arc<pusher::PusherApi>,
    messenger: Arc<messenger::MessengerApi>,
    apps: Arc<messenger::apps::AppsApi>,
    console: Arc<messenger::admin::Console>,
    health: Arc<metrics::Health>,
) -> Router {
    Router::new()
        .merge(pusher::router(pusher))
        .merge(messenger::router(messenger.clone()))
        .merge(messenger::apps::router(apps))
        .merge(messenger::admin::router(console))
        .merge(metrics::probes(health))
        .merge(laravel::router(messenger))
        .route("/up", get(up))
        .fallback_service(web::router())
        .layer(RequestBodyTimeoutLayer::new(BODY_TIMEOUT))
        .layer(from_fn(drain::finish))
}

/// Reverb's probe: alive, whatever else is wrong.
async fn up() -> impl IntoResponse {
    ([("content-type", "application/json")], r#"{"health":"OK"}"#)
}
