//! What front ends written for a Laravel application expect: Sanctum's tokens and cookies, the channel
//! authorisation that Echo asks for, and errors in Laravel's words.
//!
//! It is another face of the messenger: the use cases, accounts and logins are those of [`crate::messenger`].

mod broadcasting;
mod channel_rules;
mod error;
mod guard;
mod input;
pub(crate) mod notification;
mod rules;
mod session;
mod tokens;

use std::any::Any;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, OriginalUri};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use chinwag_engine::ChannelName;
use chinwag_messenger::{ConversationId, UserId};
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::warn;

use crate::error::{Problem, identify};
use crate::messenger::MessengerApi;
use crate::messenger::extract::BODY_BYTES_MAX;
pub use channel_rules::{ChannelRule, ChannelRuleError, ChannelRules};
use error::Refusal;
pub(crate) use rules::notified_user;

/// How long a browser may keep the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// The routes, where a Laravel application has them.
pub fn router(api: Arc<MessengerApi>) -> Router {
    let cors = cors(&api.options.cors_origins);
    Router::new()
        .route(
            "/sanctum/csrf-cookie",
            only(get(session::csrf_cookie), "GET, HEAD"),
        )
        .route("/sanctum/token", only(post(tokens::issue), "POST"))
        .route("/api/sanctum/token", only(post(tokens::issue), "POST"))
        .route(
            "/login",
            post(session::log_in).fallback_service(crate::web::router()),
        )
        .route("/logout", only(post(session::log_out), "POST"))
        .route("/api/user", only(get(tokens::user), "GET, HEAD"))
        .route("/broadcasting/auth", both(broadcasting::authorise))
        .route("/api/broadcasting/auth", both(broadcasting::authorise_api))
        .route("/broadcasting/user-auth", both(broadcasting::sign_in))
        .route("/api/broadcasting/user-auth", both(broadcasting::sign_in_api))
        .route("/api/{*rest}", any(not_found))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(error::report))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(identify))
        .layer(option_layer(cors))
        .with_state(api)
}

fn both<H, T>(handler: H) -> MethodRouter<Arc<MessengerApi>>
where
    H: axum::handler::Handler<T, Arc<MessengerApi>>,
    T: 'static,
{
    only(get(handler.clone()).post(handler), "GET, HEAD, POST")
}

/// Answers other methods in Laravel's words.
fn only(route: MethodRouter<Arc<MessengerApi>>, methods: &'static str) -> MethodRouter<Arc<MessengerApi>> {
    route.fallback(move |method: Method, OriginalUri(uri): OriginalUri| {
        ready(Refusal::method_not_allowed(&method, uri.path(), methods))
    })
}

/// What nobody knows under `/api`. The router gives it unknown paths of the messenger's own API as well, because a
/// route goes before another router's fallback; those keep their own words.
async fn not_found(OriginalUri(uri): OriginalUri) -> Response {
    let own = uri.path().strip_prefix("/api/v1");
    if own.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Problem::not_found().into_response();
    }
    Refusal::no_route(uri.path()).into_response()
}

/// A panic is a bug of ours, and still the client gets an answer.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("A request of a Laravel client panicked");
    Refusal::server_error().into_response()
}

/// Lets pages of these origins call with the user's cookies; nobody's when there are none.
pub(crate) fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<_> = origins
        .iter()
        .filter_map(|origin| match HeaderValue::from_str(origin) {
            Ok(value) if !origin.is_empty() && origin != "*" => Some(value),
            _ => {
                warn!(origin, "This is no origin and is left out");
                None
            }
        })
        .collect();
    if origins.is_empty() {
        return None;
    }
    let headers = [
        header::ACCEPT,
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("x-csrf-token"),
        HeaderName::from_static("x-requested-with"),
        HeaderName::from_static("x-socket-id"),
        HeaderName::from_static("x-xsrf-token"),
    ];
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_headers(headers)
        .allow_methods(methods)
        .max_age(PREFLIGHT_AGE);
    Some(layer)
}

/// Every name that a channel of the conversation can have, the messenger's own included.
pub(crate) fn conversation_channels(id: ConversationId) -> Vec<ChannelName> {
    rules::conversation_channels(id)
}

/// The conversation whose members the channel is for, by the messenger's own names or by those of Laravel applications.
pub(crate) fn conversation_of(channel: &ChannelName) -> Option<ConversationId> {
    rules::conversation_of(channel)
}

/// The channels of the user's own besides the messenger's, as Laravel applications call them.
pub(crate) fn user_channels(user: UserId) -> Vec<ChannelName> {
    rules::USER_PATTERNS
        .iter()
        .map(|pattern| rules::private_channel(pattern, user.0))
        .collect()
}
