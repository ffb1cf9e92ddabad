//! The messenger over HTTP: the REST API of `docs/API.md`, one file per resource, and its bridges to the
//! engine ([`feed`] for what happened, [`presence`] for who is there).
//!
//! Handlers turn JSON into the types of `chinwag_messenger`, call one use case, and show the result through
//! `view`. Rules live in the messenger, statuses and codes in [`crate::error`].

mod accounts;
pub mod admin;
pub mod apps;
mod attachments;
pub(crate) mod auth;
mod content;
mod conversations;
pub(crate) mod extract;
pub mod feed;
pub(crate) mod limits;
mod messages;
mod people;
pub mod presence;
pub(crate) mod realtime;
mod receipts;
mod sweep;
mod sync;
mod uploads;
pub(crate) mod view;

pub use limits::RateLimits;
pub use sweep::sweep;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use chinwag_engine::{App, Engine};
use chinwag_messenger::{Caller, Messenger, StoreResult};
use serde::Serialize;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

use crate::error::{Problem, identify};
use limits::Limiter;
use presence::Presence;
use realtime::Sockets;

/// How the API presents itself and what it lets one caller do.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// What the server calls itself.
    pub name: String,
    /// How often one user may ask.
    pub rate_limits: RateLimits,
    /// A reverse proxy stands in front, so believe its `X-Forwarded-For` and `X-Forwarded-Proto`.
    pub trust_proxy: bool,
    /// Origins of other sites whose pages may call the API with the user's session.
    pub cors_origins: Vec<String>,
    /// Hosts whose pages log in with the session cookie besides our own, with ports and `*` as wildcard.
    pub stateful_domains: Vec<String>,
}

/// Where front ends run while they are developed.
pub const STATEFUL_DOMAINS: &str = "localhost,localhost:3000,127.0.0.1,127.0.0.1:8000,::1";

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            name: "Chinwag".to_owned(),
            rate_limits: RateLimits::default(),
            trust_proxy: false,
            cors_origins: Vec::new(),
            stateful_domains: STATEFUL_DOMAINS.split(',').map(str::to_owned).collect(),
        }
    }
}

/// What the handlers work with.
pub struct MessengerApi {
    pub(crate) messenger: Arc<Messenger>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) app: Arc<App>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) sockets: Sockets,
    pub(crate) limiter: Limiter,
    pub(crate) options: ApiOptions,
}

impl MessengerApi {
    /// An API over `messenger` whose clients connect to `app` of `engine`.
    pub fn new(
        messenger: Arc<Messenger>,
        engine: Arc<Engine>,
        app: Arc<App>,
        presence: Arc<Presence>,
        options: ApiOptions,
    ) -> Arc<Self> {
        let limiter = Limiter::new(options.rate_limits.clone());
        Arc::new(Self {
            messenger,
            engine,
            app,
            presence,
            sockets: Sockets::default(),
            limiter,
            options,
        })
    }
}

impl MessengerApi {
    /// Ends the caller's login, and with it what hangs on it.
    pub(crate) async fn end_login(&self, caller: &Caller) -> StoreResult<()> {
        self.messenger.log_out(caller).await?;
        // The feed says it too, but may drop events when it is overrun.
        self.presence.leaving(caller.user);
        self.sockets
            .close(caller.login, caller.user, self.app.number, &self.engine);
        Ok(())
    }
}

/// Every route of the messenger.
pub fn router(api: Arc<MessengerApi>) -> Router {
    let v1 = Router::new()
        .route("/config", get(accounts::config))
        .route("/health", get(accounts::health))
        .route("/auth/register", post(accounts::register))
        .route("/auth/login", post(accounts::log_in))
        .route("/auth/logout", post(accounts::log_out))
        .route("/me", get(accounts::me))
        .route("/users", get(people::search))
        .route("/users/{id}", get(people::show))
        .route("/presence", get(people::presence))
        .route(
            "/conversations",
            get(conversations::list).post(conversations::open),
        )
        .route("/conversations/{id}", get(conversations::show))
        .route("/conversations/{id}/members", get(conversations::members))
        .route("/conversations/{id}/read", post(receipts::read_all))
        .route(
            "/conversations/{id}/messages",
            get(messages::list).post(messages::send),
        )
        .route("/conversations/{id}/changes", get(sync::changes))
        .route("/messages/{id}", get(messages::show))
        .route("/receipts", post(receipts::advance))
        .route(
            "/attachments",
            post(attachments::create).layer(DefaultBodyLimit::max(upload_bytes_max(&api))),
        )
        .route("/attachments/{id}", get(attachments::show))
        .route("/attachments/{id}/content", get(attachments::content))
        .route("/attachments/{id}/thumb/{size}", get(attachments::thumb))
        .route("/conversations/{id}/media", get(attachments::media))
        .route("/uploads", post(uploads::create))
        .route("/uploads/{id}", get(uploads::show).put(uploads::append))
        .route("/uploads/{id}/complete", post(uploads::complete))
        .route("/sync", get(sync::page))
        .route("/sync/changes", post(sync::changes_of_many))
        .route("/realtime/config", get(realtime::config))
        .route("/realtime/auth", post(realtime::authorise))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(method_not_allowed);
    let cors = crate::laravel::cors(&api.options.cors_origins);
    let routes = Router::new()
        .nest("/api/v1", v1)
        // What is nested does not answer for the bare prefix with a slash.
        .route("/api/v1/", any(async || Problem::not_found()));
    around(routes).layer(option_layer(cors)).with_state(api)
}

/// Largest body that brings a file.
fn upload_bytes_max(api: &MessengerApi) -> usize {
    let file = api.messenger.options().attachments.file_bytes_max;
    usize::try_from(file + attachments::WORDS_BYTES_MAX).unwrap_or(usize::MAX)
}

/// What is done for every request of the REST API.
fn around<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .layer(DefaultBodyLimit::max(extract::BODY_BYTES_MAX))
        .layer(from_fn(limits::report))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(identify))
}

async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "See the Allow header.",
    )
}

/// A panic is a bug of ours, and still the client gets an answer.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    error!("A request of the messenger panicked");
    Problem::internal().into_response()
}

/// An answer with a body.
fn answer(status: StatusCode, view: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(view).map_err(|error| {
        error!(%error, "An answer could not be written as JSON");
        Problem::internal()
    })?;
    Ok((
        status,
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body,
    )
        .into_response())
}

/// The usual answer.
fn ok(view: &impl Serialize) -> Result<Response, Problem> {
    answer(StatusCode::OK, view)
}
