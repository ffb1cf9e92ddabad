//! The HTTP side of the Pusher protocol: the WebSocket handshake at `/app/{key}` and the API under `/apps/{id}`.

mod http_api;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use chinwag_engine::{App, AppNumber, AppOptions, ChannelName, Content, Engine, Publication};
use chinwag_protocol::Millis;
use chinwag_protocol::pusher::api::ApiError;
use chinwag_protocol::pusher::{Handshake, Pusher};
use tokio_util::task::TaskTracker;

pub use self::http_api::Rates;
pub(crate) use self::http_api::Trigger;
use crate::opening::{Opening, SUBPROTOCOL};
use crate::quota::Quota;
use crate::traffic::{Entry, EntryKind};
use crate::transport::Uprooted;
use crate::worker::{Newcomer, Visitor, Workers};

/// How long a socket may take to become a WebSocket after the answer.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the routes need.
pub struct PusherApi {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Where new connections go.
    pub workers: Arc<Workers>,
    /// Who may connect.
    pub quota: Arc<Quota>,
    /// The path under which `/app` and `/apps` are served; empty, or with a slash in front and none behind.
    pub prefix: String,
    /// Largest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// Owns what goes on after an answer.
    pub tasks: TaskTracker,
    /// How often servers ask.
    pub rates: Rates,
    /// What a client without an app belongs to until it has read why it must go.
    pub nobody: Arc<App>,
}

/// What is counted of servers that publish, and told to those who watch.
impl PusherApi {
    pub(crate) fn note_published(&self, app: &App, publication: &Publication, channels: &[ChannelName]) {
        let traffic = self.workers.traffic();
        for channel in channels {
            traffic.api_message(app);
            if let Content::Message { event, data } = &publication.content {
                let event = event.as_deref().unwrap_or_default();
                traffic.log.note(|| {
                    let entry = Entry::new(EntryKind::ApiMessage, app.number);
                    entry.on(channel.as_str()).event(event, data)
                });
            }
        }
    }

    fn note_refused(&self, id: &str, error: &ApiError) {
        let traffic = self.workers.traffic();
        let Some(app) = self.engine.apps.by_id(id) else {
            return;
        };
        traffic.api_refused(&app);
        let detail = format!("{}, {}", error.status, error.message);
        traffic
            .log
            .note(|| Entry::new(EntryKind::Refusal, app.number).detail(&detail));
    }
}

/// An app that nobody can sign for.
pub fn nobody() -> Arc<App> {
    Arc::new(App {
        number: AppNumber(u32::MAX),
        id: String::new(),
        keys: Vec::new(),
        options: AppOptions::default(),
        namespaces: Vec::new(),
    })
}

/// The routes, under the prefix.
pub fn router(api: Arc<PusherApi>) -> Router {
    let prefix = api.prefix.clone();
    let routes = Router::new()
        .route("/app/{key}", get(connect))
        .merge(http_api::routes())
        .route("/apps/{id}", any(not_found))
        .route("/pusher/{*rest}", any(not_found))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(api);
    if prefix.is_empty() {
        routes
    } else {
        Router::new().nest(&prefix, routes.route("/up", get(crate::up)))
    }
}

async fn not_found() -> Response {
    refuse(&ApiError::new(404, "not_found", "No such endpoint"))
}

async fn method_not_allowed() -> Response {
    refuse(&ApiError::new(
        405,
        "method_not_allowed",
        "The method is not supported here",
    ))
}

/// The WebSocket handshake for those that did not begin with it ([`crate::reception`]). It succeeds for an unknown
/// key too: only over an open socket can a client be told why, and a client that is not told tries again for ever.
async fn connect(
    State(api): State<Arc<PusherApi>>,
    Path(key): Path<String>,
    mut request: Request,
) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    let headers = request.headers();
    let Some(opening) = Opening::of(|name| headers.get(name)?.to_str().ok()) else {
        let required = [
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
        ];
        return (
            StatusCode::UPGRADE_REQUIRED,
            required,
            "This address speaks WebSocket",
        )
            .into_response();
    };
    let Ok(accept) = HeaderValue::from_str(&opening.accept) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let origin = opening.origin.map(str::to_owned);
    let query = request.uri().query().unwrap_or_default().to_owned();
    let its = api.clone();
    api.tasks.spawn(async move {
        let upgraded = match tokio::time::timeout(UPGRADE_TIMEOUT, upgrade).await {
            Ok(Ok(upgraded)) => upgraded,
            Ok(Err(error)) => return tracing::debug!(%error, "A handshake was not finished"),
            Err(_) => return tracing::debug!("A handshake took too long"),
        };
        match Uprooted::from_upgrade(upgraded) {
            Ok((stream, read_ahead)) => its.workers.adopt(Newcomer {
                visitor: its.admit(&key, &query, origin.as_deref(), its.workers.now()),
                stream,
                read_ahead,
            }),
            Err(error) => tracing::warn!(%error, "A socket could not be handed over"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if opening.subprotocol {
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        );
    }
    response
}

impl PusherApi {
    /// Whether the path is one of the HTTP API, which waits for nothing but the engine.
    pub(crate) fn is_api(&self, path: &str) -> bool {
        let path = path.strip_prefix(self.prefix.as_str());
        path.is_some_and(|path| path.starts_with("/apps/"))
    }

    /// Lets a client in, with the machine that will greet it or tell it why it must go.
    pub(crate) fn admit(&self, key: &str, query: &str, origin: Option<&str>, now: Millis) -> Visitor {
        let known = self.engine.apps.by_key(key);
        let app = known.clone().unwrap_or_else(|| self.nobody.clone());
        let admission = self.quota.admit(&app);
        let id = self.quota.name();
        let handshake = Handshake {
            query,
            origin,
            over_quota: admission.over_quota,
            node_full: admission.node_full,
        };
        Visitor {
            id,
            app,
            machine: Box::new(Pusher::new(id, known, &handshake, now)),
            admission,
        }
    }
}

fn refuse(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer(status, error.body());
    if passes(error) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Whether it is worth trying again in a second.
pub(crate) fn passes(error: &ApiError) -> bool {
    [429, 503].contains(&error.status)
}

fn answer(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
