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
mod changes;
mod contacts;
mod content;
mod conventions;
mod conversations;
mod devices;
pub(crate) mod extract;
pub mod feed;
mod forwards;
mod invites;
pub(crate) mod limits;
pub(crate) mod listeners;
mod mail;
mod me;
mod members;
mod messages;
pub mod openapi;
mod pages;
mod people;
mod pins;
pub mod presence;
mod push;
pub(crate) mod realtime;
mod receipts;
mod reports;
mod search;
mod second_factor;
mod settings;
mod sweep;
mod sync;
mod threads;
mod typing;
mod uploads;
pub(crate) mod view;
pub mod whispers;

pub use limits::RateLimits;
pub use sweep::sweep;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use chinwag_engine::{App, Engine};
use chinwag_messenger::{Caller, LoginId, LogoutReason, Messenger, StoreResult, UserId};
use serde::Serialize;
use serde_json::Value;
use tower::ServiceBuilder;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::{Problem, identify};
use crate::laravel::ChannelRules;
use crate::push::Pushes;
use conventions::Replays;
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
    /// Most realtime connections of one user; the one that came first makes room for another one.
    pub user_connections_max: usize,
    /// A reverse proxy stands in front, so believe its `X-Forwarded-For` and `X-Forwarded-Proto`.
    pub trust_proxy: bool,
    /// Origins of other sites whose pages may call the API with the user's session.
    pub cors_origins: Vec<String>,
    /// Hosts whose pages log in with the session cookie besides our own, with ports and `*` as wildcard.
    pub stateful_domains: Vec<String>,
    /// Who may join channels of the operator's own.
    pub channel_rules: ChannelRules,
    /// Takes messages that people who are not there are to be notified of.
    pub push: Option<Pushes>,
    /// Largest payload of an event. Longer messages are cut.
    pub event_bytes_max: usize,
    /// What clients are asked to do.
    pub hints: ClientHints,
}

/// Times that clients keep; the server only tells them.
#[derive(Debug, Clone)]
pub struct ClientHints {
    /// Seconds after which somebody who still types says so again.
    pub typing_repeat_s: u32,
    /// Seconds after which somebody who has not said so again is not typing any more.
    pub typing_expiry_s: u32,
    /// Seconds without input after which somebody is away.
    pub away_after_s: u32,
    /// Milliseconds to wait for an event that is missing between others before asking for it.
    pub gap_wait_ms: u32,
}

impl Default for ClientHints {
    fn default() -> Self {
        Self {
            typing_repeat_s: 3,
            typing_expiry_s: 6,
            away_after_s: 5 * 60,
            gap_wait_ms: 300,
        }
    }
}

/// Where front ends run while they are developed.
pub const STATEFUL_DOMAINS: &str = "localhost,localhost:3000,127.0.0.1,127.0.0.1:8000,::1";

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            name: "Chinwag".to_owned(),
            rate_limits: RateLimits::default(),
            user_connections_max: 20,
            trust_proxy: false,
            cors_origins: Vec::new(),
            stateful_domains: STATEFUL_DOMAINS.split(',').map(str::to_owned).collect(),
            channel_rules: ChannelRules::default(),
            push: None,
            event_bytes_max: 64 * 1024,
            hints: ClientHints::default(),
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
    replays: Replays,
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
            replays: Replays::default(),
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
        self.dismiss(caller.login, caller.user, LogoutReason::LoggedOut);
        Ok(())
    }

    /// Tells the sockets of a login that has ended so, and closes them.
    fn dismiss(&self, login: LoginId, user: UserId, reason: LogoutReason) {
        let event = view::Event::logout_required(reason);
        let farewell = feed::farewell(self, user, event);
        self.sockets.close(login, user, &farewell, &self.engine);
    }
}

impl MessengerApi {
    /// Logs what an administrator did.
    pub(crate) async fn note(&self, admin: &Caller, action: &str, subject: &Value) -> Result<(), Problem> {
        let subject = subject.to_string();
        Ok(self.messenger.log_action(admin, action, &subject).await?)
    }
}

/// Every route of the messenger.
pub fn router(api: Arc<MessengerApi>) -> Router {
    let v1 = Router::from(documented())
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(method_not_allowed);
    let cors = crate::laravel::cors(&api.options.cors_origins);
    let routes = Router::new()
        .nest("/api/v1", v1)
        // What is nested does not answer for the bare prefix with a slash.
        .route("/api/v1/", any(async || Problem::not_found()))
        .layer(
            // Each `layer` of a router wraps every route anew; together they wrap it once.
            ServiceBuilder::new()
                .layer(from_fn_with_state(api.clone(), conventions::keep))
                .layer(DefaultBodyLimit::max(extract::body_bytes_max(
                    api.messenger.options().body_bytes_max,
                ))),
        );
    around(routes).layer(option_layer(cors)).with_state(api)
}

/// The routes with their description. Each handler says in `#[utoipa::path]` where it is and what it answers;
/// refusals are the same everywhere and added by [`openapi`].
fn documented() -> OpenApiRouter<Arc<MessengerApi>> {
    OpenApiRouter::new()
        .routes(routes!(openapi::show))
        .routes(routes!(accounts::config))
        .routes(routes!(accounts::health))
        .routes(routes!(accounts::register))
        .routes(routes!(accounts::log_in))
        .routes(routes!(second_factor::complete))
        .routes(routes!(mail::verify))
        .routes(routes!(mail::forgot))
        .routes(routes!(mail::reset))
        .routes(routes!(accounts::log_out))
        .routes(routes!(devices::renew))
        .routes(routes!(me::show, me::change, me::delete))
        .routes(routes!(me::change_privacy))
        .routes(routes!(me::change_settings))
        .routes(routes!(me::change_password))
        .routes(routes!(push::subscribe, push::unsubscribe))
        .routes(routes!(second_factor::offer))
        .routes(routes!(second_factor::confirm))
        .routes(routes!(second_factor::remove))
        .routes(routes!(devices::list, devices::end_others))
        .routes(routes!(devices::end))
        .routes(routes!(contacts::list))
        .routes(routes!(contacts::keep, contacts::forget))
        .routes(routes!(contacts::blocks))
        .routes(routes!(contacts::block, contacts::unblock))
        .routes(routes!(people::search))
        .routes(routes!(people::show))
        .routes(routes!(people::presence))
        .routes(routes!(people::online_count))
        .routes(routes!(conversations::list, conversations::open))
        .routes(routes!(conversations::show, settings::update, settings::delete))
        .routes(routes!(settings::update_mine))
        .routes(routes!(settings::clear))
        .routes(routes!(members::leave))
        .routes(routes!(members::list, members::add))
        .routes(routes!(members::set_role, members::remove))
        .routes(routes!(members::transfer))
        .routes(routes!(members::bans))
        .routes(routes!(members::lift_ban))
        .routes(routes!(invites::list, invites::create))
        .routes(routes!(invites::preview, invites::revoke))
        .routes(routes!(invites::join))
        .routes(routes!(receipts::read_all))
        .routes(routes!(messages::list, messages::send))
        .routes(routes!(sync::changes))
        .routes(routes!(typing::signal))
        .routes(routes!(messages::show, changes::edit, changes::delete))
        .routes(routes!(changes::versions))
        .routes(routes!(changes::delete_many))
        .routes(routes!(changes::react, changes::unreact))
        .routes(routes!(changes::reactions))
        .routes(routes!(forwards::forward))
        .routes(routes!(pins::pin, pins::unpin))
        .routes(routes!(pins::list))
        .routes(routes!(threads::show))
        .routes(routes!(threads::follow))
        .routes(routes!(threads::list))
        .routes(routes!(receipts::advance))
        .routes(routes!(receipts::of_message))
        .routes(routes!(search::within))
        .routes(routes!(search::everywhere))
        .routes(routes!(attachments::create))
        .routes(routes!(attachments::show))
        .routes(routes!(attachments::content))
        .routes(routes!(attachments::thumb))
        .routes(routes!(attachments::media))
        .routes(routes!(uploads::create))
        .routes(routes!(uploads::show, uploads::append))
        .routes(routes!(uploads::complete))
        .routes(routes!(sync::page))
        .routes(routes!(sync::changes_of_many))
        .routes(routes!(reports::report))
        .routes(routes!(admin::reports::list))
        .routes(routes!(admin::reports::handle))
        .routes(routes!(admin::users::list))
        .routes(routes!(admin::users::change))
        .routes(routes!(admin::users::revoke_devices))
        .routes(routes!(admin::audit::list))
        .routes(routes!(
            admin::server_invites::list,
            admin::server_invites::create
        ))
        .routes(routes!(admin::server_invites::revoke))
        .routes(routes!(realtime::config))
        .routes(routes!(realtime::authorise))
}

/// What is done for every request of the REST API.
fn around<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(
        ServiceBuilder::new()
            .layer(from_fn(identify))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn(limits::report))
            .layer(DefaultBodyLimit::max(extract::BODY_BYTES_MAX)),
    )
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
